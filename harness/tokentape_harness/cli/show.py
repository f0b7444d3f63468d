"""show: the interactions of a cassette, and when each chunk arrived."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tokentape import ChatMessage, ChatOutput, TokentapeError, stream_bytes
from tokentape.wires import is_wire, wire_named
from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.tape import WebSocket
from tokentape_fake_provider.wires import wire_for_path
from tokentape_harness import terminal_text
from tokentape_harness.cassettes.chunks import format_ms, split_by_sizes
from tokentape_harness.cassettes.event_split import split_body
from tokentape_harness.cassettes.frames import websocket_fields
from tokentape_harness.cassettes.model import Interaction, Request, Response, StreamRecord, header_map
from tokentape_harness.cassettes.reader import read_cassette
from tokentape_harness.cli import report, timeline
from tokentape_harness.cli.messages import counted
from tokentape_harness.cli.options import Json
from tokentape_harness.conversion.output_fields import output_fields
from tokentape_harness.conversion.request_reader import read_content
from tokentape_harness.conversion.response_decoder import is_document
from tokentape_harness.errors import UsageError

_ROWS = 24


def show(
    file: Annotated[Path, typer.Argument(help="A cassette.")],
    interaction: Annotated[
        int | None, typer.Option("--interaction", "-i", min=0, metavar="N", help="Only this one, from 0.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print the interactions of a cassette, or one of them. Raises `CassetteError`, `UsageError`."""
    cassette = read_cassette(file)
    numbered = list(enumerate(cassette))
    if interaction is not None:
        if interaction >= len(numbered):
            raise UsageError(f"{file} has no interaction {interaction}: it has {len(numbered)}, from 0")
        numbered = [numbered[interaction]]
    if as_json:
        for number, item in numbered:
            print(terminal_text.dump(interaction_fields(number, item)))
        return
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    if not numbered:
        console.print(f"{file} has no interactions")
    for position, (number, item) in enumerate(numbered):
        if position:
            console.print()
        _print_interaction(console, number, item)


def interaction_fields(number: int, item: Interaction) -> dict[str, Any]:
    """An interaction as JSON."""
    request, response = item.request, item.response
    decoded = _decode(item)
    fields: dict[str, Any] = {
        "interaction": number,
        "request": {"method": request.method, "uri": request.uri, "body": _json(request.body)},
        "response": {
            "status": response.status,
            "content_type": response.content_type,
            "bytes": len(response.body),
        },
    }
    if response.stream is not None:
        record = terminal_text.builtins(response.stream)
        fields["stream"] = {
            **record,
            "start": response.stream.start,
            "end": response.stream.end,
            "chunks": [{"bytes": chunk.size, "at": chunk.at} for chunk in response.stream.chunks],
        }
        fields["stream"] |= {} if item.websocket is None else websocket_fields(item.websocket)
        fields["stream"].pop("websocket", None)
    match decoded:
        case ChatOutput():
            fields["output"] = output_fields(decoded)
        case TokentapeError():
            fields["error"] = terminal_text.builtins(decoded)
        case None:
            fields["body"] = _json(response.body)
    return fields


def _print_interaction(console: Console, number: int, item: Interaction) -> None:
    request, response = item.request, item.response
    title = f"interaction {number}: {request.method} {terminal_text.printable(request.uri)}"
    console.print(Text(title, style="bold"))
    for line in _request_lines(request):
        console.print(f"  {line}")
    console.print(Text(_response_line(response), style="bold"))
    if item.websocket is not None:
        _print_frames(console, item.websocket)
        return
    decoded = _decode(item)
    match decoded:
        case ChatOutput():
            for line in report.output_lines(decoded):
                console.print(_indented(line))
            if decoded.error is not None:
                console.print(f"  error: {terminal_text.one_line(str(decoded.error), 300)}")
        case TokentapeError():
            console.print(f"  error: {terminal_text.one_line(str(decoded), 300)}")
        case None:
            console.print(f"  body: {terminal_text.one_line(_body_text(response), 300)}")
    if response.stream is not None:
        _print_timeline(console, response.stream)
    elif len(pieces := split_body(response.body, response.content_type)) > 1:
        console.print(f"  {len(pieces)} events; no times were recorded")


def _request_lines(request: Request) -> Iterator[str]:
    body = _json(request.body)
    if not isinstance(body, Mapping):
        if body is not None:
            yield f"body: {terminal_text.one_line(str(body), 200)}"
        return
    content = read_content(body)
    model, streamed = _model_and_stream(urlsplit(request.uri).path, body)
    facts = [f"model {model}"] if model else []
    facts += ["stream"] if streamed else []
    facts += [f"{len(content.tools)} tool{'' if len(content.tools) == 1 else 's'}"] if content.tools else []
    facts += [loss.what.removeprefix("request ") for loss in content.losses if loss.what != "request field"]
    if facts:
        yield terminal_text.one_line(", ".join(facts), 200)
    for message in content.messages:
        yield f"{message.role}: {terminal_text.one_line(_text_and_calls(message), 200)}"


def _model_and_stream(path: str, body: Mapping[str, Any]) -> tuple[str, bool]:
    """The requested model, and whether a stream is requested, also for a request that the provider would refuse."""
    path = unquote(path)
    wire = wire_for_path(path)
    if wire is not None:
        try:
            request = wire.read(path, body, created=0, seed="")
        except BadRequestError:
            pass
        else:
            return request.model, request.stream
    return str(body.get("model") or ""), bool(body.get("stream"))


def _text_and_calls(message: ChatMessage) -> str:
    calls = [f"{call.name}({call.raw_arguments})" for call in message.tool_calls]
    return " ".join(filter(None, [message.text or message.refusal, *calls]))


def _response_line(response: Response) -> str:
    facts = [f"{response.status} {response.message}".strip()]
    if response.content_type:
        facts.append(response.content_type)
    facts.append(f"{len(response.body)} bytes")
    record = response.stream
    if record is not None:
        facts.append(f"{len(record.chunks)} chunks" if record.websocket is None else _frames(record.websocket))
        facts.append(f"headers at {format_ms(record.start)} ms")
        ended = "" if record.end_at is None else f" at {format_ms(record.end_at)} ms"
        facts.append(f"{record.end}{ended}")
        if record.error is not None:
            facts.append(terminal_text.one_line(f"{record.error.kind}: {record.error.message}", 200))
    return terminal_text.printable(", ".join(facts))


def _frames(websocket: WebSocket) -> str:
    close = websocket.close
    closed = "" if close is None else f", closed by the {close.sender} ({close.code} {close.reason}".rstrip() + ")"
    return counted(len(websocket.frames), "frame") + closed


def _print_frames(console: Console, websocket: WebSocket) -> None:
    if not websocket.frames:
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
    for name in ("frame", "ms", "gap", "from", "bytes", ""):
        justify = "left" if name in ("from", "") else "right"
        table.add_column(name, justify=justify, header_style="bold", no_wrap=True)  # type: ignore[arg-type]
    for row in timeline.frame_rows(websocket.frames, _ROWS):
        table.add_row(*row)
    console.print(table)


def _print_timeline(console: Console, record: StreamRecord) -> None:
    chunks = record.chunks
    if not chunks:
        return
    end = max(record.end_at or 0.0, chunks[-1].at)
    width = max(20, min(console.width - 4, 100))
    console.print()
    console.print(Text("  " + timeline.strip(chunks, end, width), style="cyan"))
    console.print("  " + timeline.axis(end, width))
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
    for name in ("chunk", "ms", "gap", "bytes"):
        table.add_column(name, justify="right", header_style="bold", no_wrap=True)
    for row in timeline.rows(chunks, _ROWS):
        table.add_row(*row)
    console.print(table)


def _decode(item: Interaction) -> ChatOutput | TokentapeError | None:
    """The decoded response, or its error; `None` if its path belongs to no wire format that can be decoded."""
    response = item.response
    wire = wire_for_path(unquote(urlsplit(item.request.uri).path))
    if wire is None or not is_wire(wire.name):
        return None
    if response.status >= 400 or len(pieces := split_body(response.body, response.content_type)) < 1:
        return None
    if is_document(response, wire.name, pieces):
        try:
            return wire_named(wire.name).decode_complete(response.body, header_map(response.headers))
        except TokentapeError as error:
            return error
    stream = stream_bytes(_chunks(response), wire.name)
    try:
        for _ in stream:
            pass
    except TokentapeError:
        pass
    return stream.get_chat_output()


def _chunks(response: Response) -> Iterable[bytes]:
    if response.stream is None:
        return [response.body]
    return split_by_sizes(response.body, (chunk.size for chunk in response.stream.chunks))


def _json(body: bytes | None) -> Any:
    if body is None:
        return None
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return terminal_text.builtins(body)


def _body_text(response: Response) -> str:
    return response.body.decode("utf-8", "replace")


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.split("\n"))
