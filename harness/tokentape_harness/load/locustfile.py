"""The locustfile of `tokentape load`: users of one prompt, whose samples are written to a file at the end.

What they do comes as JSON in the environment variable `TOKENTAPE_LOAD`, as workers of other machines have no arguments.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from pathlib import Path
from typing import Any, ClassVar, Final

import gevent  # type: ignore[import-untyped]
import msgspec
from locust import constant, events, task
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

from tokentape_harness.load.plan import LOST_SAMPLES, VARIABLE, Plan
from tokentape_harness.load.sample import Sample, write_samples
from tokentape_harness.load.stream_user import StreamUser

_PLAN: Final = Plan.from_json(os.environ[VARIABLE])
_REPORTED: Final = "tokentape_samples"
_END: Final = "tokentape_end"
_ENDED: Final = "tokentape_ended"
# How long the workers have for their last samples, in s.
_GRACE: Final = 10.0
_samples: list[Sample] = []
_ends = 0.0


class Reader(StreamUser):
    """Sends the plan's prompt again and again."""

    wire = _PLAN.wire
    model = _PLAN.model
    settings: ClassVar = dict(_PLAN.settings)
    options: ClassVar = dict(_PLAN.options)
    headers: ClassVar = dict(_PLAN.headers)
    timeout = _PLAN.timeout
    mark_prompt = _PLAN.mark_prompt
    wait_time = constant(_PLAN.pause)

    @task
    def read(self) -> None:
        """Read one stream, and others as long as new ones may begin."""
        if time.monotonic() >= _ends:
            raise StopUser
        began = time.time()
        try:
            _samples.append(self.stream(_PLAN.prompt))
        except gevent.GreenletExit:
            total = (time.time() - began) * 1000
            _samples.append(Sample(uuid.uuid4().hex, self.wire, began, total, unfinished=True))
            raise


def collect(environment: Environment, **_: Any) -> None:
    """Collect the samples of all users: on a worker they go to the master with its reports."""

    def taken() -> list[Any]:
        rows = msgspec.to_builtins(_samples)
        _samples.clear()
        return rows  # type: ignore[no-any-return]

    def report(client_id: str, data: dict[str, Any]) -> None:  # noqa: ARG001 - passed by name
        data[_REPORTED] = taken()

    def receive(client_id: str, data: dict[str, Any]) -> None:  # noqa: ARG001 - passed by name
        _samples.extend(msgspec.convert(data.get(_REPORTED, []), list[Sample]))

    def write(**_: Any) -> None:
        write_samples(Path(_PLAN.samples), _samples)

    def start(**_: Any) -> None:
        # Not --run-time: the open streams would be lost, and it counts from before the imports.
        global _ends
        _ends = time.monotonic() + _PLAN.duration
        gevent.spawn(end)

    def end() -> None:
        patience = _PLAN.patience + (_GRACE if is_master else 0.0)
        while time.monotonic() < _ends or (is_busy() and time.monotonic() < _ends + patience):
            gevent.sleep(0.1)
        if isinstance(runner, WorkerRunner):
            end_worker()
        else:
            runner.quit()

    def is_busy() -> bool:
        return bool(missing_reports() if is_master else runner.user_count)

    def end_worker(**_: Any) -> None:
        global _ends
        if ended:
            return
        ended.add("this worker")
        _ends = 0.0
        runner.stop()
        # With what the last report lacks: the master does not wait for another one.
        runner.send_message(_ENDED, {_REPORTED: taken()})

    def missing_reports() -> list[str]:
        return [one.id for one in runner.clients.all if one.id not in ended and one.state != STATE_MISSING]

    def end_workers(**_: Any) -> None:
        """At Ctrl-C: their samples so far, before they are closed."""
        if missing_reports():
            runner.send_message(_END)
        deadline = time.monotonic() + _GRACE
        while missing_reports() and time.monotonic() < deadline:
            gevent.sleep(0.05)
        if len(ended) < _PLAN.processes:
            environment.process_exit_code = LOST_SAMPLES
            logging.getLogger("tokentape").warning(
                "%d of %d processes ended without their samples", _PLAN.processes - len(ended), _PLAN.processes
            )

    def note_ended(environment: Environment, msg: Any, **_: Any) -> None:  # noqa: ARG001 - passed by name
        receive(msg.node_id, msg.data)
        ended.add(msg.node_id)

    ended: set[str] = set()
    hooks: Any = environment.events
    runner: Any = environment.runner
    is_master = isinstance(runner, MasterRunner)
    hooks.test_start.add_listener(start)
    if is_master:
        runner.register_message(_ENDED, note_ended)
        hooks.worker_report.add_listener(receive)
        hooks.quitting.add_listener(end_workers)
    if isinstance(runner, WorkerRunner):
        runner.register_message(_END, end_worker, concurrent=True)
        hooks.report_to_master.add_listener(report)
    else:
        # Not at `quitting`: the streams that are open then end later.
        hooks.quit.add_listener(write)


events.init.add_listener(collect)  # type: ignore[no-untyped-call]
