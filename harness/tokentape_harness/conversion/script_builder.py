"""Script builder: a recorded response as a script, with its deltas and their times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias, assert_never

import msgspec

from tokentape import ChatMessage, ProviderError, ProviderPart, ReasoningPart, TextPart, TokenUsage
from tokentape.message import ToolCall as DecodedCall
from tokentape.stream.tool_call_assembly import OpenCall, ToolCallAssembly
from tokentape_fake_provider.script.model import Choice, Error, Item, Reasoning, Refusal, Script, Text, ToolCall, Usage
from tokentape_harness.cassettes.model import Response
from tokentape_harness.conversion.response_decoder import DecodedResponse, decode_response

TOOL_PLAN = "tool_plan"


class Scripted(NamedTuple):
    """The script of a response, and the decoded response."""

    script: Script
    decoded: DecodedResponse


def script_of(response: Response, wire: str) -> Scripted:
    """The script that generates what was recorded.

    What no script can express (citations, provider parts, metadata) is only in `decoded`; `losses_between` lists it.
    Raises `UnknownWireError`, and `DecodeError` for a response that is not in that wire format.
    """
    decoded = decode_response(response, wire)
    return Scripted(script_of_decoded(decoded), decoded)


def script_of_decoded(response: DecodedResponse) -> Script:
    """The script of a decoded response."""
    choices: dict[int, _Choice] = {}
    for message, at in response.chunks:
        if _has_content(message):
            choice = choices.setdefault(message.index, _Choice())
            if response.streamed:
                choice.add(message, at)
            else:
                choice.add_whole(message)
    output = response.output
    reasons = {message.index: message.finish_reason for message in output.messages}
    scripted = tuple(Choice(choices[index].items, reasons.get(index)) for index in sorted(choices))
    error = None if response.error is None else error_of(response.error, in_stream=response.streamed)
    return Script(scripted or (Choice(),), usage_of(output.usage), error, output.model)


def usage_of(usage: TokenUsage) -> Usage:
    """The token counts that were reported, the encoder computes the others; without any, no usage is sent."""
    given = {
        name: value
        for name in ("input", "output", "total", "cached", "cache_write", "reasoning")
        if (value := getattr(usage, name)) is not None
    }
    if not given:
        return Usage(report=False)
    if usage.input is not None and usage.output is not None and usage.total == usage.input + usage.output:
        del given["total"]
    return Usage(**given)


def error_of(error: ProviderError, *, in_stream: bool) -> Error:
    """The provider's error without `type` and `code`, whose values each provider defines for itself."""
    status = error.status if error.status is not None and 400 <= error.status <= 599 else _status(error)
    return Error(status, provider_message(error), param=error.param, retry_after=error.retry_after, in_stream=in_stream)


def provider_message(error: ProviderError) -> str:
    """The provider's own message, without what the library adds."""
    body: Any = error.body
    if isinstance(body, list) and body:
        body = body[0]
    if isinstance(body, Mapping) and isinstance(body.get("error"), Mapping):
        body = body["error"]
    own = body.get("message") if isinstance(body, Mapping) else None
    return own if isinstance(own, str) and own else error.message


def _status(error: ProviderError) -> int:
    """The status of an error without a valid one, by its class."""
    from tokentape import errors

    by_class: tuple[tuple[type[ProviderError], int], ...] = (
        (errors.BadRequestError, 400),
        (errors.AuthenticationError, 401),
        (errors.PermissionDeniedError, 403),
        (errors.NotFoundError, 404),
        (errors.ConflictError, 409),
        (errors.RateLimitError, 429),
        (errors.OverloadedError, 503),
    )
    return next((status for kind, status in by_class if isinstance(error, kind)), 500)


def _has_content(message: ChatMessage) -> bool:
    return bool(
        message.text
        or message.reasoning
        or message.refusal
        or message.tool_call_deltas
        or message.tool_calls
        or message.finish_reason
        or message.parts
    )


_Kind: TypeAlias = type[Text | Reasoning | ToolCall | Refusal]


class _OpenItem:
    """An item that is being collected: pieces of one kind in one content block."""

    __slots__ = ("at", "block", "call", "encrypted", "kind", "pieces", "plan", "signature")

    def __init__(self, kind: _Kind, block: int | None) -> None:
        self.kind: _Kind = kind
        self.block = block
        self.pieces: list[str] = []
        self.at: list[float | None] = []
        self.signature = self.encrypted = ""
        self.plan = False
        self.call: OpenCall | None = None

    def add(self, piece: str, at: float | None) -> None:
        self.pieces.append(piece)
        self.at.append(at)

    def item(self) -> Item:
        """The item with its pieces, and their times if all of them are known."""
        if self.call is not None:
            return self._tool_call(self.call)
        text = "".join(self.pieces)
        pieces, at = self._timed_pieces()
        if self.kind is Reasoning:
            return Reasoning(text, self.signature, self.encrypted, pieces, at, self.plan)
        return self.kind(text, pieces=pieces, at=at)

    def _tool_call(self, call: OpenCall) -> ToolCall:
        decoded = call.call
        arguments = decoded.raw_arguments
        if not arguments and decoded.arguments:
            arguments = msgspec.json.encode(decoded.arguments).decode()
        if "".join(self.pieces) != arguments:  # it arrived whole
            self.pieces, self.at = [arguments], self.at[:1]
        elif len(self.pieces) > 1 and not self.pieces[0] and self.at[0] == self.at[1]:
            del self.pieces[0], self.at[0]  # it was opened together with its first arguments
        pieces, at = self._timed_pieces()
        return ToolCall(decoded.name, arguments, decoded.id, pieces, at)

    def _timed_pieces(self) -> tuple[tuple[str, ...], tuple[float, ...]]:
        times = tuple(at for at in self.at if at is not None)
        return tuple(self.pieces), times if self.pieces and len(times) == len(self.pieces) else ()


class _Choice:
    """The items of one choice, in the order in which they began."""

    def __init__(self) -> None:
        self._items: list[_OpenItem] = []
        self._calls: dict[int, _OpenItem] = {}
        self._tools = ToolCallAssembly()

    @property
    def items(self) -> tuple[Item, ...]:
        """The items that were generated; a repeated copy of a tool call is left out."""
        self._tools.finish()
        return tuple(item.item() for item in self._items if item.call is None or not item.call.copy)

    def add(self, message: ChatMessage, at: float | None) -> None:
        """Add the content of a chunk."""
        if message.reasoning:
            self._current(Reasoning, message.block).add(message.reasoning, at)
        for part in message.parts:
            if isinstance(part, ReasoningPart):
                self._seal(part, message.block)
            elif isinstance(part, ProviderPart) and part.kind == TOOL_PLAN:
                self._plan(part, at)
        if message.text:
            self._current(Text, message.block).add(message.text, at)
        if message.refusal:
            self._current(Refusal, message.block).add(message.refusal, at)
        for delta in message.tool_call_deltas:
            call = self._tools.add_delta(delta)
            item = self._call_item(call, message.block)
            if not item.pieces:
                item.add("", at)  # the call was opened
            for fragment in call.fragments[len(item.pieces) - 1 :]:
                item.add(fragment, at)
        for whole in message.tool_calls:
            self._add_call(whole, message.block, at)

    def add_whole(self, message: ChatMessage) -> None:
        """Add a message that was not streamed, part by part."""
        for part in message.parts:
            match part:
                case TextPart():
                    if part.text:
                        self._begin(Text).add(part.text, None)
                case ReasoningPart():
                    item = self._begin(Reasoning)
                    item.pieces += [part.text] if part.text else []
                    item.at += [None] if part.text else []
                    item.signature, item.encrypted = part.signature, part.encrypted
                case DecodedCall():
                    self._add_call(part, None, None)
                case ProviderPart():
                    if part.kind == TOOL_PLAN:
                        self._plan(part, None)
                case _:
                    assert_never(part)
        if message.refusal:
            self._begin(Refusal).add(message.refusal, None)

    def _add_call(self, whole: DecodedCall, block: int | None, at: float | None) -> None:
        known = len(self._tools.started)
        if self._tools.add_call(whole) and len(self._tools.started) > known:
            self._call_item(self._tools.started[-1], block).at.append(at)

    def _begin(self, kind: _Kind, block: int | None = None) -> _OpenItem:
        self._items.append(_OpenItem(kind, block))
        return self._items[-1]

    def _current(self, kind: _Kind, block: int | None) -> _OpenItem:
        if (
            not self._items
            or self._items[-1].kind is not kind
            or self._items[-1].block != block
            or self._items[-1].plan
        ):
            return self._begin(kind, block)
        return self._items[-1]

    def _call_item(self, call: OpenCall, block: int | None) -> _OpenItem:
        item = self._calls.get(id(call))
        if item is None:
            item = self._calls[id(call)] = _OpenItem(ToolCall, block)
            item.call = call
            self._items.append(item)
        return item

    def _seal(self, part: ReasoningPart, block: int | None) -> None:
        """Add signature and encrypted text to the reasoning of their block, or to the last reasoning."""
        item = next((item for item in reversed(self._items) if item.kind is Reasoning and item.block == block), None)
        if item is None or (part.encrypted and item.encrypted):
            item = self._begin(Reasoning, block)
        item.signature += part.signature
        item.encrypted += part.encrypted

    def _plan(self, part: ProviderPart, at: float | None) -> None:
        item = self._begin(Reasoning)
        item.plan = True
        item.add(str(part.data.get(TOOL_PLAN, "")), at)
