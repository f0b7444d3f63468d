"""Request log: requests and responses as an app or a gateway logs them, one JSON object each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec

from tokentape_fake_provider.wires import wire_for_path
from tokentape_harness.cassettes.model import Headers, Interaction, Request, Response
from tokentape_harness.conversion.traces.answers import error_text, read_choices, read_usage
from tokentape_harness.conversion.traces.exchange import TracedExchange
from tokentape_harness.conversion.traces.values import Record, first, mapping, moment, ms_between, number, parsed, text
from tokentape_harness.errors import TraceError

_REQUEST: Final = ("request", "request_body", "requestBody", "req")
_RESPONSE: Final = ("response", "response_body", "responseBody", "res")
_URL: Final = ("url", "uri", "endpoint", "path", "request_url")
_START: Final = ("started", "started_at", "start_time", "startTime", "timestamp", "time", "created_at")
_END: Final = ("ended", "ended_at", "end_time", "endTime", "finished_at")
_TOTAL: Final = ("duration_ms", "latency_ms", "total_ms", "elapsed_ms")
_FIRST: Final = ("first_chunk_ms", "ttft_ms", "time_to_first_token_ms", "ttfb_ms")


def is_request_log(fields: Mapping[str, Any]) -> bool:
    """Whether a record has a request and a response."""
    has_request = first(fields, *_REQUEST) is not None or isinstance(fields.get("messages"), list)
    return has_request and first(fields, *_RESPONSE, "error") is not None


def read_request_log(records: Sequence[Record]) -> Iterator[TracedExchange]:
    """The exchanges; `request` and `response` are the bodies, or objects that have `body` and more."""
    for record in records:
        yield _exchange(record)


def _exchange(record: Record) -> TracedExchange:
    fields = record.fields
    request, sent = _message(first(fields, *_REQUEST))
    if request is None:  # the fields of the request beside the response, as LiteLLM logs them
        given = {name: fields[name] for name in ("model", "messages", "tools") if fields.get(name) is not None}
        request = {**mapping(first(fields, "model_parameters", "optional_params")), **given}
    response, received = _message(first(fields, *_RESPONSE))
    if not isinstance(request, Mapping):
        raise TraceError("its `request` is not a JSON object: log the body of the request", place=record.place)
    url = text(first(sent, *_URL)) or text(first(fields, *_URL))
    status = int(
        number(first(received, "status", "status_code", "statusCode") or first(fields, "status", "status_code")) or 200
    )
    started = moment(first(fields, *_START))
    total = number(first(fields, *_TOTAL))
    total = total if total is not None else ms_between(started, moment(first(fields, *_END)))
    first_ms = number(first(fields, *_FIRST))
    wire = _wire(url, request, response)
    exchange = TracedExchange(
        place=record.place,
        request=request,
        exact=True,
        wire=wire,
        host=urlsplit(url).netloc,
        model=text(request.get("model")),
        provider=text(first(fields, "provider", "custom_llm_provider")),
        streamed=_streamed(request, response, url),
        started=started,
        first_ms=first_ms if first_ms is not None else ms_between(started, moment(fields.get("completionStartTime"))),
        total_ms=total,
    )
    if status >= 400:
        message = error_text(response) or error_text(fields.get("error"))
        return msgspec.structs.replace(exchange, error=message or f"status {status}", status=status)
    if urlsplit(url).scheme and wire and response and isinstance(response, str) == bool(exchange.streamed):
        # What the provider sent, not the joined answer of a stream.
        body = response.encode() if isinstance(response, str) else msgspec.json.encode(response)
        kind = "text/event-stream" if exchange.streamed else "application/json"
        headers = _headers(received) or (("content-type", kind),)
        recorded = Interaction(
            Request(
                "POST", url, _headers(sent) or (("content-type", "application/json"),), msgspec.json.encode(request)
            ),
            Response(status, "OK", headers, body),
        )
        return msgspec.structs.replace(exchange, recorded=recorded)
    document = _joined(response) if isinstance(response, str) else response
    return msgspec.structs.replace(
        exchange, choices=read_choices(document), usage=read_usage(_usage(document)), error=text(fields.get("error"))
    )


def _message(value: Any) -> tuple[Any, Mapping[str, Any]]:
    """The body of a logged message, and the fields around it, if there are any."""
    value = parsed(value)
    if isinstance(value, Mapping) and "body" in value:
        return parsed(value["body"]), value
    return value, {}


def _headers(message: Mapping[str, Any]) -> Headers:
    held = mapping(message.get("headers"))
    dropped = ("content-length", "content-encoding", "transfer-encoding", "host", "connection")
    return tuple((name, str(value)) for name, value in held.items() if name.lower() not in dropped)


def _streamed(request: Mapping[str, Any], response: Any, url: str) -> bool | None:
    if isinstance(sent := request.get("stream"), bool):
        return sent
    return "stream" in urlsplit(url).path.lower() or (isinstance(response, str) and "data:" in response)


def _wire(url: str, request: Mapping[str, Any], response: Any) -> str:
    """The wire format: by the path, or else by the fields of the bodies."""
    owner = wire_for_path(unquote(urlsplit(url).path)) if url else None
    if owner is not None:
        return owner.name
    answer = _first_event(response) if isinstance(response, str) else mapping(response)
    if "candidates" in answer or "contents" in request:
        return "gemini"
    if answer.get("object") == "response" or text(answer.get("type")).startswith("response."):
        return "openai_responses"
    if answer.get("type") in ("message", "message_start"):
        return "anthropic_messages"
    if "choices" in answer:
        return "openai_chat" if "messages" in request else "openai_completions"
    if "done" in answer:
        return "ollama"
    if "stopReason" in answer:
        return "bedrock_converse"
    return ""


def _first_event(body: str) -> Mapping[str, Any]:
    return next((found for event in _events(body) if (found := mapping(event))), {})


def _events(body: str) -> Iterator[Any]:
    for line in body.splitlines():
        if (data := line.removeprefix("data:").strip())[:1] == "{":
            yield parsed(data)


def _joined(body: str) -> Any:
    """The answer in a text that is neither a document nor whole."""
    return parsed(body) if body.lstrip()[:1] in ("{", "[") else body


def _usage(document: Any) -> Mapping[str, Any]:
    held = mapping(document)
    return mapping(first(held, "usage", "usageMetadata"))
