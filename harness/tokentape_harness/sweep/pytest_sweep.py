"""Pytest sweep: a marked test runs once for each cell, and the terminal summary has the matrix."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from tokentape import ChatOutput
from tokentape_harness.cassettes.files import cassette_folders, locate_cassette
from tokentape_harness.errors import HarnessError, UsageError
from tokentape_harness.sweep.matrix import Matrix
from tokentape_harness.sweep.outcome import FAIL_ON, OUTCOMES, CellResult, Outcome, checked_outcomes, judge
from tokentape_harness.sweep.plan import PLACES, Cell, Plan, plan_sweep
from tokentape_harness.sweep.session_setup import REAL_MS, set_up_session, settled
from tokentape_harness.sweep.subject import Subject, read_subject
from tokentape_harness.testing.fake_provider import FakeProvider

MARKER: Final = "fault_sweep"
PROPERTY: Final = "fault_sweep"
OPTIONS: Final = ("interaction", "faults", "places", "seed", "match", "times", "patience", "fail_on", "parallel")


class Settings(msgspec.Struct, frozen=True):
    """The arguments of the mark."""

    cassette: str
    interaction: int | None = None
    faults: tuple[str, ...] | None = None
    places: int = PLACES
    seed: int = 0
    match: bool = False
    times: int | None = 1
    patience: float | None = None
    fail_on: tuple[Outcome, ...] = FAIL_ON
    parallel: bool = True


class SweptCell(msgspec.Struct, frozen=True):
    """One cell of a marked test and its number in the plan, with the mark and the subject."""

    cell: Cell
    number: int
    settings: Settings
    subject: Subject
    plan: Plan


class FaultSweep:
    """The fixture `fault_sweep`: the cell of the test, and the output of the recording."""

    def __init__(self, swept: SweptCell) -> None:
        self.swept = swept
        self.provider: FakeProvider | None = None
        self.same: bool | None = None
        self.error: BaseException | None = None

    @property
    def cell(self) -> Cell:
        """The fault of this run and its place."""
        return self.swept.cell

    @property
    def output(self) -> ChatOutput:
        """The output of the undamaged recording."""
        return self.swept.subject.output

    @property
    def text(self) -> str:
        """The text of the undamaged recording."""
        return self.output.text

    def answer(self, answer: object, whole: object = None) -> None:
        """Report the response of the code under test: it is compared with `whole`, by default the recording's text."""
        self.same = answer == (self.text if whole is None else whole)

    def raised(self, error: BaseException) -> None:
        """Report an error that the code under test noticed but did not raise."""
        self.error = error


SWEEPS: Final = pytest.StashKey[FaultSweep]()


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Parametrize a marked test with the cells."""
    mark = metafunc.definition.get_closest_marker(MARKER)
    assert mark is not None
    folders = cassette_folders(metafunc.definition.path, metafunc.config.rootpath)
    try:
        settings = _settings(mark)
        path = locate_cassette(Path(settings.cassette), folders, Path.is_file)
        subject, plan = _planned(path, path.stat().st_mtime_ns, settings)
    except (HarnessError, ValueError) as error:
        raise pytest.Collector.CollectError(f"{metafunc.definition.nodeid}: fault_sweep: {error}") from error
    if MARKER not in metafunc.fixturenames:
        metafunc.fixturenames.append(MARKER)
    cells = [SweptCell(cell, number, settings, subject, plan) for number, cell in enumerate(plan.cells)]
    metafunc.parametrize(MARKER, cells, indirect=True, ids=[cell.id for cell in plan.cells])


def swept_cell(item: pytest.Item) -> SweptCell | None:
    """The cell of a test; `None` if it has no cell."""
    callspec = getattr(item, "callspec", None)
    found = None if callspec is None else callspec.params.get(MARKER)
    return found if isinstance(found, SweptCell) else None


def waiting_s(item: pytest.Item) -> float | None:
    """How long the client of a cell may wait for a silent server in real time, in s; 0 if its server is not silent.

    `None` for a test that must run in its turn: one without a fault, or that is not a cell.
    """
    swept = swept_cell(item)
    if swept is None or swept.cell.fault is None or not swept.settings.parallel:
        return None
    if not swept.cell.endless or "fake_provider" not in getattr(item, "fixturenames", ()):
        return 0.0
    patience = swept.settings.patience
    return REAL_MS / 1000.0 if patience is None else patience


def set_up(provider: FakeProvider, swept: SweptCell) -> None:
    """Let a provider play the recording, damaged by the cell."""
    settings = swept.settings
    set_up_session(
        provider.session,
        swept.subject,
        swept.cell,
        match=settings.match,
        times=settings.times,
        patience_s=settings.patience,
    )


def call(item: pytest.Function, swept: SweptCell) -> Generator[None, object, object]:
    """Run the test, and judge the code under test."""
    sweep = item.stash.get(SWEEPS, None)
    error: BaseException | None = None
    outcome: object = None
    try:
        outcome = yield
    except AssertionError as failed:
        if swept.cell.fault is None:
            raise
        if _by_the_test(failed, item) and sweep is not None:
            sweep.same = False
        else:
            error = failed
    except Exception as raised:
        if swept.cell.fault is None:
            raise
        error = raised
    if sweep is None or sweep.provider is None:
        pytest.fail("fault_sweep: the test uses no fixture of the fake provider", pytrace=False)
    result = judge(swept.cell, settled(sweep.provider), error=error or sweep.error, same=sweep.same)
    item.user_properties.append((PROPERTY, _property(item, swept, result)))
    if swept.cell.fault is None:
        _check_baseline(sweep, result)
    elif result.outcome in swept.settings.fail_on or result.outcome == "unmet":
        summary = f"{result.outcome}: the code under test {OUTCOMES[result.outcome]}"
        pytest.fail(f"{result.cell}: {summary}{_detail(result)}", pytrace=False)
    return outcome


def matrices(reports: Iterable[Any]) -> list[Matrix]:
    """The matrix of each marked test, from the reports of its runs."""
    found: dict[str, tuple[dict[str, Any], dict[int, CellResult]]] = {}
    for report in reports:
        for name, value in getattr(report, "user_properties", ()):
            if name == PROPERTY and getattr(report, "when", "") == "call":
                known = found.setdefault(value["test"], (value, {}))
                known[1][value["number"]] = msgspec.convert(value["result"], CellResult)
    return [
        Matrix(
            test,
            value["recording"],
            tuple(results[number] for number in sorted(results)),
            value["frames"],
            value["possible"],
            value["seed"],
        )
        for test, (value, results) in found.items()
    ]


def write_json(path: Path, found: Sequence[Matrix]) -> None:
    """Write matrices to a file."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode({"sweeps": [matrix.to_builtins() for matrix in found]})))


def _check_baseline(sweep: FaultSweep, result: CellResult) -> None:
    if result.outcome == "altered":
        pytest.fail("fault_sweep: without any fault the answer is not the recording's: pass whole=...", pytrace=False)
    if sweep.provider is not None and not sweep.provider.requests:
        pytest.fail("fault_sweep: the test sent no request to the fake provider", pytrace=False)
    if result.outcome != "complete":
        pytest.fail(f"fault_sweep: without any fault the test is {result.text}: {result.message}", pytrace=False)


def _detail(result: CellResult) -> str:
    return f" ({result.error}: {result.message})" if result.error else ""


def _property(item: pytest.Function, swept: SweptCell, result: CellResult) -> dict[str, Any]:
    """The values for the summary: plain ones, which xdist can send."""
    return {
        "test": item.nodeid.replace(swept.cell.id, "", 1).replace("[-", "[").replace("-]", "]").replace("[]", ""),
        "number": swept.number,
        "recording": swept.subject.label,
        "frames": swept.plan.frames,
        "possible": swept.plan.possible,
        "seed": swept.plan.seed,
        "result": msgspec.to_builtins(result),
    }


def _by_the_test(error: AssertionError, item: pytest.Function) -> bool:
    """Whether the test itself asserted, and not the code under test."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and Path(trace.tb_frame.f_code.co_filename) == item.path


def _settings(mark: pytest.Mark) -> Settings:
    if len(mark.args) != 1 or not isinstance(mark.args[0], str | Path):
        raise UsageError("the marker takes one cassette: fault_sweep('text.yaml')")
    unknown = mark.kwargs.keys() - set(OPTIONS)
    if unknown:
        raise UsageError(f"no option {', '.join(sorted(unknown))}: the known ones are {', '.join(OPTIONS)}")
    given: Mapping[str, Any] = mark.kwargs
    faults = given.get("faults")
    if isinstance(faults, str):
        faults = (faults,)
    fail_on: Collection[Outcome] = checked_outcomes(given.get("fail_on", FAIL_ON))
    times = given.get("times", 1)
    if times is not None and times < 1:
        raise UsageError(f"times is {times}: it must be 1 or more, or None for always")
    return Settings(
        str(mark.args[0]),
        given.get("interaction"),
        None if faults is None else tuple(faults),
        given.get("places", PLACES),
        given.get("seed", 0),
        given.get("match", False),
        times,
        given.get("patience"),
        tuple(fail_on),
        bool(given.get("parallel", True)),
    )


@lru_cache(maxsize=64)
def _planned(path: Path, _changed: int, settings: Settings) -> tuple[Subject, Plan]:
    subject = read_subject(path, settings.interaction, settings.cassette)
    return subject, plan_sweep(subject.tape, subject.wire, settings.faults, settings.places, settings.seed)
