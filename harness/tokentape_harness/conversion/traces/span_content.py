"""Span content: the request and the answer in a span, in each of the conventions for model calls.

Content is in `gen_ai.input.messages` and `gen_ai.output.messages`; before these in events (`gen_ai.user.message`,
`gen_ai.choice`) of the span or of its log records, and before those in `gen_ai.prompt` and `gen_ai.completion`, whole
or a field each (OpenLLMetry). OpenInference has `llm.*` and `input.value`, Logfire `request_data`, `response_data`
and `events`, Langfuse `langfuse.observation.*`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tokentape_fake_provider.script.model import Choice
from tokentape_harness.conversion.traces.answers import finish_reason, read_choices
from tokentape_harness.conversion.traces.messages import request_fields
from tokentape_harness.conversion.traces.span import Event
from tokentape_harness.conversion.traces.values import first, is_cut_off, mapping, nested, number, parsed, text

_OPTIONS: Final = ("max_tokens", "temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty", "seed")


def read_request(
    attributes: Mapping[str, Any], events: tuple[Event, ...], missing: list[str]
) -> tuple[dict[str, Any], bool]:
    """The fields of the request, and whether they are the body that was sent; `missing` as for `read_answer`."""
    for name in ("request_data", "input.value"):
        body = mapping(attributes.get(name))
        if {"messages", "contents", "input", "prompt"} & body.keys() and "model" in body:
            return dict(body), True
    fields = _options(attributes)
    for name in ("gen_ai.input.messages", "input.value"):
        value = attributes.get(name)
        if is_cut_off(value):
            missing.append(f"{name} is cut off after {len(text(value)):,} characters: no messages are read from it")
        elif value is not None:
            found = request_fields(value)
            if found.get("messages") or len(found) > 1:
                fields |= found
                break
    else:
        messages = _messages_of(attributes, events)
        if messages:
            fields |= request_fields(messages)
    if system := parsed(attributes.get("gen_ai.system_instructions")):
        parts = system if isinstance(system, list) else [{"type": "text", "content": system}]
        fields["messages"] = [
            *request_fields([{"role": "system", "parts": parts}])["messages"],
            *fields.get("messages", ()),
        ]
    tools = _tools(attributes)
    if tools:
        fields["tools"] = tools
    return fields, False


def _options(attributes: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: attributes.get(f"gen_ai.request.{name}") for name in _OPTIONS}
    given["stop"] = parsed(attributes.get("gen_ai.request.stop_sequences"))
    given |= mapping(attributes.get("llm.invocation_parameters"))
    return {name: value for name, value in given.items() if value is not None and name not in ("model", "stream")}


def _messages_of(attributes: Mapping[str, Any], events: tuple[Event, ...]) -> Any:
    """The messages of the request in the older conventions."""
    found = [message for event in _messages_in(attributes, events) if (message := _event_message(event)) is not None]
    if found:
        return found[:-1] if _ends_with_answer(attributes, events) else found
    for prefix in ("gen_ai.prompt", "ai.prompt.messages", "llm.input_messages", "llm.prompts"):
        if prefix in attributes:
            return parsed(attributes[prefix])
        messages = nested(attributes, prefix)
        if messages:
            return messages
    for event in events:
        if event.name == "gen_ai.content.prompt":
            return parsed(event.attributes.get("gen_ai.prompt"))
    return None


def _messages_in(attributes: Mapping[str, Any], events: tuple[Event, ...]) -> Iterator[Event]:
    """The events with messages: those of the span, or those that Logfire keeps in an attribute."""
    yield from events
    listed = parsed(first(attributes, "events", "all_messages_events"))
    for fields in listed if isinstance(listed, list) else ():
        yield Event(text(mapping(fields).get("event.name")), None, {}, fields)


def _ends_with_answer(attributes: Mapping[str, Any], events: tuple[Event, ...]) -> bool:
    """Whether the last message is the answer, as in Logfire's events, and not one of the request."""
    names = [event.name for event in _messages_in(attributes, events)]
    return bool(names) and names[-1] == "gen_ai.assistant.message" and "gen_ai.choice" not in names


def _event_message(event: Event) -> Any:
    """The message of an event `gen_ai.<role>.message`."""
    role = event.name.removeprefix("gen_ai.").removesuffix(".message")
    if role not in ("system", "user", "assistant", "tool") or not event.name.endswith(".message"):
        return None
    fields = {**event.attributes, **mapping(event.body)}
    message = {name: parsed(value) for name, value in fields.items() if not name.startswith("gen_ai.")}
    if role == "tool" and "tool_call_id" not in message and "id" in message:
        message["tool_call_id"] = message["id"]
    return {**message, "role": text(message.get("role")) or role}


def _tools(attributes: Mapping[str, Any]) -> list[Any]:
    tools = parsed(first(attributes, "gen_ai.tool.definitions", "ai.prompt.tools"))
    if isinstance(tools, list):
        found = [mapping(tool) for tool in tools]
        return [{**tool, "parameters": tool["inputSchema"]} if "inputSchema" in tool else tool for tool in found]
    for prefix in ("llm.tools", "llm.request.functions"):
        flat = nested(attributes, prefix)
        if isinstance(flat, list):
            found = [
                mapping(first(mapping(tool.get("tool")), "json_schema"))
                or {**tool, "parameters": mapping(tool.get("parameters"))}
                for tool in map(mapping, flat)
            ]
            return [tool for tool in found if tool]
    return []


def read_answer(attributes: Mapping[str, Any], events: tuple[Event, ...], missing: list[str]) -> tuple[Choice, ...]:
    """What was generated; `missing` gets a sentence for content that was cut off."""
    for name in ("gen_ai.output.messages", "response_data", "output.value"):
        value = attributes.get(name)
        if is_cut_off(value):
            missing.append(f"{name} is cut off after {len(text(value)):,} characters: no answer is read from it")
            continue
        value = parsed(value)
        if name == "gen_ai.output.messages" and isinstance(value, list):
            choices = tuple(choice for message in value for choice in read_choices([message]))
            reasons = [mapping(message).get("finish_reason") for message in value]
            choices = tuple(
                Choice(choice.items, finish_reason(reason) or choice.finish_reason)
                for choice, reason in zip(choices, reasons, strict=False)
            )
        elif isinstance(value, Mapping) and "combined_chunk_content" in value:  # Logfire's streams
            message = value.get("message")
            choices = read_choices({"message": message} if message else text(value["combined_chunk_content"]))
        else:
            choices = read_choices(value)
        if choices:
            return choices
    choice_events = [event for event in _messages_in(attributes, events) if event.name == "gen_ai.choice"]
    choice_events.sort(key=lambda event: number(_event_fields(event).get("index")) or 0)
    if choice_events:
        return tuple(choice for event in choice_events for choice in _event_choice(_event_fields(event)))
    if _ends_with_answer(attributes, events):
        *_, last = _messages_in(attributes, events)
        return read_choices([_event_message(last)])
    for prefix in ("gen_ai.completion", "llm.output_messages"):
        flat = parsed(attributes.get(prefix)) or nested(attributes, prefix)
        if flat:
            return tuple(choice for message in flat for choice in _flat_choice(message))
    if any(name in attributes for name in ("ai.response.text", "ai.response.toolCalls")):
        return _vercel_answer(attributes)
    for event in events:
        if event.name == "gen_ai.content.completion":
            return read_choices(event.attributes.get("gen_ai.completion"))
    return ()


def _vercel_answer(attributes: Mapping[str, Any]) -> tuple[Choice, ...]:
    """The answer in the attributes of Vercel's AI SDK."""
    calls = parsed(attributes.get("ai.response.toolCalls"))
    parts = [{"type": "reasoning", "text": attributes.get("ai.response.reasoning")}]
    parts += [{"type": "text", "text": attributes.get("ai.response.text")}]
    parts += [{"type": "tool-call", **mapping(call)} for call in (calls if isinstance(calls, list) else ())]
    parts = [part for part in parts if "toolName" in part or part.get("text")]
    reason = text(attributes.get("ai.response.finishReason")).replace("-", "_")
    choices = read_choices([{"role": "assistant", "parts": parts}])
    return tuple(Choice(choice.items, choice.finish_reason or finish_reason(reason)) for choice in choices)


def _flat_choice(message: Any) -> Iterator[Choice]:
    fields = mapping(message)
    for choice in read_choices([message] if fields else message):
        yield Choice(choice.items, finish_reason(fields.get("finish_reason")) or choice.finish_reason)


def _event_fields(event: Event) -> dict[str, Any]:
    return {name: parsed(value) for name, value in {**event.attributes, **mapping(event.body)}.items()}


def _event_choice(fields: Mapping[str, Any]) -> Iterator[Choice]:
    message = mapping(fields.get("message")) or {
        name: fields[name] for name in ("content", "tool_calls", "role") if fields.get(name) is not None
    }
    for choice in read_choices([message]):
        yield Choice(choice.items, finish_reason(fields.get("finish_reason")) or choice.finish_reason)
