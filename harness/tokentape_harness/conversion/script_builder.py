"""Scripting: a recorded response as a script, with its deltas and their times."""

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
    """The script of a response, and the response as it was heard."""

    script: Script
    heard: DecodedResponse


def script_of(response: Response, wire: str) -> Scripted:
    """The script that says what this recorded response said.

    What no script can say (citations, provider parts, metadata) is in `heard` alone: `losses_between` tells it.
    Raises `DecodeError` if it is no response in that wire format, `UnknownWireError`.
    """
    heard = decode_response(response, wire)
    return Scripted(script_of_decoded(heard), heard)


def script_of_decoded(heard: DecodedResponse) -> Script:
    """The script of a response that was heard."""
    choices: dict[int, _Choice] = {}
    for message, at in heard.chunks:
        if _is_said(message):
            choice = choices.setdefault(message.index, _Choice())
            if heard.streamed:
                choice.add(message, at)
            else:
                choice.add_whole(message)
    reasons = {message.index: message.finish_reason for message in heard.output.messages}
    made = tuple(Choice(choices[index].items, reasons.get(index)) for index in sorted(choices))
    error = None if heard.error is None else error_of(heard.error, in_stream=heard.streamed)
    return Script(made or (Choice(),), usage_of(heard.output.usage), error, heard.output.model)


def usage_of(usage: TokenUsage) -> Usage:
    """The token counts that were reported; the rest is left to the encoder, or all of it left out."""
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
    """The provider's error; `type` and `code` are left to the target, as each provider has its own words."""
    status = error.status if error.status is not None and 400 <= error.status <= 599 else _status(error)
    return Error(status, provider_message(error), param=error.param, retry_after=error.retry_after, in_stream=in_stream)


def provider_message(error: ProviderError) -> str:
    """The provider's own words, without ours."""
    said: Any = error.body
    if isinstance(said, list) and said:
        said = said[0]
    if isinstance(said, Mapping) and isinstance(said.get("error"), Mapping):
        said = said["error"]
    own = said.get("message") if isinstance(said, Mapping) else None
    return own if isinstance(own, str) and own else error.message


def _status(error: ProviderError) -> int:
    """The status of an error that names none: that of its class."""
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


def _is_said(message: ChatMessage) -> bool:
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


class _Run:
    """An item as far as it was heard: pieces of one kind in one content block."""

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
        """The item. Its times are kept if all are known; a single piece without one needs no splitting."""
        if self.call is not None:
            return self._tool_call(self.call)
        text = "".join(self.pieces)
        pieces, at = self._cuts()
        if self.kind is Reasoning:
            return Reasoning(text, self.signature, self.encrypted, pieces, at, self.plan)
        return self.kind(text, pieces=pieces, at=at)

    def _tool_call(self, call: OpenCall) -> ToolCall:
        made = call.call
        arguments = made.raw_arguments or (msgspec.json.encode(made.arguments).decode() if made.arguments else "")
        if "".join(self.pieces) != arguments:  # it came whole
            self.pieces, self.at = [arguments], self.at[:1]
        elif len(self.pieces) > 1 and not self.pieces[0] and self.at[0] == self.at[1]:
            del self.pieces[0], self.at[0]  # it was not opened before its arguments began
        pieces, at = self._cuts()
        return ToolCall(made.name, arguments, made.id, pieces, at)

    def _cuts(self) -> tuple[tuple[str, ...], tuple[float, ...]]:
        times = tuple(at for at in self.at if at is not None)
        return tuple(self.pieces), times if self.pieces and len(times) == len(self.pieces) else ()


class _Choice:
    """The items of one choice, in the order they began."""

    def __init__(self) -> None:
        self._runs: list[_Run] = []
        self._calls: dict[int, _Run] = {}
        self._tools = ToolCallAssembly()

    @property
    def items(self) -> tuple[Item, ...]:
        """What was said."""
        self._tools.finish()
        return tuple(run.item() for run in self._runs if run.call is None or not run.call.copy)

    def add(self, message: ChatMessage, at: float | None) -> None:
        """Take in a chunk."""
        if message.reasoning:
            self._run(Reasoning, message.block).add(message.reasoning, at)
        for part in message.parts:
            if isinstance(part, ReasoningPart):
                self._seal(part, message.block)
            elif isinstance(part, ProviderPart) and part.kind == TOOL_PLAN:
                self._plan(part, at)
        if message.text:
            self._run(Text, message.block).add(message.text, at)
        if message.refusal:
            self._run(Refusal, message.block).add(message.refusal, at)
        for delta in message.tool_call_deltas:
            call = self._tools.add_delta(delta)
            run = self._call_run(call, message.block)
            if not run.pieces:
                run.add("", at)  # when it was opened
            for fragment in call.fragments[len(run.pieces) - 1 :]:
                run.add(fragment, at)
        for whole in message.tool_calls:
            self._add_call(whole, message.block, at)

    def add_whole(self, message: ChatMessage) -> None:
        """Take in a message that was not streamed, part by part."""
        for part in message.parts:
            match part:
                case TextPart():
                    if part.text:
                        self._begin(Text).add(part.text, None)
                case ReasoningPart():
                    run = self._begin(Reasoning)
                    run.pieces += [part.text] if part.text else []
                    run.at += [None] if part.text else []
                    run.signature, run.encrypted = part.signature, part.encrypted
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
            self._call_run(self._tools.started[-1], block).at.append(at)

    def _begin(self, kind: _Kind, block: int | None = None) -> _Run:
        self._runs.append(_Run(kind, block))
        return self._runs[-1]

    def _run(self, kind: _Kind, block: int | None) -> _Run:
        if not self._runs or self._runs[-1].kind is not kind or self._runs[-1].block != block or self._runs[-1].plan:
            return self._begin(kind, block)
        return self._runs[-1]

    def _call_run(self, call: OpenCall, block: int | None) -> _Run:
        run = self._calls.get(id(call))
        if run is None:
            run = self._calls[id(call)] = _Run(ToolCall, block)
            run.call = call
            self._runs.append(run)
        return run

    def _seal(self, part: ReasoningPart, block: int | None) -> None:
        """Signature and encrypted text belong to the reasoning of their block, else to what was thought last."""
        run = next((run for run in reversed(self._runs) if run.kind is Reasoning and run.block == block), None)
        if run is None or (part.encrypted and run.encrypted):
            run = self._begin(Reasoning, block)
        run.signature += part.signature
        run.encrypted += part.encrypted

    def _plan(self, part: ProviderPart, at: float | None) -> None:
        run = self._begin(Reasoning)
        run.plan = True
        run.add(str(part.data.get(TOOL_PLAN, "")), at)
