"""Endpoints that show, change and delete what is stored.

OpenAI's responses, conversations and chat completions (platform.openai.com/docs/api-reference); Gemini's cached
contents.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs

import msgspec

from tokentape_fake_provider.answers.answer import Answer, HttpRequest, refused
from tokentape_fake_provider.answers.cached_contents import change_content, create_content, list_contents
from tokentape_fake_provider.answers.files import file_answer
from tokentape_fake_provider.answers.response_context import input_items, unfinished
from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.script.ids import HEX, make_id
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.sessions.stored_answers import Conversation, Item, StoredAnswer
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.timing import Instant, Stepped
from tokentape_fake_provider.wires import WIRES
from tokentape_fake_provider.wires.openai_http import expect

_PATH: Final = re.compile(
    r".*?/(responses|conversations|chat/completions|cachedContents)(?:/([^/]+)(?:/(\w+)(?:/([^/]+))?)?)?"
)
_SEQUENCE: Final = re.compile(rb'"sequence_number":(\d+)')
_Query: TypeAlias = Mapping[str, list[str]]


def stored_answer(session: Session, http: HttpRequest) -> Answer | None:
    """The answer to a request about what is stored; `None` for any other request."""
    if http.method == "POST" and http.wire is not None:
        return None
    if (answer := file_answer(session, http)) is not None:
        return answer
    found = _PATH.fullmatch(http.path)
    if found is None:
        return None
    collection, *names = found.groups(default="")
    endpoint = _ENDPOINTS[collection]
    try:
        return endpoint(_Call(session, http, *names))
    except BadRequestError as error:
        return refused(WIRES["gemini" if collection == "cachedContents" else "openai_responses"], error)


class _Call:
    """One request: the id in its path, what follows it (`part`), and the id below that (`item`)."""

    def __init__(self, session: Session, http: HttpRequest, identifier: str, part: str, item: str) -> None:
        self.session, self.http, self.id, self.part, self.item = session, http, identifier, part, item
        self.stored = session.stored
        self.query: _Query = parse_qs(http.query)
        self.body: Mapping[str, Any] = http.body if isinstance(http.body, Mapping) else {}

    @property
    def operation(self) -> tuple[str, str]:
        """The method, and the part of the object that it is for."""
        return ("GET" if self.http.method == "HEAD" else self.http.method), self.part

    @property
    def metadata(self) -> Mapping[str, str]:
        """The metadata of the body. Raises `BadRequestError` if they are not an object."""
        metadata = self.body.get("metadata") or {}
        expect("metadata", metadata, dict, "an object")
        return metadata

    def one(self, name: str) -> str:
        """The last value of a parameter of the query; empty if it is missing."""
        return self.query.get(name, [""])[-1]


def _responses(call: _Call) -> Answer | None:
    if not call.id or (call.http.method == "POST" and call.id == "compact"):
        return None
    answer = call.stored.find("response", call.id)
    if answer is None:
        raise BadRequestError(f"Response with id '{call.id}' not found.", status=404)
    match call.operation:
        case "GET", "":
            return _stream(call, answer) if call.one("stream") == "true" else _json(_now(answer, call.http.now))
        case "DELETE", "":
            call.stored.delete(call.id)
            return _json({"id": call.id, "object": "response", "deleted": True})
        case "POST", "cancel":
            background = answer.background
            if background is None:
                raise BadRequestError("Cannot cancel a synchronous response.")
            if background.status(call.http.now) in ("queued", "in_progress"):
                background.cancelled = call.http.now
            return _json(_now(answer, call.http.now))
        case "GET", "input_items":
            return _json(_page(call, [*answer.context, *input_items(answer.input, call.id)]))
    return None


def _now(answer: StoredAnswer, now: float) -> dict[str, Any]:
    """The response as it is at this time of the session's clock, in ms."""
    status = None if answer.background is None else answer.background.status(now)
    return answer.whole if status is None else unfinished(answer.whole, status)


def _stream(call: _Call, answer: StoredAnswer) -> Answer:
    """The rest of a background response's stream: what is past goes out at once, what is to come at its time."""
    background = answer.background
    if background is None or not background.resumable:
        raise BadRequestError(
            "This response can't be streamed: only one that was created with 'background' and 'stream' can.",
            param="stream",
        )
    after = call.one("starting_after") or "-1"
    if not re.fullmatch(r"-?\d+", after):
        raise BadRequestError(
            f"Invalid type for 'starting_after': expected an integer, but got '{after}' instead.",
            param="starting_after",
            code="invalid_type",
        )
    tape, elapsed = background.tape, call.http.now - background.began
    frames = []
    for frame in tape.frames:
        if background.cancelled is not None and background.began + frame.at > background.cancelled:
            break
        events = [event for event in re.split(rb"(?<=\n\n)", frame.data) if _is_after(event, int(after))]
        if events:
            frames.append(Frame(max(0.0, frame.at - elapsed), b"".join(events)))
    timing = call.session.settings.timing
    rest = msgspec.structs.replace(
        tape, frames=tuple(frames), start=0.0, end_at=max(0.0, (tape.end_at or 0.0) - elapsed)
    )
    steps = timing if isinstance(timing, Stepped) else None
    return Answer(rest, "stored", call.id, instant=isinstance(timing, Instant), steps=steps)


def _is_after(event: bytes, number: int) -> bool:
    found = _SEQUENCE.search(event)
    return found is not None and int(found[1]) > number


def _completions(call: _Call) -> Answer | None:
    if not call.id:
        if call.operation != ("GET", ""):
            return None
        model = call.one("model")
        wanted = {name[9:-1]: values[-1] for name, values in call.query.items() if name.startswith("metadata[")}
        found = [answer.whole for answer in call.stored.all("chat.completion")]
        found = [whole for whole in found if not model or whole["model"] == model]
        return _json(_page(call, [whole for whole in found if wanted.items() <= whole["metadata"].items()], "asc"))
    answer = call.stored.find("chat.completion", call.id)
    if answer is None:
        raise BadRequestError(f"Completion with id '{call.id}' not found.", status=404)
    match call.operation:
        case "GET", "":
            return _json(answer.whole)
        case "POST", "":
            answer.whole["metadata"] = call.metadata
            return _json(answer.whole)
        case "DELETE", "":
            call.stored.delete(call.id)
            return _json({"object": "chat.completion.deleted", "id": call.id, "deleted": True})
        case "GET", "messages":
            messages = answer.body.get("messages") or ()
            return _json(
                _page(call, [{"id": f"{call.id}-{n}", **message} for n, message in enumerate(messages)], "asc")
            )
    return None


def _conversations(call: _Call) -> Answer | None:
    if not call.id:
        return _json(_shown(_opened(call))) if call.operation == ("POST", "") else None
    conversation = call.stored.conversation(call.id)
    if conversation is None:
        raise BadRequestError(f"Conversation with id '{call.id}' not found.", status=404)
    match (*call.operation, bool(call.item)):
        case "GET", "", False:
            return _json(_shown(conversation))
        case "POST", "", False:
            conversation.metadata = call.metadata
            return _json(_shown(conversation))
        case "DELETE", "", False:
            call.stored.close(call.id)
            return _json({"id": call.id, "object": "conversation.deleted", "deleted": True})
        case "GET", "items", False:
            return _json(_page(call, conversation.items))
        case "POST", "items", False:
            added = input_items(call.body.get("items"), f"{call.id} {len(conversation.items)}", "items")
            conversation.items += added
            return _json(_listed(added))
    return _conversation_item(call, conversation)


def _conversation_item(call: _Call, conversation: Conversation) -> Answer | None:
    """One item of a conversation."""
    if call.part != "items":
        return None
    item = next((item for item in conversation.items if item.get("id") == call.item), None)
    if item is None:
        raise BadRequestError(f"Item with id '{call.item}' not found in conversation '{call.id}'.", status=404)
    match call.operation[0]:
        case "GET":
            return _json(item)
        case "DELETE":
            conversation.items.remove(item)
            return _json(_shown(conversation))
    return None


def _opened(call: _Call) -> Conversation:
    seed = f"{call.session.settings.seed}:{call.session.next_number()}"
    items = input_items(call.body.get("items"), seed, "items")
    identity = "conv_" + make_id(seed, "conversation", 50, HEX)
    conversation = Conversation(identity, call.http.created, items, call.metadata)
    call.stored.open(conversation)
    return conversation


def _shown(conversation: Conversation) -> dict[str, Any]:
    return {
        "id": conversation.id,
        "object": "conversation",
        "created_at": conversation.created,
        "metadata": conversation.metadata,
    }


def _cached_contents(call: _Call) -> Answer | None:
    cache, now, created = call.session.prompt_cache, call.http.now / 1000, call.http.created
    if call.part:
        return None
    shown: dict[str, Any] | None = None
    if call.id:
        name = f"cachedContents/{call.id}"
        shown = change_content(cache, call.operation[0], name, call.body, created, now)
    elif call.operation[0] == "POST":
        seed = f"{call.session.settings.seed}:{call.session.next_number()}"
        shown = create_content(cache, call.body, seed, created, now)
    elif call.operation[0] == "GET":
        shown = list_contents(cache, now)
    return None if shown is None else _json(shown)


def _page(call: _Call, items: Sequence[Item], order: str = "desc") -> dict[str, Any]:
    """The part of a list that `order`, `after` and `limit` of the query select."""
    ordered = list(items) if (call.one("order") or order) == "asc" else list(reversed(items))
    limit = call.one("limit") or "20"
    if not limit.isdecimal() or not 1 <= int(limit) <= 100:
        raise BadRequestError(f"Invalid 'limit': expected 1 to 100, but got {limit} instead.", param="limit")
    after = call.one("after")
    places = [index for index, item in enumerate(ordered) if item.get("id") == after]
    rest = ordered[places[0] + 1 :] if places else ordered
    return _listed(rest[: int(limit)], more=len(rest) > int(limit))


def _listed(items: Sequence[Item], *, more: bool = False) -> dict[str, Any]:
    ids = [item.get("id") for item in items] or [None]
    return {"object": "list", "data": items, "first_id": ids[0], "last_id": ids[-1], "has_more": more}


def _json(value: Any) -> Answer:
    return Answer(
        Tape((Frame(0.0, msgspec.json.encode(value)),), 200, (("content-type", "application/json"),)), "stored"
    )


_ENDPOINTS: Final[Mapping[str, Callable[[_Call], Answer | None]]] = {
    "responses": _responses,
    "conversations": _conversations,
    "chat/completions": _completions,
    "cachedContents": _cached_contents,
}
