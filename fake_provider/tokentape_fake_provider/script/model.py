"""A scripted response, independent of any wire format.

An encoder (`wires/`) turns a script into bytes, and a `Timing` gives it times. A script is plain data:
`msgspec.to_builtins(script)` is the JSON that the control API accepts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, assert_never, get_args

import msgspec

from tokentape_fake_provider.errors import ScriptError
from tokentape_fake_provider.faults.fault import Fault
from tokentape_fake_provider.faults.specification import Faults, as_faults
from tokentape_fake_provider.script.results import Result

if TYPE_CHECKING:
    JsonText: TypeAlias = str
else:
    # What decodes JSON accepts an object, too; the struct turns it into text.
    JsonText = str | dict[str, Any]

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "refusal", "pause", "error", "other"]
_FINISH_REASONS: Final = frozenset((None, *get_args(FinishReason)))


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A page or a document that a tool of the provider found: where it is, and its text or a part of it."""

    url: str = ""
    title: str = ""
    text: str = ""
    id: str = ""


class Citation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The source of a part of a text: a web page (`url`), or a document or file.

    The characters from `start` up to `end` of the text (all the rest without an `end`) rest on it. `quote` is the
    passage of the source, which begins there at the character `quote_start`. `document` is the document's number
    among those of the request, from 0, and `id` its id or the file's. Raises `ScriptError` for a part that has no
    characters.
    """

    url: str = ""
    title: str = ""
    quote: str = ""
    start: int = 0
    end: int | None = None
    document: int | None = None
    id: str = ""
    quote_start: int = 0

    def __post_init__(self) -> None:
        if self.start < 0 or (self.end is not None and self.end <= self.start):
            raise ScriptError(f"a citation's part of the text is from {self.start} to {self.end}: set end above start")


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="text"):
    """Text that the model generates.

    `pieces` are the deltas that it is split into (they must join to `text`); without them the encoder splits at
    token-like boundaries. `at` is each piece's time in ms since the request, where it is known. `citations` are its
    sources. Raises `ScriptError` for a citation of characters that it does not have.
    """

    text: str
    pieces: tuple[str, ...] = ()
    at: tuple[float, ...] = ()
    citations: tuple[Citation, ...] = ()

    def __post_init__(self) -> None:
        if type(self.text) is not str:
            _require_texts(self, "text")
        if (self.pieces, self.at, self.citations) == ((), (), ()):
            return
        _as_tuples(self)
        for citation in self.citations:
            if max(citation.start + 1, citation.end or 0) > len(self.text):
                raise ScriptError(
                    f"a citation's part of the text is from {citation.start} to {citation.end}, but the text "
                    f"{self.text[:40]!r} has {len(self.text)} characters"
                )


class Reasoning(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="reasoning"):
    """Reasoning before or between the text; `encrypted` replaces it where the provider redacts it.

    With `plan` it is sent as the provider's tool plan (Cohere), or as reasoning where the provider has none. With
    `hidden` its text is counted in usage but not sent; what the provider sends in its place (a signature, an item
    without a summary, encrypted content) is. With `signed` it has a made-up signature where the provider sends one and
    the script has none; Anthropic's always has.
    """

    text: str = ""
    signature: str = ""
    encrypted: str = ""
    pieces: tuple[str, ...] = ()
    at: tuple[float, ...] = ()
    plan: bool = False
    hidden: bool = False
    signed: bool = False

    def __post_init__(self) -> None:
        _require_texts(self, "text", "signature", "encrypted")


class ToolCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="tool_call"):
    """A tool call. `arguments` is the JSON text exactly as it is sent, valid or not.

    An object of arguments becomes compact JSON, in Python as with `ToolCall.of(name, {...})`, which type checkers
    prefer. The encoder replaces an empty `id` by one derived from the seed.
    """

    name: str
    arguments: JsonText = "{}"
    id: str = ""
    pieces: tuple[str, ...] = ()
    at: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        arguments: object = self.arguments
        if isinstance(arguments, dict):
            msgspec.structs.force_setattr(self, "arguments", msgspec.json.encode(arguments).decode())
        _require_texts(self, "name", "arguments", "id")

    @classmethod
    def of(cls, name: str, arguments: dict[str, Any] | None = None, *, id: str = "") -> ToolCall:  # noqa: A002
        """A call with these arguments as compact JSON."""
        return cls(name, msgspec.json.encode(arguments or {}).decode(), id)


class Refusal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="refusal"):
    """A refusal; it is sent as text where the provider has no separate field for refusals."""

    text: str
    pieces: tuple[str, ...] = ()
    at: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        _require_texts(self, "text")


ServerToolKind: TypeAlias = Literal[
    "web_search", "web_fetch", "code_interpreter", "file_search", "mcp", "image_generation"
]


class ServerTool(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="server_tool"):
    """A tool that the provider itself runs: its call, and its result.

    `input` is what the model passes to it: the query of a search, the URL of a page, code, the prompt of an image, or
    the JSON arguments of the tool `name` of the MCP server `server`; `pieces` and `at` split it. `output` is the
    result as text, `sources` the pages or files that were found, `images` in base64 the previews of the image and at
    last the image. `error` is the provider's code of the error that it ended with. It is left out where the wire
    format has no such tool. Raises `ScriptError` for another kind.
    """

    kind: ServerToolKind
    input: str = ""
    output: str = ""
    sources: tuple[Source, ...] = ()
    images: tuple[str, ...] = ()
    name: str = ""
    server: str = ""
    id: str = ""
    error: str = ""
    pieces: tuple[str, ...] = ()
    at: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        _require_texts(self, "input", "output", "id")
        if self.kind not in get_args(ServerToolKind):
            raise ScriptError(f"no server tool {self.kind!r}: the kinds are {', '.join(get_args(ServerToolKind))}")


class Audio(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="audio"):
    """Speech that the model generates: `data` in base64, and its transcript, which `pieces` and `at` split.

    Where the wire format has no audio, the transcript is sent as text.
    """

    transcript: str = ""
    data: str = ""
    media_type: str = "audio/L16;codec=pcm;rate=24000"
    id: str = ""
    pieces: tuple[str, ...] = ()
    at: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        _require_texts(self, "transcript", "data")


Item: TypeAlias = Text | Reasoning | ToolCall | Refusal | ServerTool | Audio
_ITEMS: Final = get_args(Item)


def streamed_text(item: Item) -> str:
    """What the deltas of an item join to."""
    match item:
        case Text() | Reasoning() | Refusal():
            return item.text
        case ToolCall():
            return item.arguments
        case ServerTool():
            return item.input
        case Audio():
            return item.transcript
        case _:
            assert_never(item)


def _as_tuples(part: msgspec.Struct) -> None:
    """Make tuples of lists, which people write too: scripts are keys of what is kept."""
    values = msgspec.structs.astuple(part)
    if list in map(type, values):
        for field, value in zip(part.__struct_fields__, values, strict=True):
            if isinstance(value, list):
                msgspec.structs.force_setattr(part, field, tuple(value))


def _require_texts(item: msgspec.Struct, *fields: str) -> None:
    """Raise `ScriptError` if one of these fields is not a str; others may be lists."""
    for field in fields:
        value = getattr(item, field)
        if not isinstance(value, str):
            raise ScriptError(f"{type(item).__name__}'s {field} is a {type(value).__name__}: pass a str")
    _as_tuples(item)


class Usage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Token counts; a field that is `None` is computed from the request and the script.

    The same for all providers: `cached` and `cache_write` are parts of `input`, `cache_write_1h` (what Anthropic holds
    for an hour) is a part of `cache_write`, and `reasoning` of `output`; encoders convert that to each provider's own
    counting. With `report=False` no usage is sent.
    """

    input: int | None = None
    output: int | None = None
    total: int | None = None
    cached: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    report: bool = True
    cache_write_1h: int | None = None


class Error(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An error in the provider's own error format.

    It is an HTTP response with `status`; with `in_stream` the items are sent first, and then the error event that
    the provider sends inside a stream. `type` and `code` default to what the provider uses for that status;
    `retry_after` is in seconds. Raises `ScriptError` unless `status` is 400 to 599.
    """

    status: int = 500
    message: str = "The server had an error while processing your request."
    type: str | None = None
    code: str | None = None
    param: str | None = None
    retry_after: float | None = None
    in_stream: bool = False

    def __post_init__(self) -> None:
        if not 400 <= self.status <= 599:
            raise ScriptError(f"an error's status is 400 to 599, not {self.status}")


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One choice: its items in order, and its finish reason.

    Without a `finish_reason` it is `tool_calls` if there is a tool call, else `stop`. `stop_sequence` is the sequence
    that ended the text, which providers report besides the reason or in its place.
    `provider_finish_reason` is sent verbatim in its place. Raises `ScriptError` for an unknown reason or item.
    """

    items: tuple[Item, ...] = ()
    finish_reason: FinishReason | None = None
    provider_finish_reason: str | None = None
    stop_sequence: str = ""

    @property
    def ended(self) -> FinishReason:
        """The finish reason, with the default where the script has none."""
        if self.finish_reason is not None:
            return self.finish_reason
        return "tool_calls" if ToolCall in map(type, self.items) else "stop"

    def __post_init__(self) -> None:
        if type(self.items) is not tuple:
            _as_tuples(self)
        for item in self.items:
            if not isinstance(item, _ITEMS):
                raise ScriptError(
                    f"a {type(item).__module__}.{type(item).__qualname__} is not an item of a script: pass Text, "
                    "Reasoning, ToolCall, Refusal, ServerTool or Audio of tokentape_fake_provider"
                )
        if self.finish_reason not in _FINISH_REASONS:
            known = ", ".join(get_args(FinishReason))
            raise ScriptError(
                f"finish_reason {self.finish_reason!r} is not one of {known}; set another as provider_finish_reason"
            )


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One response: its choices, usage, error and faults. `model` defaults to the requested one.

    `faults` are applied to it in order; each may be a specification such as `fin@frame=5`. With a `result` (embeddings,
    a ranking, a moderation) it answers requests for that alone, with its error if it has one. Raises `FaultError`.
    """

    choices: tuple[Choice, ...] = (Choice(),)
    usage: Usage = Usage()
    error: Error | None = None
    model: str | None = None
    faults: Faults = ()
    result: Result | None = None

    def __post_init__(self) -> None:
        if type(self.choices) is not tuple or type(self.faults) is not tuple:
            _as_tuples(self)
        if self.faults:
            msgspec.structs.force_setattr(self, "faults", as_faults(self.faults))

    @property
    def fails_any(self) -> bool:
        """Whether it is nothing but an error, which can answer any request."""
        empty = self.result is None and not any(choice.items for choice in self.choices)
        return empty and self.error is not None and not self.error.in_stream

    @classmethod
    def of(
        cls,
        *items: str | Item,
        finish_reason: FinishReason | None = None,
        usage: Usage | None = None,
        error: Error | None = None,
        model: str | None = None,
        faults: Faults | Fault | str = (),
    ) -> Script:
        """A script of one choice; a plain string is a `Text`."""
        script_items = tuple(Text(item) if isinstance(item, str) else item for item in items)
        return cls((Choice(script_items, finish_reason),), usage or Usage(), error, model, as_faults(faults))


Scripts: TypeAlias = tuple[Script | str, ...]
"""Scripts, of which a string is one with that text."""


def as_script(script: Script | str) -> Script:
    """A script; a string is one with that text."""
    return Script.of(script) if isinstance(script, str) else script
