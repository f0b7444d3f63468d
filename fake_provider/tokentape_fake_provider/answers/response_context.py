"""What a request to OpenAI's Responses API continues, and what is stored of its answer.

The reference is platform.openai.com/docs/guides/conversation-state and .../guides/background.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.script.ids import HEX, make_id
from tokentape_fake_provider.sessions.stored_answers import (
    Background,
    Item,
    StoredAnswer,
    StoredAnswers,
    conversation_of,
)
from tokentape_fake_provider.tape import Tape
from tokentape_fake_provider.wires.openai_http import expect
from tokentape_fake_provider.wires.reading.fields import as_object
from tokentape_fake_provider.wires.wire import ProviderRequest, Reply

RESPONSES: Final = "openai_responses"
INPUT_TOKENS: Final = "openai_input_tokens"
CHAT: Final = "openai_chat"


def context_of(stored: StoredAnswers, body: Mapping[str, Any]) -> list[Item]:
    """The items that came before a request's input. Raises `BadRequestError` for an id that is unknown."""
    previous, name = body.get("previous_response_id"), conversation_of(body)
    if isinstance(previous, str) and name:
        raise BadRequestError(
            "Mutually exclusive parameters: 'previous_response_id' and 'conversation'. Send one of them.",
            param="previous_response_id",
            code="mutually_exclusive_parameters",
        )
    if isinstance(previous, str):
        answer = stored.find("response", previous)
        if answer is None:
            raise BadRequestError(
                f"Previous response with id '{previous}' not found.",
                param="previous_response_id",
                code="previous_response_not_found",
            )
        return [*answer.context, *answer.input, *answer.whole.get("output", ())]
    if name:
        conversation = stored.conversation(name)
        if conversation is None:
            raise BadRequestError(f"Conversation with id '{name}' not found.", status=404)
        return list(conversation.items)
    return []


def with_context(stored: StoredAnswers, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The request body with the items before its input. Raises `BadRequestError` for an id that is unknown."""
    context = context_of(stored, body)
    return {**body, "input": [*context, *input_items(body.get("input"))]} if context else body


def input_items(value: Any, seed: str = "", param: str = "input") -> list[Item]:
    """The items of an `input`; with a seed, as a list of them shows them: with ids, and texts as content parts.

    Raises `BadRequestError`, which names `param`, if an item is not an object.
    """
    items: list[Item] = (
        [{"role": "user", "content": value}] if isinstance(value, str) else [] if value is None else value
    )
    expect(param, items, list, "an array of objects")
    for index, item in enumerate(items):
        expect(f"{param}[{index}]", item, dict, "an object")
    return [_shown(item, f"{seed} {index}") for index, item in enumerate(items)] if seed else items


def _shown(item: Item, seed: str) -> Item:
    if item.get("type", "message") != "message":
        return {"id": "item_" + make_id(seed, "item", 50, HEX), **item}
    content = item.get("content")
    if isinstance(content, str):
        kind = "output_text" if item.get("role") == "assistant" else "input_text"
        content = [{"type": kind, "text": content}]
    given = {"id": "msg_" + make_id(seed, "item", 50, HEX), "type": "message", "status": "completed"}
    return {**given, **item, "content": content}


def is_stored(request: ProviderRequest) -> bool:
    """Whether the provider stores the answer: a response by default, a chat completion on request."""
    if request.wire == RESPONSES:
        return request.body.get("store") is not False
    return request.wire == CHAT and request.body.get("store") is True


def is_background(request: ProviderRequest) -> bool:
    """Whether the response goes on without its client."""
    return request.wire == RESPONSES and request.body.get("background") is True


def build_answer(
    request: ProviderRequest, body: Mapping[str, Any], reply: Reply, background: Background | None = None
) -> StoredAnswer | None:
    """What is stored: `body` is the request's own, without the context that `request` has. `None` for an error."""
    whole = msgspec.json.decode(reply.body) if reply.status == 200 else None
    if not isinstance(whole, dict) or not isinstance(whole.get("id"), str):
        return None
    if request.wire == CHAT:
        return StoredAnswer("chat.completion", {**whole, "metadata": as_object(body.get("metadata"))}, body)
    items = input_items(body.get("input"), request.seed)
    every = request.body.get("input")
    context = every[: len(every) - len(items)] if isinstance(every, list) else ()
    return StoredAnswer("response", whole, body, items, context, background)


def response_in(tape: Tape) -> Reply:
    """The response that a recorded answer of the Responses API ends with; a reply with status 204 if it has none."""
    if "text/event-stream" not in tape.header("content-type"):
        return Reply(tape.status, (), tape.body)
    for event in reversed(tape.body.split(b"\n\n")):
        _, found, data = event.partition(b"data: ")
        if found and data.startswith(b"{"):
            try:
                response = msgspec.json.decode(data).get("response")
            except msgspec.DecodeError:
                break
            if isinstance(response, dict):
                return Reply(tape.status, (), msgspec.json.encode(response))
    return Reply(204, (), b"")


def unfinished(whole: Mapping[str, Any], status: str) -> dict[str, Any]:
    """A background response that has not ended by itself."""
    return {**whole, "status": status, "output": [], "usage": None, "completed_at": None, "incomplete_details": None}
