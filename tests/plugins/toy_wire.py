"""A wire format of another package, whole: how it is decoded, requested, served and judged."""

from typing import Any

from msgspec.json import encode

from tokentape import ChatMessage, EventDecoder, NDJSONFraming, ProviderError, TokenUsage
from tokentape.providers import CLIENT_DEFAULT, ChatProvider
from tokentape_conformance import Grammar, Kind, Machine, RequestFormat, ResponseContent, Step
from tokentape_fake_provider import Error, Script, Text, wires
from tokentape_fake_provider.errors import BadRequestError, ScriptError
from tokentape_fake_provider.wires import DocumentPaths, EncodedFrame, Provider, ProviderRequest, Reply, WireFacts

JSON = (("content-type", "application/json"),)
WORDS = {"stop": "done", "length": "limit"}


class ToyDecoder(EventDecoder):
    """{"say": "Hello"} lines, then {"over": "done", "in": 3, "out": 1}; {"oops": "..."} is an error."""

    framing = NDJSONFraming
    terminal = "the line with `over`"
    request_paths = ("/toy/chat",)

    def _decode(self, document: bytes) -> list[ChatMessage]:
        return self._decode_whole(self._parse(document))  # a dict, or DecodeError with the place

    def _decode_whole(self, body: dict[str, Any]) -> list[ChatMessage]:
        self.ended = "over" in body or "oops" in body  # nothing more is read
        if "oops" in body:
            self._error = ProviderError(body["oops"], body=body)
            return []
        word = body.get("over")
        reason = {own: known for known, own in WORDS.items()}.get(word, "other") if word else None
        usage = TokenUsage(body["in"], body["out"]) if "in" in body else None
        return [ChatMessage(body.get("say", ""), finish_reason=reason, provider_finish_reason=word, usage=usage)]


class ToyChat(ChatProvider):
    provider, wire, path = "toy", "toy", "/toy/chat"

    def __init__(self, model: str, *, api_key: str, base_url: str, **options: Any) -> None:
        shared = {"headers": {}, "secrets": (api_key,), "http_client": None, "async_http_client": None}
        super().__init__(model, base_url=base_url, timeout=CLIENT_DEFAULT, default_options=options, **shared)

    def request_body(self, messages: Any, *, stream: bool, tools: Any, options: Any) -> dict[str, Any]:
        return {"model": self.model, "prompt": "\n".join(m.text for m in messages), "stream": stream, **options}


class ToyWire(wires.Wire):
    name, base_path, paths = "toy", "", ("/toy/chat",)
    document_paths = DocumentPaths(endings=(("over",),), usage=(("in",), ("out",)), output=(("out",),))
    overloaded = Error(503, "The toys are all taken.")
    facts = WireFacts(
        provider=Provider("toy", "https://toys.example", base_urls=("TOY_URL",)), framing="ndjson", terminal_event=True,
        tool_calls=False, reasoning=False, retry_after=False, model_reported=False, input_usage=("in",),
        output_usage=("out",), option_paths={"max_tokens": "limit"}, finish_words=WORDS, error_fields=("oops",),
        error_paths="/toy/", text_finish_reasons=tuple(WORDS), unreported_usage={"cached", "cache_write", "reasoning"},
    )  # fmt: skip

    def read(self, path: str, body: dict[str, Any], *, created: int, seed: str) -> ProviderRequest:
        if not isinstance(body.get("prompt"), str):
            raise BadRequestError("prompt: a string is missing")
        model, stream = str(body.get("model") or "toy"), bool(body.get("stream"))
        return ProviderRequest("toy", model, stream, body["prompt"], created=created, seed=seed, body=body, path=path)

    def stream_headers(self, request: ProviderRequest) -> Any:
        return (("content-type", "application/x-ndjson"),)

    def encode_stream(self, script: Script, request: ProviderRequest) -> list[EncodedFrame]:
        deltas = [delta for item in _texts(script) for delta in wires.split_item(item)]
        frames = [EncodedFrame(encode({"say": delta.text}) + b"\n", delta.tokens, delta.at) for delta in deltas]
        end = self.encode_error_event(script.error, request) if script.error else encode(_end(script, request)) + b"\n"
        return [*frames, EncodedFrame(end)]

    def encode_complete(self, script: Script, request: ProviderRequest) -> Reply:
        return Reply(200, JSON, encode({"say": "".join(item.text for item in _texts(script)), **_end(script, request)}))

    def encode_error(self, error: Error, request: ProviderRequest | None = None) -> Reply:
        return Reply(error.status, JSON, encode({"oops": error.message}))

    def encode_error_event(self, error: Error, request: ProviderRequest) -> bytes:
        return encode({"oops": error.message}) + b"\n"


def _texts(script: Script) -> list[Text]:
    items = [item for item in script.choices[0].items if isinstance(item, Text)]
    if len(script.choices) > 1 or len(items) < len(script.choices[0].items):
        raise ScriptError("toy has one text and nothing else")
    return items


def _end(script: Script, request: ProviderRequest) -> dict[str, Any]:
    choice, counts = script.choices[0], wires.resolve_usage(script, request.text, script.choices)
    usage = {"in": counts.input, "out": counts.output} if counts else {}
    return {"over": choice.provider_finish_reason or WORDS.get(choice.ended, "other"), **usage}


def _content(bodies: list[Any]) -> ResponseContent:
    end, text = bodies[-1], "".join(body.get("say", "") for body in bodies)
    usage = {name: end[name] for name in ("in", "out") if name in end}
    return ResponseContent(text, finish=end.get("over", ""), usage=usage)


COUNT, ENDS = Kind("an integer", (int,)), frozenset({"over", "failed"})
REQUEST = RequestFormat("/toy/chat", "/toy/chat", lambda scenario, model, stream: {
    "model": model, "prompt": scenario.prompt, "limit": scenario.limit, "stream": stream}, "prompt")  # fmt: skip
GRAMMAR = Grammar(
    "toy", "The reference of toys", "ndjson", "application/x-ndjson",
    {"stream": Machine({"start": {"say": "start", "over": "over", "oops": "failed"}}, ends=ENDS, over=ENDS)},
    lambda event: [Step("stream", next(iter(event.document)))],
    lambda event: {"in": COUNT, "out": COUNT} if "over" in event.document else {},
    lambda events: _content([event.document for event in events]), lambda body: _content([body]), lambda usage: (),
    REQUEST, {"in": COUNT, "out": COUNT},
)  # fmt: skip
WIRE = ToyWire()
