"""sweep --rejoin: whether the readers of an app can come back after each event."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.progress import Progress

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_harness import terminal_text
from tokentape_harness.flush.bench import Bench, event_loop
from tokentape_harness.flush.rejoining import Limits
from tokentape_harness.flush.request_options import body_of, header_of
from tokentape_harness.flush.serving import KNOWN_PORT, serving
from tokentape_harness.flush.targets import AppRequest, HttpTarget, checked_url
from tokentape_harness.sweep.rejoin import RejoinSweep
from tokentape_harness.testing.fake_provider import FakeProvider


class RejoinRequest(NamedTuple):
    """What to request: `begin` starts a response, and `back` is where a reader comes back."""

    back: str
    begin: str | None
    method: str | None
    headers: Sequence[str]
    data: str | None

    def targets(self) -> tuple[HttpTarget, HttpTarget]:
        """Both requests; the headers are the same. Raises `UsageError`."""
        headers = tuple(map(header_of, self.headers))
        request = AppRequest(method=self.method or "", headers=headers, body=body_of(self.data))
        begin = HttpTarget(checked_url(self.begin or self.back), request)
        return begin, HttpTarget(checked_url(self.back), AppRequest(headers=headers))


def rejoin(
    request: RejoinRequest,
    command: Sequence[str],
    *,
    provider_port: int | None,
    limits: Limits,
    places: int,
    seed: int,
    as_json: bool,
) -> int:
    """Print the table; 1 if a reader did not receive each event once and in order, else 0.

    Raises `UsageError`, `FlushError`, `PortInUseError`.
    """
    begin, back = request.targets()
    port = provider_port if provider_port is not None else 0 if command else KNOWN_PORT
    with (
        FakeProviderServer(port=port) as server,
        event_loop() as loop,
        Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress,
    ):
        bench = Bench(begin, FakeProvider(server, server.default), loop)
        with serving(command, bench, limits.start):
            task = progress.add_task("sweep", total=None)
            sweep = RejoinSweep(bench, back, limits=limits, seed=seed)
            report = sweep.run(places=places, seed=seed, on_cell=lambda _: progress.advance(task))
    if as_json:
        failures = [result.cell for result in report.failures]
        print(terminal_text.dump({**report.to_builtins(), "failures": failures}))
    else:
        for line in report.lines():
            print(terminal_text.printable(line))
    return 1 if report.failures else 0
