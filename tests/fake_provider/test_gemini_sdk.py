"""What the official google-genai SDK, unmodified, reads of `gemini` and `gemini_interactions`."""

from __future__ import annotations

import asyncio
import base64
import json
import warnings
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from hypothesis import given

from tests.fake_provider.in_process import InProcess
from tests.script_strategies import scripts
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.script.model import Choice, Error, Reasoning, Refusal, Script, Text, ToolCall, Usage
from tokentape_fake_provider.script.usage import resolve_usage
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.wires.gemini_candidate import FINISH_REASONS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from google import genai
    from google.genai import errors, types

fake = InProcess()


def studio(base_url: str = "http://fake.test", **options: Any) -> Any:
    """A client of AI Studio."""
    return genai.Client(api_key="k", http_options=types.HttpOptions(base_url=base_url, **options))


client = studio(httpx_client=fake.client(httpx2))


def one(script: Script) -> Script:
    """The script, and the in-process server that plays it."""
    fake.script = script
    return script


class DecodedResponse:
    """What chunks, or a whole response, say of one candidate."""

    def __init__(self, responses: list[Any], index: int) -> None:
        self.text, self.thoughts = "", ""
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.signatures: list[str] = []
        self.finish_reason: str | None = None
        for response in responses:
            for candidate in response.candidates or []:
                if (candidate.index or 0) != index:
                    continue
                for part in candidate.content.parts or []:
                    self.add(part)
                if candidate.finish_reason is not None:
                    assert self.finish_reason is None
                    self.finish_reason = candidate.finish_reason.value

    def add(self, part: Any) -> None:
        """Take in a part."""
        if part.function_call is not None:
            self.calls.append((part.function_call.name, part.function_call.args))
        elif part.thought:
            self.thoughts += part.text
        else:
            self.text += part.text
        if part.thought_signature:
            self.signatures.append(base64.b64encode(part.thought_signature).decode())


def check(responses: list[Any], script: Script) -> None:
    """The SDK's objects have what the script has."""
    for index, choice in enumerate(script.choices):
        received = DecodedResponse(responses, index)
        items = choice.items
        assert received.text == "".join(item.text for item in items if isinstance(item, Text | Refusal))
        assert received.thoughts == "".join(item.text for item in items if isinstance(item, Reasoning))
        calls = [(item.name, json.loads(item.arguments)) for item in items if isinstance(item, ToolCall)]
        assert received.calls == calls
        given_signatures = [item.signature for item in items if isinstance(item, Reasoning) and item.signature]
        assert received.signatures == given_signatures
        assert received.finish_reason == FINISH_REASONS[choice.ended]
    last = responses[-1]
    assert {response.model_version for response in responses} == {script.model or "m"}
    assert len({response.response_id for response in responses}) == 1
    assert fake.ask is not None
    counts = resolve_usage(script, fake.ask.text, script.choices)
    assert counts is not None
    usage = last.usage_metadata
    assert usage.prompt_token_count == counts.input
    assert (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0) == counts.output
    assert (usage.cached_content_token_count or 0) == counts.cached
    assert usage.total_token_count == counts.total


def config(script: Script) -> Any:
    """A request for as many candidates as the script has."""
    return types.GenerateContentConfig(candidate_count=len(script.choices))


@given(scripts("gemini"))
def test_a_stream_says_the_script(script: Script) -> None:
    """`generate_content_stream` gives every candidate's text, thoughts, calls, signatures, end and usage."""
    one(script)
    check(list(client.models.generate_content_stream(model="m", contents="Hi", config=config(script))), script)


@given(scripts("gemini"))
def test_a_whole_response_says_the_same(script: Script) -> None:
    """So does `generate_content`."""
    one(script)
    check([client.models.generate_content(model="m", contents="Hi", config=config(script))], script)


@pytest.mark.parametrize("stream", [True, False])
def test_vertex_says_the_same(stream: bool) -> None:
    """A client of Vertex in express mode sends its requests to other paths and receives the same."""
    vertex = genai.Client(
        vertexai=True,
        api_key="k",
        http_options=types.HttpOptions(base_url="http://fake.test", httpx_client=fake.client(httpx2)),
    )
    script = one(Script.of(Reasoning("Hm.", signature="c2ln"), "Hello", ToolCall.of("f", {"a": 1})))
    if stream:
        check(list(vertex.models.generate_content_stream(model="m", contents="Hi")), script)
    else:
        check([vertex.models.generate_content(model="m", contents="Hi")], script)
    assert fake.ask is not None
    assert "/publishers/google/models/m:" in fake.ask.path


@pytest.mark.parametrize("reason", sorted(set(FINISH_REASONS)))
@pytest.mark.parametrize("stream", [True, False])
def test_each_finish_reason_is_one_the_sdk_knows(reason: Any, stream: bool) -> None:
    """Every word for an end is in the SDK's own enumeration."""
    script = one(Script.of("Well", finish_reason=reason))
    ask = client.models.generate_content_stream if stream else client.models.generate_content
    answer = ask(model="m", contents="Hi")
    last = list(answer)[-1] if stream else answer
    assert last.candidates[0].finish_reason.value == FINISH_REASONS[reason]
    assert last.candidates[0].finish_reason in list(types.FinishReason)
    assert script


@pytest.mark.parametrize("stream", [True, False])
def test_a_blocked_prompt_has_feedback_and_no_candidates(stream: bool) -> None:
    """The SDK sees the block reason."""
    one(Script((Choice((), "content_filter"),)))
    if stream:
        (answer,) = client.models.generate_content_stream(model="m", contents="Hi")
    else:
        answer = client.models.generate_content(model="m", contents="Hi")
    assert answer.candidates is None
    assert answer.prompt_feedback.block_reason is types.BlockedReason.PROHIBITED_CONTENT


def test_partial_arguments_are_the_sdks_own() -> None:
    """With streamed arguments the SDK's model has each value at its path, and says whether more follows."""
    one(Script.of(ToolCall.of("f", {"a": {"b": ["one two", None, 2.5, False]}})))
    calling = types.FunctionCallingConfig(stream_function_call_arguments=True)
    vertex = genai.Client(
        vertexai=True,
        api_key="k",
        http_options=types.HttpOptions(base_url="http://fake.test", httpx_client=fake.client(httpx2)),
    )
    tools = types.GenerateContentConfig(
        tool_config=types.ToolConfig(function_calling_config=calling),
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    chunks = vertex.models.generate_content_stream(model="m", contents="Hi", config=tools)
    calls = [part.function_call for chunk in chunks for part in chunk.candidates[0].content.parts if part.function_call]
    assert (calls[0].name, calls[0].will_continue) == ("f", True)
    values = [
        (arg.json_path, arg.string_value, arg.null_value, arg.number_value, arg.bool_value, arg.will_continue)
        for call in calls
        for arg in call.partial_args or []
    ]
    assert values == [
        ("$.a.b[0]", "one", None, None, None, True),
        ("$.a.b[0]", " two", None, None, None, True),
        ("$.a.b[0]", "", None, None, None, None),
        ("$.a.b[1]", None, "NULL_VALUE", None, None, None),
        ("$.a.b[2]", None, None, 2.5, None, None),
        ("$.a.b[3]", None, None, None, False, None),
    ]
    assert calls[-1].will_continue is None


@pytest.mark.parametrize(
    ("status", "raised", "word"),
    [
        (400, errors.ClientError, "INVALID_ARGUMENT"),
        (401, errors.ClientError, "UNAUTHENTICATED"),
        (403, errors.ClientError, "PERMISSION_DENIED"),
        (404, errors.ClientError, "NOT_FOUND"),
        (429, errors.ClientError, "RESOURCE_EXHAUSTED"),
        (500, errors.ServerError, "INTERNAL"),
        (503, errors.ServerError, "UNAVAILABLE"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_http_errors_become_the_sdks_exceptions(status: int, raised: Any, word: str, stream: bool) -> None:
    """Each status raises the SDK's own exception with status and message."""
    one(Script.of(error=Error(status, "Told so.", retry_after=2)))
    ask = client.models.generate_content_stream if stream else client.models.generate_content
    with pytest.raises(raised) as caught:
        list(ask(model="m", contents="Hi"))
    error = caught.value
    assert (error.code, error.status, error.message) == (status, word, "Told so.")
    assert error.details["error"]["details"][0]["retryDelay"] == "2s"


def test_an_error_inside_the_stream_reaches_the_reader() -> None:
    """What came before arrives, then the SDK raises."""
    one(Script.of("Half an answ", error=Error(503, "Overloaded", in_stream=True)))
    received: list[str] = []
    with pytest.raises(errors.APIError, match="Overloaded"):
        received.extend(chunk.text for chunk in client.models.generate_content_stream(model="m", contents="Hi"))
    assert "".join(received) == "Half an answ"


def test_usage_can_be_left_out() -> None:
    """With report=False no chunk mentions usage."""
    one(Script.of("Hi", usage=Usage(report=False)))
    chunks = list(client.models.generate_content_stream(model="m", contents="Hi"))
    assert [chunk.usage_metadata for chunk in chunks] == [None] * len(chunks)


@pytest.fixture
def served(server: FakeProviderServer, session: Session) -> Iterator[Any]:
    """A client of a running server, over a socket."""
    with studio(server.base_url("gemini", session.id)) as client:
        yield client


def test_a_request_is_refused_in_googles_words(served: Any) -> None:
    """A request for no candidates gets Google's refusal."""
    none = types.GenerateContentConfig(candidate_count=0)
    with pytest.raises(errors.ClientError, match="candidate_count must be in the range"):
        served.models.generate_content(model="m", contents="Hi", config=none)


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
def test_a_running_server_answers(served: Any, session: Session) -> None:
    """Streaming and not, over a socket, with a tool's result and a system instruction in the request."""
    for _ in range(3):
        session.push(Script.of(Reasoning("Hm.", signature="c2ln"), "Hello there, how are you?"))
    config = types.GenerateContentConfig(system_instruction="Be nice.", temperature=0.5)
    streamed = "".join(
        c.text or "" for c in served.models.generate_content_stream(model="m", contents="Hi", config=config)
    )
    assert streamed == "Hello there, how are you?"
    assert served.models.generate_content(model="m", contents="Hi").text == "Hello there, how are you?"

    async def ask() -> str:
        chunks = await served.aio.models.generate_content_stream(model="m", contents="Hi")
        text = "".join([chunk.text or "" async for chunk in chunks])
        await served.aio.aclose()
        return text

    assert asyncio.run(ask()) == "Hello there, how are you?"
    assert [entry.wire for entry in session.journal.entries] == ["gemini"] * 3


def test_models_are_listed_in_googles_shape(served: Any) -> None:
    """The SDK lists the server's models, and gets one of any name."""
    assert [model.name for model in served.models.list()] == ["models/tokentape"]
    assert served.models.get(model="gemini-x").name == "models/gemini-x"


INTERACTION = Script.of(
    Reasoning("Hm, well.", signature="c2ln"),
    "Hello there.",
    ToolCall.of("look", {"at": "it"}, id="call_1"),
    usage=Usage(input=20, cached=5, output=30, reasoning=10),
)


def check_steps(steps: list[Any]) -> None:
    """The steps of `INTERACTION`."""
    thought, output, call = steps
    assert (thought.type, thought.signature, thought.summary[0].text) == ("thought", "c2ln", "Hm, well.")
    assert (output.type, output.content[0].text) == ("model_output", "Hello there.")
    assert (call.type, call.id, call.name, call.arguments) == ("function_call", "call_1", "look", {"at": "it"})


def check_end(interaction: Any) -> None:
    """The end of `INTERACTION`."""
    assert (interaction.status, interaction.model) == ("requires_action", "m")
    usage = interaction.usage
    assert (usage.total_input_tokens, usage.total_cached_tokens) == (20, 5)
    assert (usage.total_output_tokens, usage.total_thought_tokens, usage.total_tokens) == (20, 10, 50)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_interaction_that_is_not_streamed() -> None:
    """`interactions.create` gives steps, status and usage."""
    one(INTERACTION)
    interaction = client.interactions.create(model="m", input="Hi")
    check_steps(interaction.steps)
    check_end(interaction)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_interaction_that_is_streamed() -> None:
    """With `stream=True` it gives typed events, each step started, filled and stopped in turn."""
    one(INTERACTION)
    events = list(client.interactions.create(model="m", input="Hi", stream=True))
    assert [event.event_type for event in events[:2]] == ["interaction.created", "interaction.status_update"]
    assert {type(event).__name__ for event in events if event.event_type.startswith("step")} == {
        "StepStart",
        "StepDelta",
        "StepStop",
    }
    deltas = [event.delta for event in events if event.event_type == "step.delta"]
    assert "UNKNOWN" not in {delta.type for delta in deltas}
    assert "".join(d.content.text for d in deltas if d.type == "thought_summary") == "Hm, well."
    assert [d.signature for d in deltas if d.type == "thought_signature"] == ["c2ln"]
    assert "".join(d.text for d in deltas if d.type == "text") == "Hello there."
    assert json.loads("".join(d.arguments for d in deltas if d.type == "arguments_delta")) == {"at": "it"}
    open_step = None
    for event in events:
        if event.event_type == "step.start":
            assert open_step is None
            open_step = event.index
        elif event.event_type == "step.delta":
            assert event.index == open_step
        elif event.event_type == "step.stop":
            assert event.index == open_step
            open_step = None
    assert events[-1].event_type == "interaction.completed"
    check_end(events[-1].interaction)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("stream", [True, False])
def test_errors_of_interactions(stream: bool) -> None:
    """An HTTP error raises the SDK's own exception; an error inside the stream is an event."""
    one(Script.of(error=Error(400, "Told so.")))
    with pytest.raises(Exception, match=r"Told so\.") as caught:
        client.interactions.create(model="m", input="Hi", stream=stream)
    assert caught.value.status_code == 400
    one(Script.of("Half", error=Error(503, "Overloaded", in_stream=True)))
    last = list(client.interactions.create(model="m", input="Hi", stream=True))[-1]
    assert (last.event_type, last.error.message, last.error.code) == ("error", "Overloaded", "unavailable")
