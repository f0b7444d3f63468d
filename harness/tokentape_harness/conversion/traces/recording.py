"""Recording: an exchange of a trace as a recorded interaction and a script."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec

from tokentape import ChatMessage, TokentapeError
from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.errors import BadRequestError, ScriptError
from tokentape_fake_provider.http.loopback import is_loopback
from tokentape_fake_provider.script.model import Choice, Error, Script, Usage, streamed_text
from tokentape_fake_provider.script.tokenizer import split_tokens
from tokentape_fake_provider.tape import Tape
from tokentape_fake_provider.timing import Recorded
from tokentape_fake_provider.wires import wire_for_path, wire_named
from tokentape_harness.cassettes.chunks import Chunk
from tokentape_harness.cassettes.event_split import split_body
from tokentape_harness.cassettes.model import Interaction, Request, Response, StreamRecord
from tokentape_harness.conversion.capabilities import fit
from tokentape_harness.conversion.loss import Loss, counted
from tokentape_harness.conversion.request_reader import read_content
from tokentape_harness.conversion.response_decoder import decode_response
from tokentape_harness.conversion.sample_request import read_request
from tokentape_harness.conversion.script_builder import script_of
from tokentape_harness.conversion.traces.exchange import TracedExchange
from tokentape_harness.conversion.transcode import CREATED, write_request
from tokentape_harness.errors import TraceError, UsageError

# What exporters and SDKs call providers, by the words in it; the first that fits counts.
_WIRES: Final = (
    ("anthropic", "anthropic_messages"),
    ("claude", "anthropic_messages"),
    ("bedrock", "bedrock_converse"),
    ("gemini", "gemini"),
    ("google", "gemini"),
    ("vertex", "gemini"),
    ("gcp", "gemini"),
    ("cohere", "cohere_chat"),
    ("ollama", "ollama"),
    *((word, "openai_chat") for word in ("openai", "azure", "gpt-", "mistral", "groq", "deepseek", "x_ai", "xai")),
    *((word, "openai_chat") for word in ("openrouter", "together", "perplexity", "fireworks", "litellm", "vllm")),
)
_DEFAULT_WIRE: Final = "openai_chat"
_MODEL: Final = "model"
# Arguments of SDKs' methods that are not in the body.
_NOT_SENT: Final = re.compile(r"extra_(headers|query|body)|timeout")
_CUT_OFF: Final = re.compile(r"(?i)(…|\.\.\.|[\[(<]\s*(content |output |text )?truncated\b[^\n]{0,60})\s*$")


class Imported(NamedTuple):
    """An imported exchange: the interaction, what the trace did not hold, and what its wire format can't express."""

    place: str
    wire: str
    interaction: Interaction
    missing: tuple[str, ...] = ()
    losses: tuple[Loss, ...] = ()


def import_exchange(
    exchange: TracedExchange, *, wire: str | None = None, stream: bool | None = None, seq: int = 0
) -> Imported | None:
    """The exchange as a recording; `None` if the trace holds neither messages nor an answer.

    `wire` and `stream` replace what the trace says. Raises `TraceError`, `UnknownWireError`.
    """
    if wire is not None:
        wire_named(wire)
    as_traced = wire in (None, exchange.wire) and stream in (None, exchange.streamed)
    if exchange.recorded is not None and as_traced:
        return _recorded(exchange, exchange.recorded, seq)
    exchange = _unpacked(exchange)
    content = read_content(exchange.request)
    if not (content.messages or exchange.choices or exchange.error):
        return None
    missing = list(exchange.missing)
    own = _wire(exchange, missing if wire is None else [])
    name = wire or own
    streamed = _streamed(exchange, stream, missing)
    if not exchange.model:
        missing.append(f"the model: {_MODEL!r} is put in")
    missing += _gaps(content.messages)
    script = _script(exchange, streamed, missing)
    created = CREATED if exchange.started is None else int(exchange.started.timestamp())
    try:
        request, target, losses = write_request(
            content, name, exchange.model or _MODEL, streamed, choices=len(script.choices), created=created
        )
        exact = _exact(exchange, request, name) if exchange.exact and name == own and as_traced else None
        if exact is not None:
            request, losses = exact, []
            target = read_request(exact, name, created=created, seed=target.seed)
        fitted, unfit = fit(script, target)
        tape = encode(fitted, target, Recorded())
    except (TokentapeError, BadRequestError, ScriptError, UsageError) as error:
        raise TraceError(f"can't be written as {name} ({error}): --wire names another", place=exchange.place) from error
    if exchange.host and name == own:
        request = msgspec.structs.replace(request, uri=_at_host(request.uri, exchange.host))
    headers = tuple(pair for pair in tape.headers if pair[0] != "content-length")
    record = _record(exchange, tape, seq)
    response = Response(tape.status, http.client.responses.get(tape.status, ""), headers, tape.body, record)
    lost = [*(loss for loss in content.losses if exact is None), *losses, *unfit]
    return Imported(exchange.place, name, Interaction(request, response), tuple(missing), counted(lost))


def _record(exchange: TracedExchange, tape: Tape, seq: int) -> StreamRecord | None:
    """The times of the tape's chunks; `None` if the trace has none."""
    if exchange.total_ms is None and exchange.first_ms is None:
        return None
    total = exchange.total_ms or 0.0
    chunks = tuple(Chunk(len(frame.data), total if tape.status >= 400 else frame.at) for frame in tape.frames)
    end = max(total, chunks[-1].at if chunks else 0.0)
    start = chunks[0].at if chunks else end
    return StreamRecord(chunks, start, end_at=end, seq=seq, recorded_at=_recorded_at(exchange))


def _unpacked(exchange: TracedExchange) -> TracedExchange:
    """The exchange with what its recorded bodies hold, for another wire format or another way to send it."""
    recorded = exchange.recorded
    if recorded is None:
        return exchange
    try:
        script = script_of(recorded.response, exchange.wire).script
        request = msgspec.json.decode(recorded.request.body or b"{}", type=dict[str, Any])
    except (TokentapeError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise TraceError(f"its bodies are not of {exchange.wire} ({error})", place=exchange.place) from error
    record = recorded.response.stream
    return msgspec.structs.replace(
        exchange,
        recorded=None,
        request=request,
        choices=script.choices,
        usage=script.usage if script.usage.report else None,
        error=script.error.message if script.error else "",
        status=script.error.status if script.error else None,
        model=exchange.model or str(request.get("model") or ""),
        first_ms=record.chunks[0].at if record and record.chunks else exchange.first_ms,
        total_ms=record.end_at if record and record.end_at else exchange.total_ms,
    )


def _recorded(exchange: TracedExchange, interaction: Interaction, seq: int) -> Imported:
    """An exchange whose bodies the trace holds."""
    missing, response = list(exchange.missing), interaction.response
    pieces = split_body(response.body, response.content_type)
    if response.stream is None and exchange.total_ms is not None:
        first = exchange.total_ms if exchange.first_ms is None else exchange.first_ms
        times = _spread(len(pieces), first, exchange.total_ms)
        chunks = tuple(Chunk(len(piece), at) for piece, at in zip(pieces, times, strict=True))
        start = chunks[0].at if chunks else exchange.total_ms
        record = StreamRecord(chunks, start, end_at=exchange.total_ms, seq=seq, recorded_at=_recorded_at(exchange))
        response = msgspec.structs.replace(response, stream=record)
        if len(pieces) > 1:
            missing += _time_gaps(exchange)
    elif response.stream is None:
        missing.append("times: it replays at once")
    try:
        decode_response(response, exchange.wire)
    except TokentapeError as error:
        missing.append(f"a whole response: it is not one of {exchange.wire} ({error})")
    return Imported(exchange.place, exchange.wire, Interaction(interaction.request, response), tuple(missing))


def _wire(exchange: TracedExchange, missing: list[str]) -> str:
    """The wire format of the provider; by its model, if the trace does not name it."""
    if exchange.wire:
        return exchange.wire
    for named in (exchange.provider, exchange.host, exchange.model):
        found = next((wire for word, wire in _WIRES if word in named.lower()), None)
        if found is not None:
            return found
    missing.append(f"the provider: {_DEFAULT_WIRE} is assumed (--wire names another)")
    return _DEFAULT_WIRE


def _streamed(exchange: TracedExchange, stream: bool | None, missing: list[str]) -> bool:
    if stream is not None:
        return stream
    if exchange.streamed is None:
        missing.append("whether the answer was streamed: --stream or --no-stream says so, until then it is not")
    return bool(exchange.streamed)


def _gaps(messages: Sequence[ChatMessage]) -> Iterator[str]:
    """Results of tools and texts that are not, or not whole, in the trace."""
    results = {message.tool_call_id or message.name for message in messages if message.role == "tool"}
    for message in messages[:-1]:
        for call in message.tool_calls:
            if call.id not in results and call.name not in results:
                yield f"the result of the tool call {call.name} ({call.id or 'without an id'})"
    for number, message in enumerate(messages):
        if message.text and _CUT_OFF.search(message.text):
            what = "the result of a tool" if message.role == "tool" else f"a message of the role {message.role}"
            yield f"the end of {what} (message {number}): it was cut off"


def _script(exchange: TracedExchange, streamed: bool, missing: list[str]) -> Script:
    usage = exchange.usage
    if exchange.error:
        status = exchange.status if exchange.status in range(400, 600) else None
        if status is None:
            missing.append("the status of the error: 500 is put in")
        return Script(error=Error(status or 500, exchange.error), usage=Usage(report=False))
    if usage is None:
        missing.append("the token counts: none are sent")
    if not exchange.choices:
        missing.append("the answer: an empty one is put in")
    elif any(choice.finish_reason is None for choice in exchange.choices):
        missing.append("the finish reason: the one that fits the answer is put in")
    if exchange.total_ms is None and exchange.first_ms is None:
        missing.append("times: it replays at once")
    elif streamed:
        missing += _time_gaps(exchange)
    choices = tuple(_timed(choice, exchange) for choice in exchange.choices) or (Choice(),)
    return Script(choices, Usage(report=False) if usage is None else usage)


def _time_gaps(exchange: TracedExchange) -> Iterator[str]:
    if exchange.first_ms is None:
        yield "the time to the first chunk and those of the others: all arrive at the end"
    elif exchange.total_ms is None:
        yield "the total time and those of the chunks: all arrive with the first"
    else:
        yield "the times of the chunks after the first: they are spread evenly until the end"


def _timed(choice: Choice, exchange: TracedExchange) -> Choice:
    """The choice in token-like pieces, from the time of the first chunk to the end."""
    first, last = exchange.first_ms, exchange.total_ms
    if first is None and last is None:
        return choice
    first = last if first is None else first
    last = first if last is None else last
    assert first is not None
    assert last is not None
    pieces = [tuple(split_tokens(streamed_text(item))) for item in choice.items]
    times = iter(_spread(sum(map(len, pieces)), first, max(first, last)))
    items = tuple(
        msgspec.structs.replace(item, pieces=parts, at=tuple(next(times) for _ in parts))
        for item, parts in zip(choice.items, pieces, strict=True)
    )
    return msgspec.structs.replace(choice, items=items)


def _spread(count: int, first: float, last: float) -> list[float]:
    step = (last - first) / max(1, count - 1)
    return [round(first + step * number, 3) for number in range(count)]


def _exact(exchange: TracedExchange, request: Request, wire: str) -> Request | None:
    """The request with the body that was sent; `None` if that is not a body of this wire format."""
    body: Mapping[str, Any] = {
        k: v for k, v in exchange.request.items() if v is not None and not _NOT_SENT.fullmatch(k)
    }
    owner = wire_for_path(unquote(urlsplit(request.uri).path))
    exact = msgspec.structs.replace(request, body=msgspec.json.encode(body))
    try:
        read = read_request(exact, wire, created=CREATED, seed="")
    except BadRequestError:
        return None
    return exact if owner is not None and owner.name == wire and (read.body or body) else None


def _at_host(uri: str, host: str) -> str:
    scheme = "http" if is_loopback(host.rpartition(":")[0] or host) else "https"
    parts = urlsplit(uri)
    return uri.replace(f"{parts.scheme}://{parts.netloc}", f"{scheme}://{host}", 1)


def _recorded_at(exchange: TracedExchange) -> str | None:
    if exchange.started is None:
        return None
    return exchange.started.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
