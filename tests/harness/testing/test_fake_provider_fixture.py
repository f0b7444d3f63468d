"""The fixtures, as a test of an application uses them."""

from __future__ import annotations

import os

import anthropic
import openai
import pytest

from tokentape_fake_provider import Error, Script, Tape, Text, ToolCall, Usage
from tokentape_fake_provider.errors import TimingError
from tokentape_harness import Cassette, Chunk, Interaction, Request, Response, StreamRecord, write_cassette
from tokentape_harness.errors import CassetteNotFoundError, RulesFileError, UsageError

QUESTION = [{"role": "user", "content": "Hello?"}]


def chat(base_url, model="gpt-4o", **options):
    """What the openai SDK streams from there, as text."""
    with openai.OpenAI(base_url=base_url, api_key="any", max_retries=0) as client:
        stream = client.chat.completions.create(model=model, messages=QUESTION, stream=True, **options)
        return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def test_scripts_answer_in_the_order_they_were_queued(fake_provider):
    """Text, items and whole scripts are each one response, in order."""
    fake_provider.script("One, ", "two")
    fake_provider.script(Script.of("three"))
    fake_provider.script(ToolCall.of("look", {"a": 1}), usage=Usage(input=7))
    url = fake_provider.base_url("openai_chat")
    assert [chat(url), chat(url), chat(url)] == ["One, two", "three", ""]
    fake_provider.assert_all_played()
    assert [entry.model for entry in fake_provider.requests] == ["gpt-4o"] * 3
    assert fake_provider.requests[0].body["messages"] == QUESTION
    assert fake_provider.journal.entries[2].answered_by == "queue"


def test_what_was_not_played_is_named(fake_provider):
    """`assert_all_played` fails while a script waits."""
    fake_provider.script("never")
    with pytest.raises(AssertionError, match='were never requested: 1 queued script not played: "never"'):
        fake_provider.assert_all_played()


def test_a_rule_answers_what_it_applies_to(fake_provider):
    """A rule answers every request that meets its conditions."""
    fake_provider.rule("blue", model="gpt-*")
    fake_provider.rule("red", contains="Hello", usage=Usage(input=1))
    url = fake_provider.base_url("openai_chat")
    assert [chat(url), chat(url, "o3"), chat(url)] == ["blue", "red", "blue"]


def test_what_the_provider_refuses_is_refused(fake_provider):
    """A request that no script answers is refused as the provider does; a script answers it all the same."""
    url = fake_provider.base_url("openai_chat")
    with pytest.raises(openai.BadRequestError, match="temperature"):
        chat(url, temperature=3)
    fake_provider.script("Hi.")
    assert chat(url, temperature=3) == "Hi."


@pytest.mark.fake_provider(validate=False)
def test_validation_can_be_turned_off_by_the_mark(fake_provider):
    """With `validate=False` the simulated model answers what the provider would refuse."""
    assert chat(fake_provider.base_url("openai_chat"), temperature=3)


def test_tests_do_not_see_each_other(fake_provider, fake_provider_server):
    """Each test has a session of its own on the one server."""
    other = fake_provider_server.create_session()
    other.push("other")
    fake_provider.script("mine")
    assert fake_provider.url == f"{fake_provider_server.url}/s/{fake_provider.session.id}"
    assert chat(fake_provider.base_url()) == "mine"
    assert chat(fake_provider_server.base_url("openai_chat", other.id)) == "other"
    assert len(fake_provider.requests) == 1


def test_the_environment_redirects_the_sdks(fake_provider_env):
    """With `fake_provider_env` an unchanged SDK client talks to the fake provider."""
    fake_provider_env.script("openai")
    fake_provider_env.script("anthropic")
    with openai.OpenAI() as client:
        answer = client.chat.completions.create(model="gpt-4o", messages=QUESTION)
    assert answer.choices[0].message.content == "openai"
    with anthropic.Anthropic() as client:
        answer = client.messages.create(model="claude", max_tokens=9, messages=QUESTION)
    assert answer.content[0].text == "anthropic"
    assert os.environ["GROQ_BASE_URL"] == fake_provider_env.url
    assert "127.0.0.1" in os.environ["NO_PROXY"].split(",")


def test_the_environment_is_put_back(fake_provider):
    """Without the fixture no variable is set."""
    assert "tokentape" not in os.environ.get("OPENAI_API_KEY", "")


@pytest.mark.fake_provider(strict=True)
def test_a_marker_sets_the_session_up(fake_provider):
    """The marker's settings are those of this test's session."""
    with pytest.raises(openai.ConflictError, match="No recording answers POST /v1/chat/completions"):
        chat(fake_provider.base_url())


def test_strict_refuses_what_nothing_answers(fake_provider):
    """A strict session generates no answer, and can become lenient again."""
    fake_provider.strict()
    with pytest.raises(openai.ConflictError):
        chat(fake_provider.base_url())
    fake_provider.strict(False)
    assert chat(fake_provider.base_url())


def test_errors_are_the_providers_own(fake_provider):
    """An error script is the SDK's own exception."""
    fake_provider.script(error=Error(429, "slow down", retry_after=3))
    with pytest.raises(openai.RateLimitError, match="slow down"):
        chat(fake_provider.base_url())


def sse(*texts):
    """Chunks of the openai_chat wire format."""
    return [b'data: {"choices": [{"index": 0, "delta": {"content": "%s"}}]}\n\n' % text for text in texts]


EVENTS = [*sse(b"a", b"b"), b"data: [DONE]\n\n"]
SIZE = sum(map(len, EVENTS))


def recorded(body, stream=None):
    """A cassette of one recorded stream."""
    content = b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello?"}], "stream": true}'
    headers = (("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
    request = Request("POST", "https://api.openai.com/v1/chat/completions", (), content)
    return Cassette((Interaction(request, Response(200, "OK", headers, body, stream)),))


@pytest.fixture
def cassettes(tmp_path, fake_provider):
    """Cassettes in a folder that the fixture looks into."""
    body = b"".join(EVENTS)
    timed = StreamRecord((Chunk(3, 10), Chunk(70, 20), Chunk(SIZE - 73, 30)), 5, end_at=31)
    dropped = StreamRecord((Chunk(len(EVENTS[0]), 10),), 5, "dropped", 12)
    write_cassette(tmp_path / "plain.yaml", recorded(body))
    write_cassette(tmp_path / "timed.yaml", recorded(body, timed))
    write_cassette(tmp_path / "dropped.yaml", recorded(EVENTS[0], dropped))
    fake_provider._folders = (tmp_path,)
    return tmp_path


def test_a_cassette_replays_its_frames(cassettes, fake_provider):
    """A recorded request is answered with the recorded bytes, in the recorded frames."""
    assert fake_provider.cassette("timed.yaml") == 1
    fake_provider.strict()
    assert chat(fake_provider.base_url()) == "ab"
    fake_provider.assert_all_played()
    (entry,) = fake_provider.journal.wait()
    assert entry.answered_by == "recording"
    assert entry.source == f"{cassettes / 'timed.yaml'}, interaction 0"
    assert [frame.size for frame in entry.frames] == [3, 70, SIZE - 73]
    assert [frame.at for frame in entry.frames] == [0, 0, 0]


def test_a_cassette_may_be_the_first_argument(cassettes, fake_provider):
    """The cassette is what a mark is mostly given, so it needs no name."""
    fake_provider.set_up("timed.yaml", strict=True)
    assert chat(fake_provider.base_url()) == "ab"


@pytest.mark.fake_provider("openai_chat/text", strict=True)
def test_a_mark_takes_the_cassette_by_its_place(fake_provider):
    """`fake_provider("NAME")` loads it, as `fake_provider(cassette="NAME")` does."""
    assert len(fake_provider.session.recordings) == 1


RULES = """\
settings: {seed: 5, strict: true}
rules:
  - {last_user: Hi, scripts: [from the file]}
queue: [queued]
cassettes: [timed.yaml]
sessions:
  other: {settings: {seed: 6}, rules: [{scripts: [of the other]}]}
"""


def test_a_rules_file_is_loaded(cassettes, fake_provider):
    """Its settings, rules, queue and cassettes are added to the session; another of its sessions can be chosen."""
    (cassettes / "rules.yaml").write_text(RULES)
    fake_provider.load(cassettes / "rules.yaml")
    settings = fake_provider.session.settings
    assert (settings.seed, settings.strict) == (5, True)
    assert (len(fake_provider.session.rules), len(fake_provider.session.queue)) == (1, 1)
    assert len(fake_provider.session.recordings) == 1
    assert chat(fake_provider.base_url()) == "queued"
    fake_provider.load(cassettes / "rules.yaml", session="other")
    settings = fake_provider.session.settings
    assert (settings.seed, settings.strict, len(fake_provider.session.rules)) == (6, True, 2)


def test_settings_win_over_a_rules_file(cassettes, fake_provider):
    """What a mark or `set_up` sets beside a rules file wins."""
    (cassettes / "rules.yaml").write_text(RULES)
    fake_provider.set_up(rules=cassettes / "rules.yaml", seed=7)
    assert (fake_provider.session.settings.seed, fake_provider.session.settings.strict) == (7, True)


def test_a_wrong_rules_file_is_a_clear_error(cassettes, fake_provider):
    """A rules file that is not there, or has problems, names itself, the place and the remedy."""
    with pytest.raises(UsageError, match=r"rulez.yaml: no such rules file in .*: check the name"):
        fake_provider.load("rulez.yaml")
    path = cassettes / "rules.yaml"
    path.write_text("rules:\n  - contian: x\n    turn: 0\n  - {}\n")
    with pytest.raises(RulesFileError, match=r"rules.yaml:2:5: .*did you mean contains") as caught:
        fake_provider.load(path)
    assert [problem.line for problem in caught.value.problems] == [2, 4]
    path.write_text("rules: []\n")
    with pytest.raises(UsageError, match="has no session 'x': it has default"):
        fake_provider.load(path, session="x")


def test_speed_keeps_the_recorded_times(cassettes, fake_provider):
    """With a speed each frame is due at its recorded time divided by it."""
    fake_provider.cassette("timed", speed=2)
    assert chat(fake_provider.base_url()) == "ab"
    (entry,) = fake_provider.journal.wait()
    assert [frame.at for frame in entry.frames] == [5, 10, 15]


def test_a_plain_cassette_is_cut_at_its_events(cassettes, fake_provider):
    """A cassette without a stream record is replayed event by event."""
    fake_provider.cassette("plain.yaml")
    assert chat(fake_provider.base_url()) == "ab"
    (entry,) = fake_provider.journal.wait()
    assert [frame.size for frame in entry.frames] == [len(event) for event in EVENTS]


def test_a_dropped_stream_breaks_off_again(cassettes, fake_provider):
    """A stream that broke off while it was recorded breaks off on replay."""
    fake_provider.cassette("dropped.yaml")
    with pytest.raises(openai.APIConnectionError):
        chat(fake_provider.base_url())


def test_a_folder_is_loaded_whole(cassettes, fake_provider):
    """A folder gives all its cassettes; what was not played is named."""
    assert fake_provider.cassette(cassettes) == 3
    with pytest.raises(AssertionError, match=r"3 recordings not played: .*dropped.yaml, interaction 0"):
        fake_provider.assert_all_played()


def test_wrong_arguments_are_clear_errors(fake_provider):
    """What a fixture can't do is one line of error with the reason."""
    with pytest.raises(CassetteNotFoundError, match=r"none.yaml: no such cassette in .*tests/harness") as missing:
        fake_provider.cassette("none.yaml")
    folders = str(missing.value).partition(" in ")[2].partition(": check")[0].split(", ")
    assert len(folders) == len(set(folders))
    with pytest.raises(UsageError, match="a whole Script or Tape takes no items or options"):
        fake_provider.script(Script.of("a"), "b")
    with pytest.raises(UsageError, match="42 is not text"):
        fake_provider.script(42)
    with pytest.raises(UsageError, match="no setting colour: the known ones are cassette, rules, speed, timing"):
        fake_provider.set_up(colour="red")
    with pytest.raises(UsageError, match="a rule answers with scripts"):
        fake_provider.rule(Tape())
    with pytest.raises(ValueError, match="not a regular expression"):
        fake_provider.rule("a", matches="(")
    with pytest.raises(TimingError):
        fake_provider.timing("fast")
    assert isinstance(fake_provider.script(Text("ok")), Script)


@pytest.mark.asyncio
async def test_under_asyncio(fake_provider):
    """The fixture serves a client in an event loop of pytest-asyncio."""
    fake_provider.script("async")
    async with openai.AsyncOpenAI(base_url=fake_provider.base_url(), api_key="any") as client:
        stream = await client.chat.completions.create(model="gpt-4o", messages=QUESTION, stream=True)
        texts = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
    assert "".join(texts) == "async"
