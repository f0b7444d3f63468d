"""Timing: when the tokens came."""

from __future__ import annotations

from itertools import count

from tokentape_conformance.iterator import IteratorTrial, case
from tokentape_fake_provider.script.model import Text

SOURCE = "tokentape, docs/iterator.md: timing"
WORDS = Text("one two six", pieces=("one", " two", " six"))


@case(
    "iterator/timing/measured",
    "A measured stream has its time to first token, a latency for each token after it, and its total time.",
    source=SOURCE,
    needs=["measure", "timing"],
)
async def measured(trial: IteratorTrial) -> None:
    seconds = count(1000)  # each look at the clock is a second later
    stream = trial.stream(WORDS)
    stream.stream = trial.adapter.measure(stream.stream, lambda: float(next(seconds)))
    chunks = await stream.read()
    timing = trial.adapter.timing(stream.stream)
    tokens = sum(1 for chunk in chunks if trial.adapter.text(chunk))
    trial.expect("the number of latencies between tokens", len(timing["inter_token_latencies"]), tokens - 1)
    trial.expect("each latency is a second or more", all(each >= 1 for each in timing["inter_token_latencies"]), True)
    first = timing["time_to_first_token"]
    trial.expect("the time to first token is a second or more", first is not None and first >= 1, True)
    least = (first or 0) + sum(timing["inter_token_latencies"])
    trial.expect("the total time is at least that of all tokens", timing["total"] >= least, True)
