"""What answers a request: queue, rules, recordings, synthetic text or a strict error."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.script.model import Error, Script, Text, ToolCall, Usage
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.tape import Frame, Tape

CHAT = "/v1/chat/completions"


def ask(client: openai.OpenAI, content: str = "Hello", **options: Any) -> str:
    """The whole answer to one message."""
    messages: Any = [{"role": "user", "content": content}]
    completion = client.chat.completions.create(model=options.pop("model", "gpt-4o-mini"), messages=messages, **options)
    return completion.choices[0].message.content


def stream(client: openai.OpenAI, content: str = "Hello", **options: Any) -> str:
    """The text of a streamed answer."""
    messages: Any = [{"role": "user", "content": content}]
    chunks = client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True, **options)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def chat(content: str, **fields: Any) -> dict[str, Any]:
    """A request body."""
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": content}], **fields}


def whole(text: str) -> Tape:
    """A tape of a complete answer that is not streamed."""
    body = (
        '{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop",'
        f'"message":{{"role":"assistant","content":"{text}"}}}}]}}'
    )
    return Tape((Frame(5.0, body.encode()),), 200, (("content-type", "application/json"),))


def recorded(content: str, answer: str, number: int = 0, path: str = CHAT, **fields: Any) -> Recording:
    """A recording of one question and its answer."""
    return Recording(
        whole(answer), path, chat(content, **fields), wire="openai_chat", source="a.yaml", interaction=number
    )


def test_queue_is_played_in_order(session: Session, openai_client: openai.OpenAI) -> None:
    """Queued scripts answer one request each, in the order in which they were pushed, streamed or not."""
    session.push("first", Script.of("second"), Script.of(Text("third")))
    assert [ask(openai_client), stream(openai_client), ask(openai_client)] == ["first", "second", "third"]
    assert [entry.answered_by for entry in session.journal.wait()] == ["queue"] * 3
    assert session.unplayed.empty


def test_queued_tape_goes_out_byte_for_byte(session: Session, server: FakeProviderServer, http: httpx2.Client) -> None:
    """A queued tape answers with its own status, headers and bytes."""
    session.push(Tape((Frame(0, b"a"), Frame(9, b"b")), 418, (("x-odd", "1"), ("content-type", "text/plain"))))
    got = http.post(f"{server.base_url('openai_chat', session.id)}/chat/completions", json=chat("x"))
    assert (got.status_code, got.content, got.headers["x-odd"]) == (418, b"ab", "1")


def test_one_queue_serves_both_wire_formats(session: Session, server: FakeProviderServer) -> None:
    """The same script is encoded for whichever SDK asks."""
    session.push(Script.of("Hi", ToolCall.of("f", {"a": 1})))
    with anthropic.Anthropic(base_url=server.base_url("anthropic_messages", session.id), api_key="k") as client:
        message = client.messages.create(model="claude", max_tokens=9, messages=[{"role": "user", "content": "x"}])
    assert [block.type for block in message.content] == ["text", "tool_use"]
    assert message.stop_reason == "tool_use"


def test_error_script_is_the_providers_error(session: Session, openai_client: openai.OpenAI) -> None:
    """A scripted error reaches the SDK as its own exception."""
    session.push(Script.of(error=Error(401, "no such key")))
    with pytest.raises(openai.AuthenticationError, match="no such key"):
        ask(openai_client)


def test_rules_answer_after_the_queue(session: Session, openai_client: openai.OpenAI) -> None:
    """A rule answers whatever its conditions hold for, cycling its scripts, once the queue is empty."""
    session.add_rule(Rule((Script.of("sunny"), Script.of("rainy")), contains="weather"))
    session.add_rule(Rule((Script.of("a number"),), matches=r"\d+ *\+", model="gpt-4o*", wire="openai_chat"))
    session.push("queued")
    answers = [ask(openai_client, text) for text in ["weather?", "weather?", "weather?", "1 + 1", "weather?"]]
    assert answers == ["queued", "sunny", "rainy", "a number", "sunny"]
    assert session.journal.wait()[-1].source == "rule 0"


@pytest.mark.parametrize(
    "rule",
    [
        {"wire": "anthropic_messages"},
        {"model": "claude-*"},
        {"path": "/v2/*"},
        {"contains": "goodbye"},
        {"matches": "^hello$"},
        {"stream": True},
    ],
)
def test_rule_with_a_condition_that_fails_does_not_answer(
    rule: dict[str, Any], session: Session, openai_client: openai.OpenAI
) -> None:
    """Each condition of a rule counts."""
    session.add_rule(Rule((Script.of("ruled"),), **rule))
    session.add_rule(Rule((Script.of("else"),)))
    assert ask(openai_client) == "else"


def test_rule_answers_so_many_times(session: Session, openai_client: openai.OpenAI) -> None:
    """`times` bounds how often a rule answers."""
    session.add_rule(Rule((Script.of("once"),), times=1))
    session.add_rule(Rule((Script.of("then"),)))
    assert [ask(openai_client), ask(openai_client)] == ["once", "then"]


def test_recordings_match_on_the_body(session: Session, openai_client: openai.OpenAI) -> None:
    """Each request gets the recording of the same request, whatever the order."""
    session.add_recordings([recorded("one", "1"), recorded("two", "2", 1)])
    assert [ask(openai_client, "two"), ask(openai_client, "one")] == ["2", "1"]
    assert [entry.source for entry in session.journal.wait()] == ["a.yaml, interaction 1", "a.yaml, interaction 0"]


def test_same_request_recorded_twice_is_played_in_order(session: Session, openai_client: openai.OpenAI) -> None:
    """Equal requests get their recordings in the order in which they were recorded, then none."""
    session.configure(strict=True)
    session.add_recordings([recorded("one", "1"), recorded("one", "2", 1)])
    assert [ask(openai_client, "one"), ask(openai_client, "one")] == ["1", "2"]
    with pytest.raises(openai.ConflictError, match="interaction 1 is the same request, and was played already"):
        ask(openai_client, "one")
    session.configure(repeat=True)
    assert ask(openai_client, "one") == "2"


def test_recording_of_another_host_answers(session: Session, openai_client: openai.OpenAI) -> None:
    """A recording answers the same endpoint under another path, with the model that its path names."""
    azure = Recording(
        whole("azure"),
        "/openai/deployments/gpt-4o-mini/chat/completions",
        {"messages": [{"role": "user", "content": "a"}]},
        wire="openai_chat",
    )
    session.add_recordings([azure, recorded("g", "groq", path="/openai/v1/chat/completions")])
    session.configure(strict=True)
    assert [ask(openai_client, "a"), ask(openai_client, "g")] == ["azure", "groq"]


def test_recording_of_an_unknown_path_answers(
    session: Session, server: FakeProviderServer, http: httpx2.Client
) -> None:
    """What no wire format owns is still replayed, by method and path."""
    tape = Tape((Frame(0, b"[0.5]"),), 200)
    session.add_recordings(
        [Recording(tape, "/v1/audio/speech", {"input": "a"}), Recording(tape, "/v1/files", method="GET")]
    )
    base = server.base_url("openai_chat", session.id)
    assert http.post(f"{base}/audio/speech", json={"input": "a"}).content == b"[0.5]"
    assert http.get(f"{base}/files").content == b"[0.5]"
    assert http.post(f"{base}/audio/speech", json={"input": "b"}).status_code == 501


def test_strict_error_names_the_nearest_recording(session: Session, openai_client: openai.OpenAI) -> None:
    """In a strict session a mismatch says which recording is nearest and what differs, and is not retried."""
    session.configure(strict=True)
    session.add_recordings([recorded("something else", "1", temperature=1, top_p=1), recorded("Hello", "2", 1)])
    with pytest.raises(openai.ConflictError) as caught:
        ask(openai_client, "Hullo")
    assert (
        "No recording answers POST /v1/chat/completions. The nearest is a.yaml, interaction 1: "
        'messages[0].content was "Hello", now "Hullo".' in caught.value.message
    )
    assert caught.value.code == "no_recording"
    assert len(session.journal.wait()) == 1


def test_strict_error_in_anthropics_shape(session: Session, server: FakeProviderServer) -> None:
    """The strict error is one that the anthropic SDK understands, and does not retry."""
    session.configure(strict=True)
    with (
        anthropic.Anthropic(base_url=server.base_url("anthropic_messages", session.id), api_key="k") as client,
        pytest.raises(anthropic.ConflictError, match="No recording answers POST /v1/messages: none is loaded"),
    ):
        client.messages.create(model="claude", max_tokens=9, messages=[{"role": "user", "content": "x"}])
    assert len(session.journal.wait()) == 1


def test_equal_requests_get_equal_text(server: FakeProviderServer) -> None:
    """Without anything else text is generated: the same per seed and prompt, streamed or not, in any session."""

    def four(seed: int) -> list[str]:
        created = server.create_session(seed=seed)
        with openai.OpenAI(base_url=server.base_url("openai_chat", created.id), api_key="k") as client:
            texts = [ask(client), stream(client), ask(client), ask(client, "Something else?")]
        assert [entry.answered_by for entry in created.journal.wait()] == ["synthetic"] * 4
        server.delete_session(created.id)
        return texts

    first = four(1)
    assert first[0] == first[1] == first[2] != first[3]
    assert first == four(1)
    assert not set(first) & set(four(2))


def test_mismatch_is_noted_where_text_is_made_up(session: Session, openai_client: openai.OpenAI) -> None:
    """A lenient session notes in the journal why no recording answered."""
    session.add_recordings([recorded("Hello", "1")])
    ask(openai_client, "Hullo")
    entry = session.journal.wait()[0]
    assert entry.answered_by == "synthetic"
    assert 'messages[0].content was "Hello", now "Hullo"' in entry.note


def test_session_usage_fills_what_the_script_leaves_open(session: Session, openai_client: openai.OpenAI) -> None:
    """The session's usage is a default, field by field."""
    session.configure(usage=Usage(input=100, cached=7))
    session.push(Script.of("x", usage=Usage(input=50)))
    completion = openai_client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
    assert completion.usage is not None
    assert completion.usage.prompt_tokens_details is not None
    assert (completion.usage.prompt_tokens, completion.usage.prompt_tokens_details.cached_tokens) == (50, 7)


def test_script_that_cannot_be_sent_is_an_error_of_its_own(session: Session, openai_client: openai.OpenAI) -> None:
    """A script without choices is refused with what is wrong, once."""
    session.push(Script(choices=()))
    with pytest.raises(openai.BadRequestError, match="script from the queue can't be sent: a script needs at least"):
        stream(openai_client)
    assert len(session.journal.wait()) == 1


def test_refused_request_leaves_the_queue_alone(session: Session, openai_client: openai.OpenAI) -> None:
    """What the real provider refuses is refused, and costs no script."""
    session.push("kept")
    with pytest.raises(openai.BadRequestError, match="messages"):
        openai_client.chat.completions.create(model="m", messages=[])
    assert ask(openai_client) == "kept"


def test_sessions_are_isolated(server: FakeProviderServer) -> None:
    """Concurrent clients in sessions of their own each get what was set up for them."""
    sessions = [server.create_session(strict=True) for _ in range(8)]
    for session in sessions:
        session.push(*(f"{session.id} {number}" for number in range(5)))

    async def one(session: Session) -> list[str | None]:
        async with openai.AsyncOpenAI(base_url=server.base_url("openai_chat", session.id), api_key="k") as client:
            answers = []
            for _ in range(5):
                got = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
                answers.append(got.choices[0].message.content)
            return answers

    async def everyone() -> list[list[str | None]]:
        return await asyncio.gather(*map(one, sessions))

    assert asyncio.run(everyone()) == [[f"{session.id} {number}" for number in range(5)] for session in sessions]
    for session in sessions:
        assert len(session.journal.wait()) == 5
        server.delete_session(session.id)


def test_unknown_session_says_what_to_do(server: FakeProviderServer) -> None:
    """A session that was never created is a 404 in the provider's shape."""
    with (
        openai.OpenAI(base_url=server.base_url("openai_chat", "nobody"), api_key="k") as client,
        pytest.raises(openai.NotFoundError, match=r"No session 'nobody': create it first \(POST /_tokentape/"),
    ):
        ask(client)


def test_unplayed_tells_what_was_never_asked_for(session: Session, openai_client: openai.OpenAI) -> None:
    """What was set up and not used is counted and named."""
    session.push("a", "b")
    session.add_recordings([recorded("one", "1")])
    session.add_rule(Rule((Script.of("x"),), contains="never"))
    ask(openai_client)
    assert str(session.unplayed) == (
        '1 queued script not played: "b"; 1 recording not played: a.yaml, interaction 0; 1 rule never applied'
    )
    assert not session.unplayed.empty
