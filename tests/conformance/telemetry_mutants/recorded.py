"""Recorded: one session with the ground, which every broken instrumentation exports again in its own way."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, TypeVar

from tests.conformance.mutants import mutant
from tests.conformance.telemetry_mutants.ground import Call, Ground
from tokentape_conformance.telemetry.observation import Observation
from tokentape_conformance.telemetry.options import TelemetryOptions, environment
from tokentape_conformance.telemetry.received import Received
from tokentape_conformance.telemetry.scenarios import SCENARIOS
from tokentape_conformance.telemetry.sink import Export
from tokentape_conformance.telemetry.telemetry_target import TelemetryTarget

MakerT = TypeVar("MakerT", bound=Callable[[], Any])


def hurried(content: Literal["on", "off"]) -> TelemetryOptions:
    """Options for an app in process, which exports before its response ends."""
    return TelemetryOptions(content=content, patience=0.3, limit=5.0, start=10.0, delay=1.5, quiet=0.05)


class Observed(Ground):
    """Keeps the calls."""

    def __init__(self, session: Recorded) -> None:
        self.session = session

    def begun(self, call: Call) -> None:
        """A call has begun."""
        self.session.happened[self.session.scenario].append(("begun", call))

    def export(self, call: Call) -> None:
        """A call has ended."""
        self.session.happened[self.session.scenario].append(("export", call))
        super().export(call)


class Recorded(TelemetryTarget):
    """A session with the ground, and which calls began and ended in each scenario."""

    def __init__(self) -> None:
        self.happened: dict[str, list[tuple[str, Call]]] = defaultdict(list)
        super().__init__("ground", hurried("off"), app=Observed(self))

    def _observe(self, scenario: str) -> Observation:
        self.scenario = scenario
        return super()._observe(scenario)


@cache
def recorded() -> Recorded:
    """The session: every scenario once."""
    session = Recorded()
    try:
        for scenario in SCENARIOS:
            session.observe(scenario)
    finally:
        session.close()
    return session


class Replayed(TelemetryTarget):
    """The target of a recorded session, as if this app had exported its telemetry: nothing is sent again."""

    def __init__(self, app: Ground, content: Literal["on", "off"]) -> None:
        session = recorded()
        self.__dict__ |= session.__dict__
        self.options = hurried(content)
        self._observations = {name: self._replayed(app, name) for name in SCENARIOS}

    def _replayed(self, app: Ground, scenario: str) -> Observation:
        exports: list[Export] = []
        app.send = lambda signal, fields: exports.append(Export(signal, 0.0, fields))  # type: ignore[method-assign]
        os.environ.update(environment("", self.options.content))
        recording = recorded()
        for happened, call in recording.happened[scenario]:
            getattr(app, happened)(call)
        observation = recording.observe(scenario)
        return observation._replace(received=Received(exports, (), observation.timeline.began))

    def close(self) -> None:
        """Nothing was started."""


def broken(case: str, content: Literal["on", "off"] = "off") -> Callable[[MakerT], MakerT]:
    """Register an app; its docstring is the fault, and this case finds it."""

    def register(make: MakerT) -> MakerT:
        def target() -> Replayed:
            return Replayed(make(), content)

        target.__name__, target.__doc__ = make.__name__, make.__doc__
        mutant("telemetry", case)(target)
        return make

    return register
