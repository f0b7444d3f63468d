"""A prompt: what a request asks of the model, independent of its wire format. `prompt_reader` reads it from a body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from tokentape_fake_provider.script.model import ToolCall

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
MediaKind: TypeAlias = Literal["image", "audio", "video", "document", "file"]
Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class Media(msgspec.Struct, frozen=True):
    """An image, a sound, a film or a file in a message; `size` is its bytes, 0 where the request only refers to it.

    `width` and `height` are an image's in pixels, `seconds` the length of a sound, `pages` and `text` those of a
    document; 0 and empty where they are unknown. `cited` is whether the answer may cite it, `word` the request's own
    word for it.
    """

    kind: MediaKind
    media_type: str = ""
    size: int = 0
    detail: str = ""
    width: int = 0
    height: int = 0
    text: str = ""
    title: str = ""
    cited: bool = False
    seconds: float = 0
    pages: int = 0
    word: str = ""


class ToolResult(msgspec.Struct, frozen=True):
    """What the app answers to a call: `call_id` is the call's, `name` the tool's where the request names either."""

    text: str
    call_id: str = ""
    name: str = ""
    error: bool = False
    media: tuple[Media, ...] = ()


class Message(msgspec.Struct, frozen=True):
    """A message: its text, and what it holds besides. Results stand in messages of the role `tool`, in order.

    `continues` is whether the request has it in one message with the results before it, so that it begins no new turn.
    """

    role: Role
    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    results: tuple[ToolResult, ...] = ()
    media: tuple[Media, ...] = ()
    continues: bool = False


class Tool(msgspec.Struct, frozen=True):
    """A tool that the request offers.

    `kind` is `function` (the app runs it; `schema` is the JSON Schema of its arguments), `custom` (its input is plain
    text) or the provider's own: `web_search`, `web_fetch`, `file_search`, `code_interpreter`, `image_generation`,
    `mcp`, `computer`, `shell`, `apply_patch`, `text_editor`, `memory`, `tool_search`, `maps` or the provider's word.
    `definition` is the tool as the request has it.
    """

    name: str
    description: str = ""
    schema: Mapping[str, Any] | bool = True
    kind: str = "function"
    strict: bool = False
    definition: Mapping[str, Any] = {}


class ToolChoice(msgspec.Struct, frozen=True):
    """Which tools may or must be called. `names` are the allowed ones, all if empty; a forced one is `required`."""

    mode: Literal["auto", "none", "required"] = "auto"
    names: tuple[str, ...] = ()
    parallel: bool = True


class OutputFormat(msgspec.Struct, frozen=True):
    """The requested form of the text: free text, any JSON object, JSON that is valid by a schema, or a value.

    With `enum` the text is a string that is valid by the schema, without the quotes of JSON.
    """

    kind: Literal["text", "json", "schema", "enum"] = "text"
    schema: Mapping[str, Any] | bool = True
    name: str = ""
    strict: bool = False


class ReasoningRequest(msgspec.Struct, frozen=True):
    """The requested reasoning.

    `enabled` is `None` where the request leaves it to the model. `budget` is in tokens. `visible` is whether its text
    (or its `summary`) is sent, where the request decides that.
    """

    enabled: bool | None = None
    effort: Effort | None = None
    budget: int | None = None
    visible: bool | None = None
    summary: str = ""


class Document(msgspec.Struct, frozen=True):
    """A document that the request brings, from which the model may cite."""

    text: str
    title: str = ""
    id: str = ""


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """What a request asks of the model.

    `max_tokens` bounds the output, `stop` ends it, `choices` is the number of answers. `citations` is whether
    the answer cites `documents`. `modalities` are the forms of output besides text (`audio`, `image`),
    `audio_format` is the requested one (`wav`, `pcm16`).
    """

    messages: tuple[Message, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = ToolChoice()
    output: OutputFormat = OutputFormat()
    reasoning: ReasoningRequest = ReasoningRequest()
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    choices: int = 1
    seed: int | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    documents: tuple[Document, ...] = ()
    citations: bool = False
    modalities: tuple[str, ...] = ()
    audio_format: str = ""

    @property
    def system(self) -> str:
        """The text of the system's messages."""
        return "\n".join([message.text for message in self.messages if message.role == "system"])

    @property
    def last_user(self) -> str:
        """The text of the last message of the user; empty if there is none."""
        for message in reversed(self.messages):
            if message.role == "user":
                return message.text
        return ""

    @property
    def turn(self) -> int:
        """The number of messages of the user, without those that continue results."""
        return sum(message.role == "user" and not message.continues for message in self.messages)

    @property
    def since_user(self) -> tuple[Message, ...]:
        """The messages after the last one of the user that begins a turn: calls and their results."""
        for index in range(len(self.messages) - 1, -1, -1):
            if self.messages[index].role == "user" and not self.messages[index].continues:
                return self.messages[index + 1 :]
        return self.messages

    @property
    def results(self) -> tuple[ToolResult, ...]:
        """The results of tools since the last message of the user."""
        messages = self.since_user
        return tuple([result for message in messages for result in message.results]) if messages else ()

    @property
    def callable_tools(self) -> tuple[Tool, ...]:
        """The tools that the app runs and that the choice allows."""
        if not self.tools:
            return ()
        allowed = self.tool_choice.names
        tools = (tool for tool in self.tools if tool.kind in ("function", "custom"))
        return () if self.tool_choice.mode == "none" else tuple(t for t in tools if not allowed or t.name in allowed)
