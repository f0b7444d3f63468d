"""Fixtures for agents: conversations, queues that have run out, tools that a request does not declare."""

# ruff: noqa: E501 - messages are one line each

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from inline_snapshot import snapshot

from tests.projects import LIGHT
from tokentape_fake_provider import Error, Reasoning, Script, ToolCall
from tokentape_harness import FakeProvider, call
from tokentape_harness.errors import UsageError
from tokentape_harness.testing import Project
from tokentape_harness.testing.conversation import checked_scripts

SCHEMA: Mapping[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOLS: Any = [{"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}]


def agent(provider: FakeProvider, result: str, question: str = "How is the weather?", *, tools: Any = TOOLS) -> str:
    """A loop over OpenAI's chat completions: every call gets this result."""
    messages: list[Any] = [{"role": "user", "content": question}]
    with openai.OpenAI(base_url=provider.base_url(), api_key="k") as client:
        while True:
            message = client.chat.completions.create(model="m", messages=messages, tools=tools).choices[0].message
            if not message.tool_calls:
                return message.content or ""
            messages.append(message.model_dump(exclude_none=True))
            for one in message.tool_calls:
                messages.append({"role": "tool", "tool_call_id": one.id, "content": result})


def test_a_conversation(fake_provider: FakeProvider) -> None:
    """Each step answers one request, if the results of its calls are the expected ones."""
    fake_provider.conversation(
        call("get_weather", city="Paris").returns("18 C"),
        [Reasoning("Another one."), call("get_weather", {"city": "Oslo"}).returns(re.compile(r"\d+ C"))],
        [call("get_weather", city="Rome"), call("get_weather", city="Bonn").returns("18 C")],
        "It is 18 C everywhere.",
    )
    assert agent(fake_provider, "18 C") == "It is 18 C everywhere."
    fake_provider.assert_all_played()


def test_another_result(fake_provider: FakeProvider) -> None:
    """A result that differs is an error for the client, and again for the test."""
    fake_provider.conversation(call("get_weather", city="Paris").returns("18 C"), "It is 18 C in Paris.")
    with pytest.raises(openai.ConflictError) as caught:
        agent(fake_provider, "19 C")
    message = snapshot(
        'The conversation (step 2 of 2) expects get_weather({"city":"Paris"}) to return "18 C", but the request has "19 C".'
    )
    assert caught.value.body["message"] == message  # type: ignore[index]
    with pytest.raises(AssertionError) as failed:
        fake_provider.assert_all_played()
    assert str(failed.value) == message
    with pytest.raises(AssertionError) as unplayed:
        fake_provider.assert_all_played()
    assert str(unplayed.value) == snapshot(
        'some responses of the fake provider were never requested: 1 queued script not played: "It is 18 C in Paris."'
    )


def test_no_result(fake_provider: FakeProvider) -> None:
    """A request that is another than the one after the call is named by how it ends."""
    fake_provider.conversation(call("get_weather", city="Paris"), "It is 18 C in Paris.")
    with openai.OpenAI(base_url=fake_provider.base_url(), api_key="k") as client:
        ask = client.chat.completions.create
        ask(model="m", messages=[{"role": "user", "content": "How is the weather?"}], tools=TOOLS)
        with pytest.raises(openai.ConflictError):
            ask(model="m", messages=[{"role": "user", "content": "Give this chat a title."}])
    with pytest.raises(AssertionError) as failed:
        fake_provider.assert_all_played()
    assert str(failed.value) == snapshot(
        'The conversation (step 2 of 2) expects the result of get_weather, but the request ends with the message of the user: "Give this chat a title.".'
    )


@pytest.mark.parametrize(
    ("expected", "result"),
    [
        ("18 C", "18 C"),
        ("18 C", '"18 C"'),
        ({"temperature": 18}, '{"temperature": 18.0}'),
        ([1, 2], "[1,2]"),
        (18, "18"),
        (None, "null"),
        (re.compile("C$"), "18 C"),
    ],
)
def test_results_that_agree(expected: Any, result: str, fake_provider: FakeProvider) -> None:
    """A text, a JSON value, or a pattern; frameworks send values as JSON."""
    fake_provider.conversation(call("get_weather").returns(expected), "Good.")
    assert agent(fake_provider, result) == "Good."


@pytest.mark.parametrize(
    ("expected", "result"),
    [("18 C", "18 C "), ("18", "180"), ({"temperature": 18}, "{}"), (18, "19"), (re.compile("F$"), "18 C"), ([], "")],
)
def test_results_that_differ(expected: Any, result: str, fake_provider: FakeProvider) -> None:
    """All else is a difference."""
    fake_provider.conversation(call("get_weather").returns(expected), "Good.")
    with pytest.raises(openai.ConflictError):
        agent(fake_provider, result)
    with pytest.raises(
        AssertionError, match=r"^The conversation \(step 2 of 2\) expects get_weather\(\{\}\) to return "
    ):
        fake_provider.assert_all_played()


def test_anthropic(fake_provider: FakeProvider) -> None:
    """Parallel calls are paired with their results by id, in any order."""
    fake_provider.conversation(
        ["Let me look.", call("a", n=1).returns("one"), call("b", n=2).returns("two")],
        "Done.",
    )
    tools: Any = [{"name": name, "input_schema": {"type": "object"}} for name in "ab"]
    with anthropic.Anthropic(base_url=fake_provider.base_url("anthropic_messages"), api_key="k") as client:
        messages: Any = [{"role": "user", "content": "Go."}]
        first = client.messages.create(model="m", max_tokens=99, messages=messages, tools=tools)
        _, one, two = first.content
        results = [
            {"type": "tool_result", "tool_use_id": two.id, "content": "two"},  # type: ignore[union-attr]
            {"type": "tool_result", "tool_use_id": one.id, "content": "one"},  # type: ignore[union-attr]
        ]
        messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
        last = client.messages.create(model="m", max_tokens=99, messages=messages, tools=tools)
    assert last.content[0].text == "Done."  # type: ignore[union-attr]


def test_responses(fake_provider: FakeProvider) -> None:
    """A request that refers to the response before holds its calls and their results."""
    fake_provider.conversation([call("a").returns("one"), call("b").returns("two")], "Done.")
    tools: Any = [{"type": "function", "name": name, "parameters": {"type": "object"}} for name in "ab"]
    with openai.OpenAI(base_url=fake_provider.base_url("openai_responses"), api_key="k") as client:
        first = client.responses.create(model="m", input="Go.", tools=tools)
        results: Any = [
            {"type": "function_call_output", "call_id": item.call_id, "output": result}  # type: ignore[union-attr]
            for item, result in zip(first.output, ("one", "two"), strict=True)
        ]
        last = client.responses.create(model="m", input=results, previous_response_id=first.id, tools=tools)
    assert last.output_text == "Done."


def test_gemini(fake_provider: FakeProvider) -> None:
    """The calls of a chat of google-genai, which runs the tools by itself, have no ids."""
    fake_provider.conversation(call("get_weather", city="Paris").returns("18 C"), "It is 18 C in Paris.")

    def get_weather(city: str) -> str:
        """The weather."""
        assert city == "Paris"
        return "18 C"

    options = genai.types.HttpOptions(base_url=fake_provider.base_url("gemini"))
    with genai.Client(api_key="k", http_options=options) as client:
        config = genai.types.GenerateContentConfig(tools=[get_weather])
        answer = client.models.generate_content(model="m", contents="How is the weather in Paris?", config=config)
    assert answer.text == "It is 18 C in Paris."


def test_a_result_that_nothing_receives() -> None:
    """An expected result needs a step after it."""
    with pytest.raises(UsageError, match="add the model's response to it"):
        checked_scripts([call("f").returns("x")])
    assert [one.script for one in checked_scripts([call("final_answer", text="x")])] == [
        Script.of(ToolCall.of("final_answer", {"text": "x"}))
    ]


def test_a_queue_that_has_run_out(fake_provider: FakeProvider) -> None:
    """A strict session reports how many scripts were played, and what was requested next."""
    fake_provider.strict()
    fake_provider.script(ToolCall.of("get_weather", {"city": "Paris"}))
    with pytest.raises(openai.ConflictError) as caught:
        agent(fake_provider, "18 C")
    assert caught.value.body["message"] == snapshot(
        'The queue has run out: its only script was played. The next request is POST /v1/chat/completions for m, which ends with the result of get_weather "18 C". Queue a script, add a rule, load or record a cassette, or turn strict off.'
    )  # type: ignore[index]
    fake_provider.script("Good.")
    assert agent(fake_provider, "18 C") == "Good."
    with pytest.raises(openai.ConflictError) as caught:
        agent(fake_provider, "18 C", "And " + "tomorrow, " * 20)
    assert caught.value.body["message"] == snapshot(
        'The queue has run out: its 2 scripts were played. The next request is POST /v1/chat/completions for m, which ends with the message of the user: "And tomorrow, tomorrow, tomorrow, tomorrow, tomorrow, tomor…". Queue a script, add a rule, load or record a cassette, or turn strict off.'
    )  # type: ignore[index]


def test_what_was_not_played(fake_provider: FakeProvider) -> None:
    """`assert_all_played` names each script."""
    fake_provider.script("It is deep.", ToolCall.of("depth", {"of": "the sea"}))
    fake_provider.script(error=Error(status=429, message="Slow down."))
    fake_provider.script("A very long text. " * 20)
    fake_provider.script(Script())
    with pytest.raises(AssertionError) as failed:
        fake_provider.assert_all_played()
    assert str(failed.value) == snapshot(
        'some responses of the fake provider were never requested: 4 queued scripts not played: "It is deep." + depth({"of":"the sea"}), an error 429 "Slow down.", "A very long text. A very long text. A very long text. A ver…", an empty response'
    )


@pytest.mark.slow
def test_tools_that_are_not_declared() -> None:
    """A scripted call of a tool that the request does not declare is a warning at the end of the test."""
    project = Project.of(
        """
        import httpx2, pytest
        from tokentape_fake_provider import ToolCall

        @pytest.mark.parametrize("name", ["get_wether", "get_weather", "web_search"])
        def test_it(fake_provider, name):
            fake_provider.script(ToolCall.of(name))
            tools = [{"type": "function", "function": {"name": n}} for n in ("get_weather", "web_search")]
            body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "tools": tools}
            httpx2.post(fake_provider.base_url() + "/chat/completions", json=body).raise_for_status()
        """
    )
    run = project.run_pytest("-W", "default::tokentape_harness.errors.ScriptWarning", without=LIGHT)
    run.assert_outcomes(passed=3)
    warned = "ScriptWarning: The script calls get_wether, a tool that the request does not declare: it declares "
    assert run.output.count(warned) == 1
    assert run.output.count("ScriptWarning: The script calls") == 1


@pytest.mark.parametrize("tools", [[{"type": "mcp", "server_label": "s"}], [{"type": "tool_search"}]])
def test_tools_that_bring_others(tools: Any, fake_provider: FakeProvider) -> None:
    """Where a request has tools that bring others, any call may be right."""
    fake_provider.script(ToolCall.of("f"))
    with openai.OpenAI(base_url=fake_provider.base_url("openai_responses"), api_key="k") as client:
        client.responses.create(model="m", input="x", tools=tools)
    assert fake_provider.session.warnings == ()


@pytest.mark.slow
def test_a_test_that_sees_no_difference_fails() -> None:
    """An agent may hide the error: the difference is reported at the end of the test, once."""
    project = Project.of(
        """
        import httpx2
        from tokentape_harness import call

        def test_it(fake_provider):
            fake_provider.conversation(call("f").returns("x"), "Done.")
            tools = [{"type": "function", "function": {"name": "f"}}]
            messages = [{"role": "user", "content": "x"}]
            for _ in range(2):
                body = {"model": "m", "messages": messages, "tools": tools}
                message = httpx2.post(fake_provider.base_url() + "/chat/completions", json=body).json()
                if "choices" in message:
                    calls = message["choices"][0]["message"]
                    result = {"role": "tool", "tool_call_id": calls["tool_calls"][0]["id"], "content": "y"}
                    messages += [calls, result]
        """
    )
    run = project.run_pytest(without=LIGHT).assert_outcomes(passed=1, errors=1)
    assert 'AssertionError: The conversation (step 2 of 2) expects f({}) to return "x", ' in run.output


def test_json_of_the_control_api(fake_provider: FakeProvider) -> None:
    """The summary of what was not played is the same for other languages."""
    fake_provider.script("Hello")
    import httpx2

    url = f"{fake_provider.server.url}/_tokentape/sessions/{fake_provider.session.id}/unplayed"
    assert json.loads(httpx2.get(url).content)["summary"] == '1 queued script not played: "Hello"'
