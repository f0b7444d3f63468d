"""OpenAI's chat completions also have custom tools and the deprecated functions: a call has the request's form."""

from __future__ import annotations

import json
from typing import Any

import openai

from tests.fake_provider.obedience.asks import WEATHER_SCHEMA
from tokentape import stream_bytes
from tokentape_fake_provider.script.model import Script, ToolCall
from tokentape_fake_provider.sessions.session import Session

MESSAGE: Any = {"role": "user", "content": "What is the weather in Oslo?"}
CUSTOM: Any = {"type": "custom", "custom": {"name": "code_exec", "description": "Runs code."}}
FUNCTION: Any = {"name": "get_weather", "description": "The weather.", "parameters": WEATHER_SCHEMA}


def streamed(client: openai.OpenAI, **options: Any) -> tuple[list[Any], bytes]:
    """The choices of all chunks, and the body."""
    raw = client.chat.completions.with_raw_response.create(model="gpt-5.2", messages=[MESSAGE], stream=True, **options)
    body = raw.http_response.read()
    lines = (line.removeprefix("data: ") for line in body.decode().split("\n\n") if line.startswith("data: {"))
    return [choice for line in lines for choice in json.loads(line)["choices"]], body


def test_a_custom_tool(openai_client: openai.OpenAI) -> None:
    """Its call is of the type `custom` and has the input as text, streamed and not."""
    done = openai_client.chat.completions.create(model="gpt-5.2", messages=[MESSAGE], tools=[CUSTOM])
    (call,) = done.choices[0].message.tool_calls or ()
    assert call.type == "custom"
    assert (call.custom.name, call.custom.input) == ("code_exec", MESSAGE["content"])
    choices, body = streamed(openai_client, tools=[CUSTOM])
    deltas = [call for choice in choices for call in choice["delta"].get("tool_calls", ())]
    assert (deltas[0]["type"], deltas[0]["custom"]) == ("custom", {"name": "code_exec", "input": ""})
    assert "".join(delta["custom"]["input"] for delta in deltas) == MESSAGE["content"]
    stream = stream_bytes([body], "openai_chat")
    list(stream)
    assert [call.name for call in stream.get_chat_output().messages[0].tool_calls] == ["code_exec"]


def test_functions(openai_client: openai.OpenAI) -> None:
    """A request with `functions` gets one `function_call`, with the finish reason of that name."""
    options: Any = {"functions": [FUNCTION, {"name": "get_time", "parameters": {"type": "object"}}]}
    done = openai_client.chat.completions.create(model="gpt-5.2", messages=[MESSAGE], **options)
    choice = done.choices[0]
    assert (choice.finish_reason, choice.message.tool_calls) == ("function_call", None)
    assert choice.message.function_call is not None
    assert choice.message.function_call.name == "get_weather"
    assert json.loads(choice.message.function_call.arguments)["city"] == "Oslo"
    choices, body = streamed(openai_client, **options)
    parts = [choice["delta"]["function_call"] for choice in choices if "function_call" in choice["delta"]]
    assert "".join(part["arguments"] for part in parts) == choice.message.function_call.arguments
    assert choices[-1]["finish_reason"] == "function_call"
    stream = stream_bytes([body], "openai_chat")
    list(stream)
    output = stream.get_chat_output()
    assert ([call.name for call in output.messages[0].tool_calls], output.finish_reason) == (
        ["get_weather"],
        "tool_calls",
    )


def test_other_calls_are_functions(session: Session, openai_client: openai.OpenAI) -> None:
    """A script's call of a tool that the request does not call custom is a function, as before."""
    session.push(Script.of(ToolCall.of("other", {"a": 1})))
    done = openai_client.chat.completions.create(model="gpt-5.2", messages=[MESSAGE], tools=[CUSTOM])
    (call,) = done.choices[0].message.tool_calls or ()
    assert call.type == "function"
    assert call.function.arguments == '{"a":1}'
