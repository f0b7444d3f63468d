"""Update: replaces recordings by the answers to the requests that were sent again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from tokentape_harness.cassettes.model import Cassette, Interaction, Response
from tokentape_harness.cassettes.reader import read_cassette
from tokentape_harness.cassettes.writer import write_cassette
from tokentape_harness.errors import UsageError
from tokentape_harness.lint.checks import expired_at, recorded_at
from tokentape_harness.lint.drift.run import Outcome


def update_cassettes(outcomes: Iterable[Outcome]) -> list[Path]:
    """Record these answers in place of the old ones, and return the files that were written.

    An answer that is an error, or was cut off, replaces nothing. A file is replaced in one step. Raises
    `CassetteError`, and `UsageError` for a file in JSON, which this does not write.
    """
    by_file: dict[Path, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.can_be_recorded:
            by_file.setdefault(outcome.request.file, []).append(outcome)
    for file, answered in by_file.items():
        if file.suffix == ".json":
            raise UsageError(f"{file}: a cassette in JSON is not updated: convert it with tokentape convert")
        interactions = list(read_cassette(file).interactions)
        for outcome in answered:
            number, answer = outcome.request.number, outcome.answer
            assert answer is not None
            interactions[number] = _renewed(outcome.request.recorded, answer)
        write_cassette(file, Cassette(tuple(interactions), file))
    return list(by_file)


def _renewed(old: Interaction, answer: Interaction) -> Interaction:
    """The answer, which holds for as long as the old one did."""
    response, record = answer.response, answer.response.stream
    age, moment = _lifetime(old.response), recorded_at(response)
    if record is None or age is None or moment is None:
        return answer
    expires = (moment + age).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Interaction(
        answer.request, msgspec.structs.replace(response, stream=msgspec.structs.replace(record, expires=expires))
    )


def _lifetime(response: Response) -> timedelta | None:
    moment: datetime | None = expired_at(response)
    recorded = recorded_at(response)
    return None if moment is None or recorded is None else moment - recorded
