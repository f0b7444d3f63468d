"""The locustfile of `tokentape load`: users of one prompt, whose samples are written to a file at the end.

What they do comes as JSON in the environment variable `TOKENTAPE_LOAD`, as workers of other machines have no arguments.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, ClassVar, Final

import gevent  # type: ignore[import-untyped]
import msgspec
from locust import constant, events, task
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import MasterRunner, WorkerRunner

from tokentape_harness.load.plan import VARIABLE, Plan
from tokentape_harness.load.sample import Sample, write_samples
from tokentape_harness.load.stream_user import StreamUser

_PLAN: Final = Plan.from_json(os.environ[VARIABLE])
_REPORTED: Final = "tokentape_samples"
_ENDED: Final = "tokentape_ended"
_ends = 0.0


class Reader(StreamUser):
    """Sends the plan's prompt again and again."""

    wire = _PLAN.wire
    model = _PLAN.model
    settings: ClassVar = dict(_PLAN.settings)
    options: ClassVar = dict(_PLAN.options)
    mark_prompt = _PLAN.mark_prompt
    wait_time = constant(_PLAN.pause)
    _has_read = False

    @task
    def read(self) -> None:
        """Read one stream, and others as long as new ones may begin."""
        if self._has_read and time.monotonic() > _ends:
            raise StopUser
        self._has_read = True
        self.stream(_PLAN.prompt)


def collect(environment: Environment, **_: Any) -> None:
    """Collect the samples of all users: on a worker they go to the master with its reports."""
    samples: list[Sample] = []

    def note(sample: Sample | None = None, **_: Any) -> None:
        if sample is not None:
            samples.append(sample)

    def taken() -> list[Any]:
        rows = msgspec.to_builtins(samples)
        samples.clear()
        return rows  # type: ignore[no-any-return]

    def report(client_id: str, data: dict[str, Any]) -> None:  # noqa: ARG001 - passed by name
        data[_REPORTED] = taken()

    def receive(client_id: str, data: dict[str, Any]) -> None:  # noqa: ARG001 - passed by name
        samples.extend(msgspec.convert(data.get(_REPORTED, []), list[Sample]))

    def write(**_: Any) -> None:
        write_samples(Path(_PLAN.samples), samples)

    def start(**_: Any) -> None:
        # Not --run-time: the open streams would be lost, and it counts from before the imports.
        global _ends
        _ends = time.monotonic() + _PLAN.duration

    def wait_for_users(**_: Any) -> None:
        gevent.spawn(end)

    def end() -> None:
        while time.monotonic() < _ends or (runner.user_count and time.monotonic() < _ends + _PLAN.patience):
            gevent.sleep(0.1)
        if isinstance(runner, WorkerRunner):
            # With what the last report lacks: the master does not wait for another one.
            runner.send_message(_ENDED, {_REPORTED: taken()})
        else:
            runner.quit()

    def note_ended(environment: Environment, msg: Any, **_: Any) -> None:  # noqa: ARG001 - passed by name
        receive(msg.node_id, msg.data)
        ended.add(msg.node_id)
        if len(ended) >= runner.worker_count:
            gevent.spawn(runner.quit)

    ended: set[str] = set()
    hooks: Any = environment.events
    runner: Any = environment.runner
    hooks.request.add_listener(note)
    hooks.test_start.add_listener(start)
    if isinstance(runner, MasterRunner):
        runner.register_message(_ENDED, note_ended)
        hooks.worker_report.add_listener(receive)
    else:
        hooks.spawning_complete.add_listener(wait_for_users)
    if isinstance(runner, WorkerRunner):
        hooks.report_to_master.add_listener(report)
    else:
        hooks.quitting.add_listener(write)


events.init.add_listener(collect)  # type: ignore[no-untyped-call]
