"""Inputs rebuilt from public bug reports decode to what the provider meant, however they are cut."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.case_notes import case as case_of
from tokentape import ChatOutput, TokentapeError, stream_bytes

ROOT = Path(os.environ.get("TOKENTAPE_FIELD", Path(__file__).parents[3] / "shared" / "field"))
CASES = ROOT / "cases.jsonl"

DIFFERENCES: dict[str, str] = {
    "inputs/48-lone-surrogate.sse": "text",
    "inputs/176-invalid-utf8.sse": "error",
    "inputs/178-huge-number-depth.sse": "text error",
}
"""Judgement calls (`soft`) that we decide differently, with the fields that differ; see docs/wire-formats.md."""


def cases() -> list[dict[str, Any]]:
    """Every case; none where the field is absent."""
    return [json.loads(line) for line in CASES.read_bytes().splitlines()] if CASES.exists() else []


PARAMETERS = [pytest.param(case, id=Path(case["file"]).stem) for case in cases()] or [
    pytest.param({}, marks=pytest.mark.skip(reason=f"there are no field cases at {ROOT}"))
]


def cuts(body: bytes, how: str) -> Iterator[bytes]:
    """The body in pieces: of a fixed size, or of lengths by a seed."""
    kind, _, number = how.partition("-")
    chance = random.Random(number)
    start = 0
    while start < len(body):
        length = {"whole": len(body), "bytes": int(number or 0)}.get(kind) or int(chance.paretovariate(0.7))
        yield body[start : start + length]
        start += length


def read(chunks: Iterable[bytes], wire: str) -> tuple[str, ChatOutput]:
    """The text that the loop sees of the first choice, and the output, with the error that ended it."""
    stream = stream_bytes(chunks, wire)
    seen: list[str] = []
    try:
        seen.extend(message.text for message in stream if message.index == 0)
    except TokentapeError:
        assert stream.status == "failed"
    return "".join(seen), stream.get_chat_output()


def found(output: ChatOutput, expected: dict[str, Any]) -> dict[str, Any]:
    """The values of the fields that a case judges, in the case's own format."""
    message, error = output.message, output.error
    usage = {name: getattr(output.usage, name) for name in expected.get("usage", ())}
    actual = {
        "text": message.text,
        "reasoning": message.reasoning,
        "refusal": message.refusal,
        "finish": message.finish_reason,
        "pfinish": message.provider_finish_reason,
        "model": output.model,
        "usage": usage,
        "status": getattr(error, "status", None),
        "etype": getattr(error, "type", None),
        "code": getattr(error, "code", None),
        "request_id": getattr(error, "request_id", None),
    }
    return {name: value for name, value in actual.items() if name in expected}


def calls(output: ChatOutput, expected: list[list[Any]]) -> list[list[Any]]:
    """The tool calls; an id that is not judged, and arguments that are not JSON, are None as in the case."""
    found = [[call.id, call.name, call.arguments if call.valid else None] for call in output.message.tool_calls]
    for call, (id_, _, _) in zip(found, expected, strict=False):
        call[0] = None if id_ is None else call[0]
    return found


def check(case: dict[str, Any], seen: str, output: ChatOutput) -> None:
    """Compare an output with what the case expects."""
    expected = {
        name: value for name, value in case["expect"].items() if name not in DIFFERENCES.get(case["file"], "").split()
    }
    assert seen == output.text
    names = {kind.__name__ for kind in type(output.error).__mro__}
    if expected.get("error"):
        assert expected["error"] in names, output.error
        assert expected.get("msg", "") in str(output.error)
    elif "error" not in DIFFERENCES.get(case["file"], "").split():
        assert output.error is None
    fields = {name: value for name, value in expected.items() if name in found(output, expected)}
    assert found(output, expected) == fields
    if "finish_in" in expected:
        assert output.finish_reason in expected["finish_in"]
    if "tools" not in DIFFERENCES.get(case["file"], "").split():
        tools = expected.get("tools", [])
        assert calls(output, tools) == tools
    if "raw_args" in expected:
        assert [call.raw_arguments for call in output.message.tool_calls] == expected["raw_args"]
    for text in expected.get("has", ()):
        assert text in repr((output.message.parts, output.metadata))


@pytest.mark.parametrize("case", PARAMETERS)
def test_field_case(case: dict[str, Any]) -> None:
    """A case decodes to what it expects, however it is cut: text, calls, usage, how it ended and the error."""
    body = (ROOT / case["file"]).read_bytes()
    for how in ("whole", "bytes-1", "bytes-2", "seed-1", "seed-2", "seed-3"):
        with case_of(how):
            check(case, *read(cuts(body, how), case["wire"]))
