"""Reads a prompt from a request body of any wire format, by the shape of its fields.

The formats have different words for the same thing and no word for two things, so that one reader takes them all. Their
fields are those of the providers' references and official SDKs of November 2026.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from tokentape_fake_provider.script.model import Refusal, Text, ToolCall
from tokentape_fake_provider.wires.prompt import Document, Media, Message, Prompt, ToolResult
from tokentape_fake_provider.wires.reading.fields import as_object, first, json_text, text_of, texts
from tokentape_fake_provider.wires.reading.options import (
    OPTION_HOLDERS,
    has_limits,
    read_max_tokens,
    read_modalities,
    read_output,
    read_reasoning,
    read_seed,
    read_stop,
    read_verbosity,
)
from tokentape_fake_provider.wires.reading.tools import TOOL_FIELDS, read_tool_choice, read_tools
from tokentape_fake_provider.wires.reading.turns import (
    MESSAGE_FIELDS,
    ROLES,
    SYSTEM_FIELDS,
    Part,
    Turn,
    is_text_alone,
    read_turns,
)
from tokentape_fake_provider.wires.wire import ProviderRequest

_BESIDE_MESSAGES: Final = frozenset(
    (
        *TOOL_FIELDS,
        *OPTION_HOLDERS,
        *("mcp_servers", "web_search_options", "search_parameters", "plugins", "tool_choice", "function_call"),
        *("tool_config", "parallel_tool_calls", "verbosity", "text"),
        *("modalities", "response_modalities", "documents", "citation_options", "audio", "response_format"),
        *("output_config", "output_format", "outputConfig", "format", "additionalModelRequestFields"),
        *("reasoning_effort", "reasoning", "reasoningConfig", "reasoning_config", "thinking", "think"),
        *("enable_thinking", "chat_template_kwargs", "include_reasoning", "reasoning_format", "prompt_mode"),
    )
)
"""The fields that ask for something besides messages, the most tokens, where to stop, and a seed."""
_BESIDE_TEXTS: Final = frozenset((*SYSTEM_FIELDS, *MESSAGE_FIELDS, "images")) - {"messages"}
"""The fields that have messages, or media of one, besides `messages`."""


def read_prompt(request: ProviderRequest) -> Prompt:
    """What a request asks of the model; never raises: what has another form than documented is left out."""
    body = request.body
    if request.task is not None:
        return Prompt(messages=(Message("user", request.text),))
    messages = _texts_alone(body)
    sources: tuple[tuple[Document, bool], ...] = ()
    if messages is None:
        turns = read_turns(body)
        messages, sources = tuple(map(_message, turns)), tuple(_documents_of(turns))
    if not sources and asks_in_messages_alone(body):
        if not has_limits(body):
            return Prompt(messages=messages, choices=request.choices)
        return Prompt(
            messages=messages,
            max_tokens=read_max_tokens(body),
            stop=read_stop(body),
            choices=request.choices,
            seed=read_seed(body),
        )
    tools = read_tools(body)
    documents = [*(document for document, _ in sources), *_documents(body)]
    return Prompt(
        messages=messages,
        tools=tools,
        tool_choice=read_tool_choice(body, tools),
        output=read_output(body),
        reasoning=read_reasoning(body),
        max_tokens=read_max_tokens(body),
        stop=read_stop(body),
        choices=request.choices,
        seed=read_seed(body),
        verbosity=read_verbosity(body),
        documents=tuple(documents),
        citations=any(cited for _, cited in sources) or _cites(body),
        modalities=read_modalities(body),
        audio_format=text_of(as_object(body.get("audio")).get("format")),
    )


def asks_in_messages_alone(body: Mapping[str, Any]) -> bool:
    """Whether a body has nothing besides messages, the most tokens, where to stop, and a seed; so also no schema."""
    return _BESIDE_MESSAGES.isdisjoint(body)


def _texts_alone(body: Mapping[str, Any]) -> tuple[Message, ...] | None:
    """The messages where nothing but `messages` has any, and each is a text; else `None`."""
    items = body.get("messages")
    if not isinstance(items, list) or not _BESIDE_TEXTS.isdisjoint(body):
        return None
    found = [
        Message(ROLES[item["role"]], item["content"])
        for item in items
        if isinstance(item, dict) and is_text_alone(item)
    ]
    return tuple(found) if len(found) == len(items) else None


def _message(turn: Turn) -> Message:
    if len(turn.parts) == 1 and isinstance(text := turn.parts[0], Text):
        return Message(turn.role, text.text, continues=turn.continues)
    results = tuple(part for part in turn.parts if isinstance(part, ToolResult))
    texts = (part.text for part in turn.parts if isinstance(part, Text | Refusal | ToolResult))
    return Message(
        turn.role,
        "\n".join(text for text in texts if text),
        tuple(part for part in turn.parts if isinstance(part, ToolCall)),
        results,
        (*_media(turn.parts), *(held for result in results for held in result.media)),
        turn.continues,
    )


def _media(parts: Iterable[Part]) -> Iterator[Media]:
    return (part for part in parts if isinstance(part, Media))


def _documents_of(turns: Iterable[Turn]) -> Iterator[tuple[Document, bool]]:
    """The documents among the parts of messages, and whether each may be cited."""
    for turn in turns:
        for part in _media(turn.parts):
            if part.kind == "document":
                yield Document(part.text, part.title), part.cited


def _documents(body: Mapping[str, Any]) -> Iterator[Document]:
    """The documents beside the messages (docs.cohere.com/reference/chat): texts, or objects of any fields."""
    documents = body.get("documents")
    for document in documents if isinstance(documents, list) else ():
        if isinstance(document, str):
            yield Document(document)
        elif isinstance(document, Mapping):
            data = first(document, "data")
            fields = data if isinstance(data, Mapping) else document
            text = data if isinstance(data, str) else "\n".join(texts(first(fields, "text", "snippet", "content")))
            yield Document(text or json_text(fields), text_of(fields.get("title")), text_of(document.get("id")))


def _cites(body: Mapping[str, Any]) -> bool:
    mode = text_of(as_object(body.get("citation_options")).get("mode")).upper()
    return isinstance(body.get("documents"), list) and bool(body["documents"]) and mode not in ("OFF", "DISABLED")
