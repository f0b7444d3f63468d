"""What the official openai SDK reads of `openai_responses`, unmodified."""

from __future__ import annotations

from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given

from tests.fake_provider.in_process import InProcess
from tests.script_strategies import scripts
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.script.model import Choice, Error, Reasoning, Refusal, Script, Text, ToolCall, Usage
from tokentape_fake_provider.script.usage import resolve_usage
from tokentape_fake_provider.sessions.session import Session

fake = InProcess()
client = openai.OpenAI(base_url="http://fake.test/v1", api_key="k", http_client=fake.client(httpx2), max_retries=0)
FINAL = ("response.completed", "response.incomplete", "response.failed")


def joined(choice: Choice, kind: type[Text | Reasoning | Refusal]) -> str:
    return "".join(item.text for item in choice.items if isinstance(item, kind))


def calls(choice: Choice) -> list[tuple[str, str]]:
    return [(item.name, item.arguments) for item in choice.items if isinstance(item, ToolCall)]


def check_response(response: Any, script: Script) -> None:
    """The final response says all that the script says, in its order."""
    (choice,) = script.choices
    assert response.object == "response"
    assert response.model == (script.model or "m")
    assert response.output_text == joined(choice, Text)
    received: list[tuple[str, ...]] = []
    for item in response.output:
        if item.type == "message":
            received += [(part.type, getattr(part, "text", None) or part.refusal) for part in item.content]
        elif item.type == "reasoning":
            assert item.id.startswith("rs_")
            received.append(("reasoning", "".join(part.text for part in item.summary), item.encrypted_content or ""))
        else:
            assert item.call_id
            received.append((item.type, item.name, item.arguments))
    expected: list[tuple[str, ...]] = []
    for scripted in choice.items:
        match scripted:
            case Text():
                expected.append(("output_text", scripted.text))
            case Refusal():
                expected.append(("refusal", scripted.text))
            case Reasoning():
                expected.append(("reasoning", scripted.text, scripted.encrypted))
            case ToolCall():
                expected.append(("function_call", scripted.name, scripted.arguments))
    assert received == expected
    ids = [item.id for item in choice.items if isinstance(item, ToolCall)]
    call_ids = [item.call_id for item in response.output if item.type == "function_call"]
    assert all(one == wanted if wanted else one.startswith("call_") for one, wanted in zip(call_ids, ids, strict=True))
    reason = {"length": "max_output_tokens", "content_filter": "content_filter", "other": "other"}.get(choice.ended)
    assert response.status == ("completed" if reason is None else "incomplete")
    assert (response.incomplete_details and response.incomplete_details.reason) == reason
    assert fake.ask is not None
    counts = resolve_usage(script, fake.ask.text, script.choices)
    assert counts is not None
    usage = response.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (counts.input, counts.output, counts.total)
    assert usage.input_tokens_details.cached_tokens == counts.cached
    assert usage.input_tokens_details.cache_write_tokens == counts.cache_write
    assert usage.output_tokens_details.reasoning_tokens == counts.reasoning


@given(scripts("openai_responses"))
def test_openai_reads_every_stream(script: Script) -> None:
    """The SDK's events are numbered, add up to the script delta by delta, and end with the whole response."""
    fake.script = script
    (choice,) = script.choices
    received = {"text": "", "reasoning": "", "refusal": ""}
    arguments: dict[str, str] = {}
    kinds = []
    final = None
    for number, event in enumerate(client.responses.create(model="m", input="Hi", stream=True)):
        assert event.sequence_number == number
        kinds.append(event.type)
        match event.type:
            case "response.output_text.delta":
                received["text"] += event.delta
            case "response.reasoning_summary_text.delta":
                received["reasoning"] += event.delta
            case "response.refusal.delta":
                received["refusal"] += event.delta
            case "response.function_call_arguments.delta":
                arguments[event.item_id] = arguments.get(event.item_id, "") + event.delta
            case "response.function_call_arguments.done":
                assert arguments.get(event.item_id, "") == event.arguments
            case "response.completed" | "response.incomplete":
                final = event.response
            case _:
                pass
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] in FINAL
    assert received == {
        "text": joined(choice, Text),
        "reasoning": joined(choice, Reasoning),
        "refusal": joined(choice, Refusal),
    }
    assert list(arguments.values()) == [text for _, text in calls(choice)]
    check_response(final, script)


@given(scripts("openai_responses"))
def test_openais_stream_helper_reads_every_stream(script: Script) -> None:
    """The `.stream()` helper, which keeps a snapshot of its own, ends with the same text and final response."""
    fake.script = script
    (choice,) = script.choices
    with client.responses.stream(model="m", input="Hi") as stream:
        texts = [event.text for event in stream if event.type == "response.output_text.done"]
    assert texts == [item.text for item in choice.items if isinstance(item, Text)]
    if choice.ended in ("stop", "tool_calls"):
        check_response(stream.get_final_response(), script)


@given(scripts("openai_responses"))
def test_openai_reads_every_complete_response(script: Script) -> None:
    """The same script without streaming."""
    fake.script = script
    check_response(client.responses.create(model="m", input="Hi"), script)


def test_custom_tools_get_free_text() -> None:
    """A tool that the request calls custom is called with text in events of its own."""
    fake.script = Script.of(ToolCall("run", "print('hi')", "call_1", ("print", "('hi')")))
    tools: Any = [{"type": "custom", "name": "run"}]
    events = list(client.responses.create(model="m", input="Hi", stream=True, tools=tools))
    deltas = [event.delta for event in events if event.type == "response.custom_tool_call_input.delta"]
    assert deltas == ["print", "('hi')"]
    (item,) = client.responses.create(model="m", input="Hi", tools=tools).output
    assert item.type == "custom_tool_call"
    assert (item.call_id, item.name, item.input) == ("call_1", "run", "print('hi')")


def test_encrypted_reasoning_comes_where_it_is_asked_for() -> None:
    """`include` of the request gets made-up encrypted content; without it there is none."""
    fake.script = Script.of(Reasoning("Hm."), "Hi")
    plain = client.responses.create(model="m", input="Hi").output[0]
    included = client.responses.create(model="m", input="Hi", include=["reasoning.encrypted_content"]).output[0]
    assert plain.type == included.type == "reasoning"
    assert plain.encrypted_content is None
    assert included.encrypted_content is not None
    assert included.encrypted_content.startswith("gAAAAA")


def test_the_request_is_echoed() -> None:
    """Settings, tools and metadata of the request are in the response, as the provider echoes them."""
    fake.script = Script.of("Hi")
    tool: Any = {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": True}
    response = client.responses.create(
        model="m",
        instructions="Be brief.",
        input=[{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
        tools=[tool],
        temperature=0.5,
        metadata={"a": "b"},
        store=False,
        reasoning={"effort": "low"},
    )
    assert fake.ask is not None
    assert fake.ask.text == "Be brief.\nHi"
    assert (response.instructions, response.temperature, response.metadata) == ("Be brief.", 0.5, {"a": "b"})
    assert [each.name for each in response.tools if each.type == "function"] == ["look"]
    assert response.reasoning is not None
    assert response.reasoning.effort == "low"


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_http_errors_become_the_sdks_exceptions(status: int, raised: type[openai.APIStatusError], stream: bool) -> None:
    """Each status raises the SDK's own exception with message, type, request id and retry-after."""
    fake.script = Script.of(error=Error(status, "Told so.", retry_after=1.5))
    with pytest.raises(raised) as caught:
        client.responses.create(model="m", input="Hi", stream=stream)
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["message"] == "Told so."
    assert caught.value.request_id is not None
    assert caught.value.response.headers["retry-after"] == "1.5"


def test_an_error_inside_the_stream_is_raised_after_what_came_before() -> None:
    """The deltas arrive, then the SDK raises; the item that was broken off is not done."""
    fake.script = Script.of("Half an answ", error=Error(429, "Slow down.", in_stream=True))
    events: list[Any] = []
    with pytest.raises(openai.APIError, match=r"Slow down\.") as caught:
        events.extend(iter(client.responses.create(model="m", input="Hi", stream=True)))
    assert caught.value.code == "rate_limit_exceeded"
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == "Half an answ"
    assert not any(event.type.endswith(".done") for event in events)


def test_a_failed_response_says_why() -> None:
    """The finish reason `error` is a failed response, streamed and not."""
    fake.script = Script.of("Half", finish_reason="error")
    *_, last = client.responses.create(model="m", input="Hi", stream=True)
    assert last.type == "response.failed"
    for response in (last.response, client.responses.create(model="m", input="Hi")):
        assert response.status == "failed"
        assert response.error is not None
        assert response.error.code == "server_error"


def test_usage_can_be_left_out() -> None:
    """report=False leaves the usage null, streamed and not."""
    fake.script = Script.of("Hi", usage=Usage(report=False))
    *_, last = client.responses.create(model="m", input="Hi", stream=True)
    assert last.type == "response.completed"
    assert last.response.usage is None
    assert client.responses.create(model="m", input="Hi").usage is None


def test_over_a_socket(server: FakeProviderServer, session: Session) -> None:
    """The same through the running server: a stream with reasoning, text and a call."""
    session.push(Script.of(Reasoning("Hm."), "Hello ", ToolCall.of("look", {"at": 1}), usage=Usage(input=7)))
    with openai.OpenAI(base_url=server.base_url("openai_responses", session.id), api_key="sk-secret") as over_socket:
        *_, last = over_socket.responses.create(model="m", input="Hi", stream=True)
    assert last.type == "response.completed"
    assert [item.type for item in last.response.output] == ["reasoning", "message", "function_call"]
    assert last.response.usage is not None
    assert last.response.usage.input_tokens == 7
