"""The telemetry suite, as the runner sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tokentape_conformance.app_target import read_options
from tokentape_conformance.case_registry import Case, import_cases, registered
from tokentape_conformance.telemetry import cases
from tokentape_conformance.telemetry.options import TelemetryOptions
from tokentape_conformance.telemetry.telemetry_target import TelemetryTarget
from tokentape_conformance.telemetry.telemetry_trial import TelemetryTrial


class TelemetrySuite:
    """Cases about the telemetry of an app that streams from a provider."""

    name = "telemetry"

    def cases(self) -> Sequence[Case]:
        """All cases."""
        import_cases(cases)
        return registered(self.name)

    def load(self, target: str, options: Mapping[str, str]) -> TelemetryTarget:
        """The target, set up, after a first request. Raises `UsageError`, `FlushError`, `PortInUseError`."""
        return TelemetryTarget(target, read_options(self.name, TelemetryOptions, options))

    def wires(self, target: TelemetryTarget) -> Sequence[str]:
        """The wire format of the app's own requests."""
        return (target.wire or "",)

    def lack(self, target: TelemetryTarget, need: str, wire: str) -> str | None:  # noqa: ARG002
        """Why the target lacks this capability; None if it has it."""
        return target.lack(need)

    def trials(self, target: TelemetryTarget, case: Case, wire: str, seed: int) -> Iterator[TelemetryTrial]:
        """One trial."""
        yield TelemetryTrial(case, wire, target, seed=seed)


SUITE = TelemetrySuite()
