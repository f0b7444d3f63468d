"""Diagnosis: runs a test in variations, shrinks the one that changes its outcome, and names it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from tokentape_fake_provider.sessions.exchange import Exchange
from tokentape_harness.doctor.change import Change, Variation, format_variation
from tokentape_harness.doctor.conductor import Run
from tokentape_harness.doctor.plan import DELTAS, Trial, plan_trials
from tokentape_harness.doctor.shrink import LimitReached, shrink
from tokentape_harness.doctor.stream import Stream
from tokentape_harness.doctor.wording import describe

Runner: TypeAlias = Callable[[Variation, Sequence[str]], Run]
"""Runs the test once with these changes; the keys are those of the requests without any."""
Verdict: TypeAlias = Literal["sound", "found", "flaky", "failing", "skipped", "untried"]
_REPEATS: Final = 3


class Limits(msgspec.Struct, frozen=True):
    """How much may be tried for one test: runs, and time in s.

    `pause_ms` is the length of a pause, 0 for none. With `deltas` it is a finding if the outcome depends on how text is
    divided into deltas; else it is a note, because a test may compare them one by one.
    """

    runs: int = 200
    timeout: float = 60.0
    seed: int = 0
    pause_ms: float = 1000.0
    deltas: bool = False


class Finding(msgspec.Struct, frozen=True):
    """A smallest variation that changes the outcome, and the outcome with it.

    `sentence` names it; `request` is the number of the first request that it changes, from 0. `exchanges` are what was
    sent, a frame for each read.
    """

    sentence: str
    variation: str
    outcome: str
    detail: str
    trial: str
    request: int
    request_line: str
    events: tuple[str, ...]
    exchanges: tuple[Exchange, ...]


class Diagnosis(msgspec.Struct, frozen=True):
    """What the runs of a test showed. `note` is why there is no more to report; `tried` names the variations.

    `interrupted` is whether Ctrl-C ended it.
    """

    test: str
    verdict: Verdict
    outcome: str
    detail: str = ""
    note: str = ""
    runs: int = 0
    seconds: float = 0.0
    seed: int = 0
    requests: int = 0
    streams: int = 0
    findings: tuple[Finding, ...] = ()
    tried: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    interrupted: bool = False


def diagnose(
    test: str,
    run: Runner,
    limits: Limits = Limits(),  # noqa: B008 - immutable
    on_run: Callable[[int, str], object] = lambda _number, _what: None,
    clock: Callable[[], float] = time.monotonic,
) -> Diagnosis:
    """Run a test in variations until one changes its outcome in each group, the limits are reached, or at Ctrl-C."""
    return _Doctor(test, run, limits, on_run, clock).diagnose()


class _Doctor:
    def __init__(
        self,
        test: str,
        run: Runner,
        limits: Limits,
        on_run: Callable[[int, str], object],
        clock: Callable[[], float],
    ) -> None:
        self._test = test
        self._runner = run
        self._limits = limits
        self._on_run = on_run
        self._clock = clock
        self._began = clock()
        self._runs = 0
        self._keys: tuple[str, ...] = ()
        self._base = Run("")
        self._tried: list[str] = []
        self._notes: list[str] = []
        self._findings: list[Finding] = []
        self._done: set[str] = set()
        self._left: Sequence[Trial] = ()
        self._unsteady = ""

    def diagnose(self) -> Diagnosis:
        try:
            return self._diagnose()
        except KeyboardInterrupt:
            return msgspec.structs.replace(self._ended(self._left, "it was interrupted"), interrupted=True)

    def _diagnose(self) -> Diagnosis:
        self._base = base = self._run_anyway((), "without changes")
        if base.outcome == "skipped":
            return self._diagnosis("skipped", "the test is skipped, or expected to fail")
        if base.outcome == "hung":
            return self._diagnosis("failing", "no variation was tried")
        self._keys = base.keys
        for _ in range(_REPEATS - 1):
            if self._differs(again := self._run_anyway((), "without changes")):
                return self._flaky(again)
        if not any(stream.is_stream for stream in base.streams):
            verdict: Verdict = "untried" if base.outcome == "passed" else "failing"
            return self._diagnosis(verdict, _without_stream(base.streams))
        return self._try_all()

    def _try_all(self) -> Diagnosis:
        limits = self._limits
        trials = list(plan_trials(self._base.streams, seed=limits.seed, pause_ms=limits.pause_ms))
        for number, trial in enumerate(trials):
            if trial.group in self._done:
                continue
            self._left = trials[number:]
            try:
                if (flaky := self._try(trial)) is not None:
                    return flaky
            except LimitReached:
                return self._ended(self._left, "the limits ended it")
        return self._ended()

    def _try(self, trial: Trial) -> Diagnosis | None:
        """Try a variation; return a diagnosis if the test turns out to be flaky by itself."""
        base = self._base
        result = self._run(trial.changes, trial.name)
        self._tried.append(trial.name)
        if result.outcome == base.outcome:
            return None
        if self._differs(again := self._confirming(())):
            return self._flaky(again)
        if (again := self._confirming(trial.changes)).outcome == base.outcome:
            self._unsteady = f"with {trial.name}, it is {result.outcome} in one run, and {again.outcome} in another"
            return None
        reordered = again.ended != base.ended and sorted(again.ended) == sorted(base.ended)
        if reordered and trial.group not in ("time", "order"):
            self._unsteady = f"with {trial.name}, its responses end in another order, and it is {again.outcome}"
            return None  # the variations of their order show whether that matters
        finding = self._shrunk(trial)
        if finding is None:
            self._unsteady = f"with {trial.name}, a change that changes the outcome in one run does not in another"
        elif trial.name == DELTAS and not self._limits.deltas:
            self._done.add("deltas")
            self._notes.append(
                f"it {finding.sentence}: the test compares deltas one by one, or the code depends on their sizes "
                "(--deltas reports that as a finding); no other number of events was tried"
            )
        elif not self._is_explained(trial, finding):
            self._findings.append(finding)
            self._done |= {trial.group} if trial.name != DELTAS else {trial.group, "deltas"}
        return None

    def _is_explained(self, trial: Trial, finding: Finding) -> bool:
        """Whether an earlier finding explains this one: that of the splits in it, or that of its pauses."""
        pauses = "pause:" in finding.variation or "late:" in finding.variation
        if trial.group == "time":
            return not pauses and "reads" in self._done
        return trial.group == "order" and "time" in self._done and "ends before" not in finding.sentence

    def _differs(self, again: Run) -> bool:
        """Whether a run without changes had another outcome than the first, or no longer reads a stream."""
        streams = [any(stream.is_stream for stream in run.streams) for run in (self._base, again)]
        return again.outcome != self._base.outcome or streams[0] != streams[1]

    def _ended(self, left: Sequence[Trial] = (), why: str = "") -> Diagnosis:
        names = tuple(trial.name for trial in left)
        note = f"{why}: {len(names)} variations were not tried" if names else why
        if self._findings:
            return self._diagnosis("found", note, names)
        if self._unsteady:
            return self._diagnosis("flaky", f"no split is to blame: {self._unsteady}", names)
        if not self._tried:
            return self._diagnosis("untried", note, names)
        return self._diagnosis("sound" if self._base.outcome == "passed" else "failing", note, names)

    def _shrunk(self, trial: Trial) -> Finding | None:
        """The smallest part of a variation that changes the outcome, if it does so each time."""
        base = self._base

        def matters(changes: Sequence[Change]) -> bool:
            return self._run(tuple(changes), "shrinking").outcome != base.outcome

        changes = tuple(shrink(trial.changes, matters))
        splits = tuple(_without_ms(change) for change in changes)
        if splits != changes and self._confirming(splits).outcome != base.outcome:
            changes = splits  # it is not the pause that matters
        result = base
        for _ in range(_REPEATS):
            result = self._confirming(changes)
            if result.outcome == base.outcome or self._differs(self._confirming(())):
                return None
        return self._finding(trial, changes, result)

    def _finding(self, trial: Trial, changes: Variation, result: Run) -> Finding:
        base, first = self._base, min(changes)
        phrase = describe(changes, base.streams, result.ended, base.ended)
        verb = (
            "passes only" if result.outcome == "passed" else "fails" if base.outcome == "passed" else "fails otherwise"
        )
        stream = base.streams[first.request]
        number = min(first.event, len(stream.events) - 1)
        before = first.kind in ("split", "join", "pause", "comment", "blank", "ping") and not first.byte and number
        after = first.kind in ("merge", "swap") and number + 1 < len(stream.events)
        shown = [number - 1, number] if before else [number, number + 1] if after else [number]
        return Finding(
            sentence=f"{verb} when {phrase}",
            variation=format_variation(changes),
            outcome=result.outcome,
            detail=result.detail if base.outcome == "passed" else base.detail,
            trial=trial.name,
            request=first.request,
            request_line=f"{stream.exchange.method} {stream.exchange.path}",
            events=tuple(f"event {event + 1}, {stream.noun(event)}: {stream.text_of(event)}" for event in shown),
            exchanges=result.sent,
        )

    def _flaky(self, again: Run) -> Diagnosis:
        differs = again.outcome != self._base.outcome
        what = (
            f"it is {self._base.outcome} in one run and {again.outcome} in another"
            if differs
            else ("one run reads a stream and another none")
        )
        self._findings.clear()
        if not self._base.detail:
            self._base = msgspec.structs.replace(self._base, detail=again.detail)
        return self._diagnosis(
            "flaky", f"flaky by itself, or it keeps something from run to run: without any change {what}"
        )

    def _run(self, changes: Variation, what: str) -> Run:
        if self._runs >= self._limits.runs or self._clock() - self._began > self._limits.timeout:
            raise LimitReached
        return self._run_anyway(changes, what)

    def _confirming(self, changes: Variation) -> Run:
        """A run beyond the limits: what was found is worth nothing without it."""
        return self._run_anyway(changes, "confirming")

    def _run_anyway(self, changes: Variation, what: str) -> Run:
        self._runs += 1
        self._on_run(self._runs, what)
        return self._runner(changes, self._keys)

    def _diagnosis(self, verdict: Verdict, note: str = "", left_out: Sequence[str] = ()) -> Diagnosis:
        base = self._base
        return Diagnosis(
            test=self._test,
            verdict=verdict,
            outcome=base.outcome,
            detail=base.detail,
            note="; ".join(filter(None, (note, *self._notes))),
            runs=self._runs,
            seconds=round(self._clock() - self._began, 3),
            seed=self._limits.seed,
            requests=len(base.streams),
            streams=sum(stream.is_stream for stream in base.streams),
            findings=tuple(self._findings),
            tried=tuple(self._tried),
            left_out=tuple(left_out),
        )


def _without_ms(change: Change) -> Change:
    return Change(change.request, change.event, change.byte, "split") if change.kind == "pause" else change


def _without_stream(streams: Sequence[Stream]) -> str:
    if not streams:
        return "the test sends no request to the fake provider, and replays no cassette"
    if any(stream.stepped for stream in streams):
        return "the test steps its streams, or their clock, by itself"
    return f"none of its {len(streams)} responses is a stream"
