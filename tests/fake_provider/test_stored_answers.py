"""Stored responses, conversations and chat completions, as the official SDK uses them."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from openai.types.responses import ResponseCompletedEvent, ResponseInputMessageItem, ResponseOutputMessage

from tokentape_fake_provider.script.model import Error, Script
from tokentape_fake_provider.script.tokenizer import count_tokens
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.sessions.stored_answers import MOST
from tokentape_fake_provider.tape import Frame, Tape

pytestmark = pytest.mark.both_stores

MODEL = "gpt-5"
HI: list[Any] = [{"role": "user", "content": "Hi"}]


def test_a_response_continues_another(openai_client: openai.OpenAI, session: Session) -> None:
    """The input and output of the response before count as input, and are listed before the new input."""
    session.push("It is blue.", "Of the scattering.")
    first = openai_client.responses.create(model=MODEL, input="Which colour is the sky?")
    second = openai_client.responses.create(model=MODEL, input="Why?", previous_response_id=first.id)
    assert first.usage is not None
    assert second.usage is not None
    assert second.previous_response_id == first.id
    assert second.usage.input_tokens == first.usage.input_tokens + first.usage.output_tokens + 2
    texts = []
    for item in openai_client.responses.input_items.list(second.id, order="asc"):
        assert isinstance(item, ResponseInputMessageItem | ResponseOutputMessage)
        texts.append((item.role, item.content[0].text))  # type: ignore[union-attr]
    assert texts == [("user", "Which colour is the sky?"), ("assistant", "It is blue."), ("user", "Why?")]


def test_a_streamed_response_is_stored_too(openai_client: openai.OpenAI) -> None:
    """What is retrieved is what the stream's last event had."""
    *_, last = openai_client.responses.create(model=MODEL, input="Hi", stream=True)
    assert isinstance(last, ResponseCompletedEvent)
    assert openai_client.responses.retrieve(last.response.id) == last.response


def test_a_response_that_is_not_stored_is_unknown(openai_client: openai.OpenAI, session: Session) -> None:
    """Ids are unknown with `store=False`, after a deletion, and after the session was cleared."""
    responses = openai_client.responses
    gone = [responses.create(model=MODEL, input="Hi", store=False).id, responses.create(model=MODEL, input="Hi").id]
    responses.delete(gone[1])
    kept = responses.create(model=MODEL, input="Hi").id
    for name in gone:
        with pytest.raises(openai.NotFoundError, match=f"Response with id '{name}' not found"):
            responses.retrieve(name)
        with pytest.raises(openai.BadRequestError, match="Previous response") as refused:
            responses.create(model=MODEL, input="Hi", previous_response_id=name)
        assert (refused.value.code, refused.value.param) == ("previous_response_not_found", "previous_response_id")
    session.clear()
    with pytest.raises(openai.NotFoundError):
        responses.retrieve(kept)


def test_what_is_queued_answers_whatever_it_continues(openai_client: openai.OpenAI, session: Session) -> None:
    """A queued script answers a request that continues a response of another provider."""
    session.push("Anything.")
    answer = openai_client.responses.create(model=MODEL, input="Hi", previous_response_id="resp_elsewhere")
    assert answer.output_text == "Anything."


def test_errors_are_not_stored(openai_client: openai.OpenAI, session: Session) -> None:
    """A refused request leaves nothing behind, nor does a stream with an error in it."""
    session.push(Script(error=Error(500)), Script.of("Half", error=Error(500, "No.", in_stream=True)))
    with pytest.raises(openai.InternalServerError):
        openai_client.with_options(max_retries=0).responses.create(model=MODEL, input="Hi")
    with pytest.raises(openai.APIError, match="No"):
        list(openai_client.responses.create(model=MODEL, input="Hi", stream=True))
    assert session.stored.all("response") == []


def test_the_oldest_are_forgotten(openai_client: openai.OpenAI, session: Session) -> None:
    """A session keeps a bounded number of answers."""
    oldest = openai_client.responses.create(model=MODEL, input="Hi").id
    stored = session.stored.find("response", oldest)
    assert stored is not None
    for number in range(MOST):
        copy = type(stored)("response", {**stored.whole, "id": f"resp_{number}"}, stored.body)
        session.stored.keep(lambda copy=copy: copy)  # type: ignore[misc]
    assert session.stored.find("response", oldest) is None
    assert len(session.stored.all("response")) == MOST


def test_a_conversation_collects_its_items(openai_client: openai.OpenAI, session: Session) -> None:
    """A conversation's items come before the input, and it gains the input and the output of each response."""
    session.push("Hello Ada.", "You are Ada.")
    conversation = openai_client.conversations.create(items=[{"role": "user", "content": "I am Ada."}])
    openai_client.responses.create(model=MODEL, input="Greet me.", conversation=conversation.id)
    second = openai_client.responses.create(model=MODEL, input="Who am I?", conversation={"id": conversation.id})
    listed = openai_client.conversations.items.list(conversation.id, order="asc", limit=2)
    texts = [item.content[0].text for item in listed]  # type: ignore[union-attr]
    assert texts == ["I am Ada.", "Greet me.", "Hello Ada.", "Who am I?", "You are Ada."]
    assert second.usage is not None
    assert second.usage.input_tokens == 4 + 3 + 3 + 4


def test_conversations_are_changed_and_deleted(openai_client: openai.OpenAI) -> None:
    """Items are added, shown and removed; metadata is replaced; what is deleted or unknown is a 404."""
    conversations = openai_client.conversations
    conversation = conversations.create(metadata={"topic": "a"})
    assert conversations.update(conversation.id, metadata={"topic": "b"}).metadata == {"topic": "b"}
    added = conversations.items.create(conversation.id, items=[{"role": "user", "content": "Hi"}])
    name = added.data[0].id
    assert name is not None
    assert conversations.items.retrieve(name, conversation_id=conversation.id).id == name
    conversations.items.delete(name, conversation_id=conversation.id)
    with pytest.raises(openai.NotFoundError, match="Item with id"):
        conversations.items.retrieve(name, conversation_id=conversation.id)
    assert conversations.retrieve(conversation.id).metadata == {"topic": "b"}
    assert conversations.delete(conversation.id).deleted
    with pytest.raises(openai.NotFoundError, match="Conversation with id"):
        conversations.retrieve(conversation.id)
    with pytest.raises(openai.NotFoundError, match="Conversation with id"):
        openai_client.responses.create(model=MODEL, input="Hi", conversation=conversation.id)


def test_a_background_response_goes_on_by_the_clock(openai_client: openai.OpenAI, session: Session) -> None:
    """It is queued until its first token, in progress until its last, then completed; without a client."""
    session.configure(clock="controlled", timing="synthetic:ttft=1s,tps=10")
    session.push("One two three four.")
    response = openai_client.responses.create(model=MODEL, input="Count.", background=True)
    clock = session.clock
    assert clock is not None
    seen = [response.status]
    for _ in range(2):
        seen.append(openai_client.responses.retrieve(response.id).status)
        clock.advance(1.2)
    ended = openai_client.responses.retrieve(response.id)
    assert [*seen, ended.status] == ["queued", "queued", "in_progress", "completed"]
    assert (response.output, ended.output_text) == ([], "One two three four.")


def test_a_background_response_is_cancelled(openai_client: openai.OpenAI, session: Session) -> None:
    """It stays cancelled; one that has ended stays as it is, and one without `background` can't be cancelled."""
    session.configure(clock="controlled", timing="synthetic:ttft=1s,tps=10")
    responses = openai_client.responses
    running = responses.create(model=MODEL, input="Count.", background=True)
    ended = responses.create(model=MODEL, input="Count.", background=True)
    assert responses.cancel(running.id).status == "cancelled"
    clock = session.clock
    assert clock is not None
    clock.advance(60.0)
    assert responses.retrieve(running.id).status == "cancelled"
    assert responses.cancel(ended.id).status == "completed"
    session.configure(timing="instant")
    with pytest.raises(openai.BadRequestError, match="Cannot cancel a synchronous response"):
        responses.cancel(responses.create(model=MODEL, input="Count.").id)


@pytest.mark.parametrize("broken", [False, True], ids=["left", "cut by a fault"])
def test_a_background_stream_is_resumed(openai_client: openai.OpenAI, session: Session, broken: bool) -> None:
    """The events after `starting_after` are exactly those that were missed, whoever broke the first stream off."""
    session.push(Script.of("One two three four.", faults="fin@frame=7" if broken else ()))
    whole = []
    stream = openai_client.responses.create(model=MODEL, input="Count.", background=True, stream=True)
    try:
        for event in stream:
            whole.append(event)
            if len(whole) == 6:
                stream.close()
                break
    except (openai.APIConnectionError, openai.APIError):
        assert broken
    (stored,) = session.stored.all("response")
    after = whole[-1].sequence_number
    rest = list(openai_client.responses.retrieve(stored.id, stream=True, starting_after=after))
    again = list(openai_client.responses.retrieve(stored.id, stream=True))
    assert [event.sequence_number for event in rest] == list(range(after + 1, len(again)))
    assert [*whole, *rest] == again
    assert [event.type for event in again[:3]] == ["response.created", "response.queued", "response.in_progress"]
    assert isinstance(rest[-1], ResponseCompletedEvent)
    assert rest[-1].response.output_text == "One two three four."


def test_a_background_stream_is_resumed_while_it_runs(openai_client: openai.OpenAI, session: Session) -> None:
    """What is past comes at once, and what is to come at its own time."""
    session.configure(clock="automatic", timing="synthetic:ttft=1s,tps=1")
    session.push("One two three four.")
    clock = session.clock
    assert clock is not None
    stream = openai_client.responses.create(model=MODEL, input="Count.", background=True, stream=True)
    first = next(iter(stream))
    stream.close()
    began = clock.now()
    rest = list(openai_client.responses.retrieve(first.response.id, stream=True, starting_after=0))  # type: ignore[union-attr]
    assert rest[-1].type == "response.completed"
    assert clock.now() - began <= 4000.0


@pytest.mark.parametrize("background", [True, False])
def test_only_a_background_stream_is_resumed(openai_client: openai.OpenAI, background: bool) -> None:
    """A response that was not created with both settings is refused, as is a position that is no number."""
    response = openai_client.responses.create(model=MODEL, input="Hi", background=background)
    with pytest.raises(openai.BadRequestError, match="can't be streamed"):
        openai_client.responses.retrieve(response.id, stream=True)


def test_a_recorded_response_is_continued(openai_client: openai.OpenAI, session: Session) -> None:
    """What a tape answered can be continued like what a script did, streamed or not."""
    done = b'{"type":"response.completed","response":{"id":"resp_tape","object":"response","output":[{"type":"message",'
    done += b'"role":"assistant","content":[{"type":"output_text","text":"From a tape."}]}]}}'
    frames = (Frame(0.0, b"event: response.completed\ndata: " + done + b"\n\n"),)
    session.push(Tape(frames, headers=(("content-type", "text/event-stream"),)))
    list(openai_client.responses.create(model=MODEL, input="Hi", stream=True))
    second = openai_client.responses.create(model=MODEL, input="And?", previous_response_id="resp_tape")
    assert second.usage is not None
    assert second.usage.input_tokens == count_tokens("Hi\nFrom a tape.\nAnd?")


def test_chat_completions_are_stored_on_request(openai_client: openai.OpenAI) -> None:
    """Those with `store` are listed, shown with their messages, changed and deleted; the others are not."""
    completions = openai_client.chat.completions
    completions.create(model=MODEL, messages=[{"role": "user", "content": "Hi"}])
    kept = completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Hi"}], store=True, metadata={"kind": "a"}
    )
    streamed = completions.create(model="other", messages=[{"role": "user", "content": "Hi"}], store=True, stream=True)
    (name,) = {chunk.id for chunk in streamed}
    assert [found.id for found in completions.list()] == [kept.id, name]
    assert [found.id for found in completions.list(metadata={"kind": "a"})] == [kept.id]
    assert [found.id for found in completions.list(model="other")] == [name]
    assert [found.id for found in completions.list(limit=1, order="desc")] == [name, kept.id]
    assert completions.retrieve(kept.id).choices == kept.choices
    assert [(message.role, message.content) for message in completions.messages.list(kept.id)] == [("user", "Hi")]
    assert completions.update(kept.id, metadata={"kind": "b"}).metadata == {"kind": "b"}
    assert completions.delete(kept.id).deleted
    with pytest.raises(openai.NotFoundError):
        completions.retrieve(kept.id)


@pytest.mark.parametrize("items", [1, {}, {"role": "user"}, [1], [None], ["x"], [[]]], ids=str)
def test_items_that_are_no_objects_are_refused(openai_client: openai.OpenAI, items: object) -> None:
    """A conversation is opened and extended with a list of objects only."""
    with pytest.raises(openai.BadRequestError, match="items"):
        openai_client.post("/conversations", body={"items": items}, cast_to=object)
    conversation = openai_client.conversations.create()
    with pytest.raises(openai.BadRequestError, match="items"):
        openai_client.post(f"/conversations/{conversation.id}/items", body={"items": items}, cast_to=object)


@pytest.mark.parametrize("metadata", [5, [1], "x"], ids=str)
def test_metadata_that_are_no_object_are_refused(
    openai_client: openai.OpenAI, session: Session, metadata: object
) -> None:
    """Metadata are an object, wherever they are set; what a script answers is listed all the same."""
    conversation = openai_client.conversations.create()
    kept = openai_client.chat.completions.create(model="m", messages=HI, store=True)
    paths = ["/conversations", f"/conversations/{conversation.id}", f"/chat/completions/{kept.id}"]
    for path in paths:
        with pytest.raises(openai.BadRequestError, match="Invalid type for 'metadata'"):
            openai_client.post(path, body={"metadata": metadata}, cast_to=object)
    requests: dict[str, dict[str, Any]] = {"/chat/completions": {"messages": HI}, "/responses": {"input": "Hi"}}
    for path, body in requests.items():
        with pytest.raises(openai.BadRequestError, match="Invalid type for 'metadata'"):
            openai_client.post(path, body={"model": "m", "metadata": metadata, **body}, cast_to=object)
    session.push("Hi.")
    openai_client.post(
        "/chat/completions", body={"model": "m", "messages": HI, "store": True, "metadata": metadata}, cast_to=object
    )
    assert openai_client.chat.completions.list(metadata={"a": "b"}).data == []


def test_a_limit_is_a_decimal_number(openai_client: openai.OpenAI) -> None:
    """A limit in other digits is refused, not a failure."""
    conversation = openai_client.conversations.create()
    with pytest.raises(openai.BadRequestError, match="limit"):
        openai_client.get(f"/conversations/{conversation.id}/items?limit=%C2%B2", cast_to=object)
