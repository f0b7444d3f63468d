"""The clients whose verdicts docs/verdict.md shows: `python -m tests.clients.verdicts` measures them, and writes it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.clients.driver import Drivers
from tests.clients.environments import NODE, OWN, versions
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.timing import parse_timing
from tokentape_fake_provider.verdict.finding import Verdict
from tokentape_fake_provider.verdict.judge import judge

PAGE: Final = Path(__file__).parents[2] / "docs" / "verdict.md"
TEXT: Final = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"


class App(NamedTuple):
    """A client: its name for the driver, its package, and where it is installed."""

    name: str
    package: str
    environment: str
    driver: str = "verdict_driver"
    place: int = 4
    """After how many frames a stream breaks: some text was sent, and the end was not."""

    @property
    def label(self) -> str:
        """Its name with its version."""
        return f"{self.name if self.name != 'ai' else 'Vercel AI SDK'} {versions(self.environment)[self.package]}"


APPS: Final = (
    App("openai", "openai", OWN),
    App("anthropic", "anthropic", OWN),
    App("google-genai", "google-genai", OWN, place=2),
    App("litellm", "litellm", "litellm"),
    App("langchain-openai", "langchain-openai", "langchain"),
    App("langchain-anthropic", "langchain-anthropic", "langchain"),
    App("ai", "ai", NODE, "verdict_ai_driver"),
)
FAULTS: Final[Mapping[str, str]] = {
    "no fault": "",
    "truncated": "clean_end@frame={place},times=1",
    "cut off": "fin@frame={place},times=1",
    "error event": "in_band_error@frame={place},times=1",
    "503": "http_error@status=503",
    "429, wait 1 s": "http_error@status=429,retry_after=1,times=1",
    "429, wait 125 s": "http_error@status=429,retry_after=125,times=2",
    "400": "http_error@status=400",
    "401": "http_error@status=401",
    "cut before headers": "fin@before_headers",
}
LEAVES: Final = "leaves"
CASES: Final = (*FAULTS, LEAVES)


def measured(drivers: Drivers, app: App, case: str) -> tuple[Verdict, str]:
    """The verdict on an app in a case, and the error that it raised. Raises `UnavailableError`."""
    driver = drivers.get(app.environment, app.driver)
    session = driver.session
    session.clear()
    session.configure(strict=True, timing=parse_timing("synthetic:tps=20" if case == LEAVES else "instant"), faults=())
    # What is left is sent for 12 s: on a busy machine, too, the next request comes before its end.
    session.push(*[Script.of(f"{TEXT} " * 16)] * (case == LEAVES), *[Script.of(TEXT)] * 12)
    if FAULTS.get(case):
        session.add_faults(FAULTS[case].format(place=app.place))
    answer = driver.job(wire=app.name, case="leave" if case == LEAVES else "chat")
    entries = session.journal.wait(timeout=20)
    raised = answer.get("raised") or answer.get("error") or ("waits" if "waits" in answer else "")
    now_ms, runs = entries[-1].arrived, raised == "waits"
    return judge(entries, accepted=False if raised else None, now_ms=now_ms, runs=runs), raised


def cell(verdict: Verdict, raised: str) -> str:
    """A cell of the table: the findings, else how the app ended."""
    kinds = [f"**{one.kind}** ({one.certainty})" for one in verdict.findings]
    ended = raised if raised in ("", "waits") else f"raises `{raised.partition(':')[0]}`"
    return "; ".join(filter(None, (*kinds, ended))) or "-"


def table(rows: Mapping[str, Sequence[str]]) -> str:
    """The table, a row for each case."""
    labels = [app.label for app in APPS]
    lines = [f"| | {' | '.join(labels)} |", f"|---|{'---|' * len(labels)}"]
    lines += [f"| {case} | {' | '.join(cells)} |" for case, cells in rows.items()]
    return "\n".join(lines)


def rewritten(page: str, text: str) -> str:
    """The page with this table."""
    return re.sub(
        r"(<!-- verdicts -->\n).*?(\n<!-- end -->)", lambda found: found[1] + text + found[2], page, flags=re.DOTALL
    )


def column(page: str, app: App) -> list[str]:
    """The cells of an app on the page."""
    rows = page.partition("<!-- verdicts -->\n")[2].partition("\n<!-- end -->")[0].splitlines()
    place = rows[0].split(" | ").index(app.label) if app != APPS[-1] else len(APPS)
    return [row.strip("| ").split(" | ")[place] for row in rows[2:]]


def columns() -> Iterator[tuple[App, list[str]]]:
    """The cells of each app."""
    with FakeProviderServer() as server, Drivers(server) as drivers:
        for app in APPS:
            cells = [cell(*measured(drivers, app, case)) for case in CASES]
            print(app.label, *map(": ".join, zip(CASES, cells, strict=True)), sep="\n  ", flush=True)
            yield app, cells


def main() -> None:
    """Write the table."""
    found = [cells for _, cells in columns()]
    rows = {case: [cells[index] for cells in found] for index, case in enumerate(CASES)}
    PAGE.write_text(rewritten(PAGE.read_text(), table(rows)))


if __name__ == "__main__":
    main()
