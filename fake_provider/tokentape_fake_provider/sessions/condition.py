"""Conditions on a request: what a rule answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, Literal

import msgspec

from tokentape_fake_provider.faults.registry import nearest
from tokentape_fake_provider.http.bounded_pattern import bounded_pattern
from tokentape_fake_provider.sessions.matching.request_comparison import Difference, canonical
from tokentape_fake_provider.wires import served_names
from tokentape_fake_provider.wires.prompt import Prompt, ToolResult
from tokentape_fake_provider.wires.prompt_reader import read_prompt
from tokentape_fake_provider.wires.wire import ProviderRequest


class IncomingRequest:
    """A request, with its prompt, which is read when something first needs it."""

    def __init__(self, request: ProviderRequest) -> None:
        self.request = request
        self._prompt: Prompt | None = None

    @property
    def prompt(self) -> Prompt:
        """What the request asks of the model."""
        if self._prompt is None:
            self._prompt = read_prompt(self.request)
        return self._prompt


class TextMatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part that a text has, and a regular expression that is found in it. Raises `ValueError` without either."""

    contains: str | None = None
    matches: str | None = None

    def __post_init__(self) -> None:
        if self.contains is None and self.matches is None:
            raise ValueError("a text is matched by `contains` or `matches`: give one of them")
        check_pattern(self.matches)

    def holds(self, text: str) -> bool:
        """Whether the text has both."""
        return (self.contains is None or self.contains in text) and (
            self.matches is None or bounded_pattern(self.matches).is_in(text)
        )


class ToolResultMatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A tool's result: `name` is a shell pattern of the tool's name, `contains` and `matches` look at its text."""

    name: str | None = None
    contains: str | None = None
    matches: str | None = None
    error: bool | None = None

    def __post_init__(self) -> None:
        check_pattern(self.matches)

    def holds(self, result: ToolResult) -> bool:
        """Whether this is such a result."""
        return (
            (self.name is None or fnmatchcase(result.name, self.name))
            and (self.contains is None or self.contains in result.text)
            and (self.matches is None or bounded_pattern(self.matches).is_in(result.text))
            and (self.error is None or self.error == result.error)
        )


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"not_": "not"}):
    """What must hold for a request: all that is given. A field that is `None` always holds.

    `model` and `path` are shell patterns (`gpt-*`), `contains` is a part of the whole prompt and `matches` a regular
    expression that is found anywhere in it. The others look at the turn:

    - `last_user` and `system`: the last message of the user, the system prompt; a string is a part of it;
    - `turn`: the number of messages of the user;
    - `tool_result`: a result since the last message of the user; a string is a part of it, `true` any, `false` none;
    - `tools`: shell patterns of names that must all be offered; `true` any tool, `false` none;
    - `response_format`: the requested form of the text; `images`: whether a message has one.

    `all`, `any` and `not_` (`not` in JSON) combine conditions. Raises `ValueError` for any other value.
    """

    wire: str | None = None
    model: str | None = None
    path: str | None = None
    contains: str | None = None
    matches: str | None = None
    stream: bool | None = None
    last_user: str | TextMatch | None = None
    system: str | TextMatch | None = None
    turn: int | None = None
    tool_result: str | bool | ToolResultMatch | None = None
    tools: tuple[str, ...] | bool | None = None
    response_format: Literal["text", "json", "schema"] | None = None
    images: bool | None = None
    all: tuple[Condition, ...] | None = None
    any: tuple[Condition, ...] | None = None
    not_: Condition | None = None

    def __post_init__(self) -> None:
        for field in _fields():
            if (value := getattr(self, field.name)) is not None:
                try:
                    converted = msgspec.convert(value, field.type)
                except msgspec.ValidationError as error:
                    raise ValueError(f"`{field.encode_name}`: {error}") from None
                msgspec.structs.force_setattr(self, field.name, converted)
        check_pattern(self.matches)
        if self.wire is not None and self.wire not in (names := served_names()):
            raise ValueError(f"`wire`: no wire format or endpoint {self.wire!r}{nearest(self.wire, names)}")
        if self.turn is not None and self.turn < 1:
            raise ValueError(f"`turn` is {self.turn}: the first message of the user is turn 1")
        for name in ("all", "any"):
            if getattr(self, name) == ():
                raise ValueError(f"`{name}` is empty: list conditions, or leave it out")

    @property
    def names_path(self) -> bool:
        """Whether it is about the path, so that it may hold where no wire format has one."""
        return self.path is not None or any(part.names_path for part in (*(self.all or ()), *(self.any or ())))

    def holds(self, incoming: IncomingRequest) -> bool:
        """Whether all that is given holds for this request."""
        return next(self.unmet(incoming), None) is None

    def unmet(self, incoming: IncomingRequest) -> Iterator[Difference]:
        """What does not hold for this request; of `any`, what its nearest part lacks."""
        request = incoming.request
        if self.wire is not None and self.wire != request.wire:
            yield Difference("wire", self.wire, request.wire)
        if self.stream is not None and self.stream != request.stream:
            yield Difference("stream", self.stream, request.stream)
        if self.model is not None and not fnmatchcase(request.model, self.model):
            yield Difference("model", self.model, request.model)
        if self.path is not None and not fnmatchcase(request.path, self.path):
            yield Difference("path", self.path, request.path)
        if self.contains is not None and self.contains not in request.text:
            yield Difference("contains", self.contains, request.text)
        if self.matches is not None and not bounded_pattern(self.matches).is_in(request.text):
            yield Difference("matches", self.matches, request.text)
        yield from self._unmet_in_turn(incoming)
        for index, part in enumerate(self.all or ()):
            yield from _inside(f"all[{index}]", part.unmet(incoming))
        if self.any is not None and not any(part.holds(incoming) for part in self.any):
            parts = [list(_inside(f"any[{index}]", part.unmet(incoming))) for index, part in enumerate(self.any)]
            yield from min(parts, key=len)
        if self.not_ is not None and self.not_.holds(incoming):
            yield Difference("not", _as_json(self.not_), "it holds")

    def _unmet_in_turn(self, incoming: IncomingRequest) -> Iterator[Difference]:
        """What does not hold of the conditions that need the prompt."""
        if self.last_user is not None and not _matches(self.last_user, incoming.prompt.last_user):
            yield Difference("last_user", _as_json(self.last_user), incoming.prompt.last_user)
        if self.system is not None and not _matches(self.system, incoming.prompt.system):
            yield Difference("system", _as_json(self.system), incoming.prompt.system)
        if self.turn is not None and incoming.prompt.turn != self.turn:
            yield Difference("turn", self.turn, incoming.prompt.turn)
        if self.tool_result is not None and not _has_result(self.tool_result, incoming.prompt.results):
            results = [{"name": result.name, "text": result.text} for result in incoming.prompt.results]
            yield Difference("tool_result", _as_json(self.tool_result), results)
        if self.tools is not None:
            offered = [tool.name for tool in incoming.prompt.tools]
            if not _offers(self.tools, offered):
                yield Difference("tools", _as_json(self.tools), offered)
        if self.response_format is not None and incoming.prompt.output.kind != self.response_format:
            yield Difference("response_format", self.response_format, incoming.prompt.output.kind)
        if self.images is not None:
            media = (one for message in incoming.prompt.messages for one in message.media)
            if any(one.kind == "image" for one in media) != self.images:
                yield Difference("images", self.images, not self.images)


def _inside(place: str, found: Iterator[Difference]) -> Iterator[Difference]:
    return (one._replace(path=f"{place}.{one.path}") for one in found)


def _as_json(condition: Any) -> Any:
    """A condition as JSON, without what is not given; in a list, because `stream: false` counts here."""
    return canonical([msgspec.to_builtins(condition)])[0]


@cache
def _fields() -> tuple[msgspec.structs.FieldInfo, ...]:
    """The fields of a condition; reading them takes a ms."""
    return msgspec.structs.fields(Condition)


def _matches(match: str | TextMatch, text: str) -> bool:
    return match in text if isinstance(match, str) else match.holds(text)


def _has_result(match: str | bool | ToolResultMatch, results: tuple[ToolResult, ...]) -> bool:
    if isinstance(match, bool):
        return bool(results) == match
    if isinstance(match, str):
        return any(match in result.text for result in results)
    return any(match.holds(result) for result in results)


def _offers(names: tuple[str, ...] | bool, offered: list[str]) -> bool:
    if isinstance(names, bool):
        return bool(offered) == names
    return all(any(fnmatchcase(tool, name) for tool in offered) for name in names)


def check_pattern(pattern: str | None) -> None:
    """Raise `ValueError` if `matches` is not a regular expression."""
    if pattern is not None:
        try:
            bounded_pattern(pattern)
        except (re.error, OverflowError, RecursionError, ValueError) as error:
            raise ValueError(f"`matches` is not a regular expression: {error}") from None
