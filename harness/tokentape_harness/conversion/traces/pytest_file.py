"""Pytest file: tests that replay imported exchanges from their cassette."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from tokentape import TokentapeError
from tokentape_harness.conversion.response_decoder import decode_response
from tokentape_harness.conversion.traces.recording import Imported

_WIDTH: Final = 100
_HEAD: Final = '''"""Replays {cassette}, imported from {source}, without the provider.

Each test sends a recorded request. Call your own code in its place, with the URL of `provider` as its base URL.
"""

from pathlib import Path

import httpx2
import pytest

from tokentape_harness import output_of

CASSETTE = Path(__file__).parent / "{path}"


@pytest.fixture
def provider(fake_provider):
    """A provider that has the imported answers, and no others."""
    fake_provider.cassette(CASSETTE)
    fake_provider.strict()
    return fake_provider
'''


def format_pytest(cassette: Path, test: Path, sources: Sequence[str], imported: Sequence[Imported]) -> str:
    """The text of a test file for the imported exchanges, which are in the cassette without their secrets.

    Equal requests are in one test, in their order, since each answer is replayed once.
    """
    same: dict[tuple[str, bytes | None], list[Imported]] = {}
    for exchange in imported:
        request = exchange.interaction.request
        same.setdefault((request.uri, request.body), []).append(exchange)
    path = os.path.relpath(cassette.resolve(), test.resolve().parent)
    names = ", ".join(Path(source).name for source in sources)
    parts = [_HEAD.format(cassette=cassette.name, source=names.replace('"', "'"), path=Path(path).as_posix())]
    parts += ["\n".join(_test(number, exchanges)) for number, exchanges in enumerate(same.values())]
    return "\n\n\n".join(part.rstrip() for part in parts) + "\n"


def _test(number: int, exchanges: Sequence[Imported]) -> Iterator[str]:
    request = exchanges[0].interaction.request
    parts = urlsplit(request.uri)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    yield f"def test_exchange_{number}(provider):"
    place = exchanges[0].place.replace("\\", "/").replace('"', "'")
    yield f'    """{_line(place)}."""'
    try:
        sent = msgspec.json.decode(request.body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError):
        sent = request.body
    keyword = "content" if isinstance(sent, bytes) else "json"
    yield f"    request = {_literal(sent, 4)}"
    for exchange in exchanges:
        yield f"    response = httpx2.post(provider.url + {_text(target)}, {keyword}=request)"
        response = exchange.interaction.response
        yield f"    assert response.status_code == {response.status}"
        if response.status >= 400:
            continue
        try:
            output = decode_response(response, exchange.wire).output
        except TokentapeError:
            continue  # the report says so
        yield "    output = output_of(response)"
        yield f"    assert output.text == {_text(output.text)}"
        if calls := [(call.name, call.arguments) for call in output.message.tool_calls]:
            yield f"    calls = {_literal(calls, 4)}"
            yield "    assert [(call.name, call.arguments) for call in output.message.tool_calls] == calls"
        else:
            yield "    assert not output.message.tool_calls"
        if output.finish_reason is not None:
            yield f"    assert output.finish_reason == {_text(output.finish_reason)}"


def _literal(value: Any, indent: int) -> str:
    """A value as formatters write it: on one line if that is short, else an element on each."""
    match value:
        case str():
            return _text(value)
        case dict():
            items = [f"{_text(key)}: {_literal(item, indent + 4)}" for key, item in value.items()]
            opening, closing = "{}"
        case list() | tuple():
            items = [_literal(item, indent + 4) for item in value]
            opening, closing = "[]" if isinstance(value, list) else "()"
        case _:
            return repr(value)
    flat = f"{opening}{', '.join(items)}{closing}"
    if indent + len(flat) <= _WIDTH and "\n" not in flat:
        return flat
    pad = " " * (indent + 4)
    return "\n".join([opening, *(f"{pad}{item}," for item in items), " " * indent + closing])


def _text(value: str) -> str:
    """A text between double quotes, if it has none itself."""
    literal = repr(value)
    return literal if '"' in value else f'"{literal[1:-1]}"'


def _line(text: str) -> str:
    return " ".join(text.split())[:100]
