"""Agent loops of the official SDKs over several turns, scripted by rules."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google import genai
from google.genai import types

from tokentape_fake_provider import Rule, Script, ToolCall
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.sessions.session import Session

WEATHER = {"Oslo": '12 °C, "rain"', "Rome": "25 °C"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
QUESTIONS = ("Oslo", "Rome")
ANSWERS = ['It is 12 °C, "rain" in turn 1.', "It is 25 °C in turn 2."]


@pytest.fixture(autouse=True)
def rules(server: FakeProviderServer, session: Session, http: httpx2.Client) -> None:
    """Call the tool in the turn of a user's message, then quote its result; by the control API."""
    call = {"items": [{"type": "tool_call", "name": "get_weather", "arguments": '{"city": "{last_user}"}'}]}
    answer = {"items": [{"type": "text", "text": "It is {tool_result.get_weather} in turn {turn}."}]}
    url = f"{server.url}/_tokentape/sessions/{session.id}/rules"
    conditions: list[dict[str, Any]] = [
        {"tool_result": {"name": "get_*", "contains": "°C"}, "scripts": [{"choices": [answer]}]},
        {"all": [{"tools": ["get_weather"]}, {"not": {"turn": 3}}], "scripts": [{"choices": [call]}]},
    ]
    for rule in conditions:
        rule["template"] = True
        assert http.post(url, json=rule).status_code == 201


def test_openai_chat(openai_client: openai.OpenAI) -> None:
    """OpenAI's SDK goes through two turns with a call and a result in each."""
    messages: list[Any] = []
    answers = []
    function = {"name": "get_weather", "parameters": SCHEMA}
    for question in QUESTIONS:
        messages.append({"role": "user", "content": question})
        for _ in range(5):
            message = (
                openai_client.chat.completions.create(
                    model="gpt-4o", messages=messages, tools=[{"type": "function", "function": function}]
                )
                .choices[0]
                .message
            )
            messages.append(message.model_dump(exclude_none=True))
            for call in message.tool_calls or ():
                city = json.loads(call.function.arguments)["city"]
                messages.append({"role": "tool", "tool_call_id": call.id, "content": WEATHER[city]})
            if not message.tool_calls:
                break
        answers.append(messages[-1]["content"])
    assert answers == ANSWERS


def test_anthropic(server: FakeProviderServer, session: Session) -> None:
    """Anthropic's SDK goes through the same two turns, streamed."""
    messages: list[Any] = []
    answers = []
    tool = {"name": "get_weather", "input_schema": SCHEMA}
    with anthropic.Anthropic(base_url=server.base_url("anthropic_messages", session.id), api_key="k") as client:
        for question in QUESTIONS:
            messages.append({"role": "user", "content": question})
            for _ in range(5):
                with client.messages.stream(
                    model="claude-opus-5", max_tokens=100, messages=messages, tools=[tool]
                ) as stream:
                    message = stream.get_final_message()
                messages.append({"role": "assistant", "content": message.content})
                if message.stop_reason != "tool_use":
                    break
                results = [
                    {"type": "tool_result", "tool_use_id": block.id, "content": WEATHER[block.input["city"]]}
                    for block in message.content
                    if block.type == "tool_use"
                ]
                messages.append({"role": "user", "content": results})
            answers.append(message.content[0].text)
    assert answers == ANSWERS


def test_gemini(server: FakeProviderServer, session: Session) -> None:
    """Google's SDK calls the function by itself, in both turns of a chat."""

    def get_weather(city: str) -> str:
        """The weather in a city."""
        return WEATHER[city]

    options = types.HttpOptions(base_url=server.base_url("gemini", session.id))
    with genai.Client(api_key="k", http_options=options) as client:
        chat = client.chats.create(model="gemini-2.5-flash", config=types.GenerateContentConfig(tools=[get_weather]))
        answers = [chat.send_message(question).text for question in QUESTIONS]
    assert answers == ANSWERS


def test_other_answers_stay_the_same(session: Session, openai_client: openai.OpenAI) -> None:
    """A rule that was added before those answers as before, whatever they would match."""
    session.clear()
    session.add_rule(Rule((Script.of("{turn}", ToolCall("f", '{"q": "{last_user}"}')),), contains="hi"))
    message = openai_client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    assert message.choices[0].message.content == "{turn}"
    calls = message.choices[0].message.tool_calls or []
    assert calls[0].to_dict()["function"]["arguments"] == '{"q": "{last_user}"}'
