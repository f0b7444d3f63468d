"""Clients: the official SDKs and our own providers, used like in an application, without a socket, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any, Final, NamedTuple

import httpx2

from tokentape import ChatMessage
from tokentape.providers.base import DEFAULT_TIMEOUT
from tokentape_harness.conversion.sample_request import client_for
from tokentape_harness.errors import UsageError
from tokentape_harness.sweep.run import Client
from tokentape_harness.sweep.subject import Subject
from tokentape_harness.testing.fake_provider import FakeProvider
from tokentape_harness.testing.sdk_environment import FAKE_KEY


class Answer(NamedTuple):
    """The result of an application. Usage is left out: a stream that lost only its usage is complete."""

    text: str
    tool_calls: tuple[tuple[str, str], ...]
    finish_reason: str | None


def sdk_client(name: str, subject: Subject) -> tuple[Client, str]:
    """The client of this name for the subject's wire format, and its name with its version.

    Raises `UsageError` if there is no such client, or its package is not installed.
    """
    factory = _CLIENTS.get((name, subject.wire.name))
    if name == "tokentape":
        factory = _tokentape
    if factory is None:
        known = sorted({sdk for sdk, _ in _CLIENTS} | {"tokentape"})
        able = [sdk for sdk, wire in _CLIENTS if wire == subject.wire.name]
        what = f"for {subject.wire.name}" if name in known else "of that name"
        raise UsageError(f"no SDK {name} {what}: use {' or '.join([*able, 'tokentape'])}, or a command after --")
    try:
        return factory(subject), f"{name} {version(name)}"
    except ImportError:
        raise UsageError(f"{name} is not installed: pip install {name}") from None


def _body(subject: Subject) -> tuple[dict[str, Any], dict[str, Any]]:
    """The recorded request: the fields that the SDKs take by name, and the others."""
    body = subject.recordings[subject.number].body
    body = {name: value for name, value in body.items() if name != "stream"} if isinstance(body, Mapping) else {}
    names = ("model", "messages", "input", "prompt", "max_tokens")
    return {name: body.pop(name) for name in names if name in body}, body


def _openai(provider: FakeProvider, wire: str) -> Any:
    import openai

    http_client = httpx2.Client(transport=provider.transport())
    return openai.OpenAI(base_url=provider.base_url(wire), api_key=FAKE_KEY, http_client=http_client)


def _openai_chat(subject: Subject) -> Client:
    named, rest = _body(subject)

    def run(provider: FakeProvider) -> Answer:
        text, finish = "", None
        calls: dict[int, list[str]] = {}
        with _openai(provider, "openai_chat") as client:
            for chunk in client.chat.completions.create(**named, stream=True, extra_body=rest):
                for choice in chunk.choices:
                    text += choice.delta.content or ""
                    finish = choice.finish_reason or finish
                    for call in choice.delta.tool_calls or ():
                        parts = calls.setdefault(call.index, ["", ""])
                        parts[0] += call.function.name or ""
                        parts[1] += call.function.arguments or ""
        return Answer(text, tuple((name, arguments) for name, arguments in calls.values()), finish)

    _require("openai")
    return run


def _openai_responses(subject: Subject) -> Client:
    named, rest = _body(subject)

    def run(provider: FakeProvider) -> Answer:
        text, finish = "", None
        calls: dict[int, list[str]] = {}
        with _openai(provider, "openai_responses") as client:
            for event in client.responses.create(**named, stream=True, extra_body=rest):
                match event.type:
                    case "response.output_text.delta":
                        text += event.delta
                    case "response.output_item.added" if event.item.type == "function_call":
                        calls[event.output_index] = [event.item.name, ""]
                    case "response.function_call_arguments.delta":
                        calls.setdefault(event.output_index, ["", ""])[1] += event.delta
                    case "response.completed" | "response.incomplete":
                        finish = event.response.status
        return Answer(text, tuple((name, arguments) for name, arguments in calls.values()), finish)

    _require("openai")
    return run


def _anthropic(subject: Subject) -> Client:
    import anthropic

    named, rest = _body(subject)

    def run(provider: FakeProvider) -> Answer:
        http_client = httpx2.Client(transport=provider.transport())
        url = provider.base_url("anthropic_messages")
        with (
            anthropic.Anthropic(base_url=url, api_key=FAKE_KEY, http_client=http_client) as client,
            client.messages.stream(**named, extra_body=rest) as stream,
        ):
            message = stream.get_final_message()
        text = "".join(block.text for block in message.content if block.type == "text")
        calls = tuple((block.name, repr(block.input)) for block in message.content if block.type == "tool_use")
        return Answer(text, calls, message.stop_reason)

    return run


def _tokentape(subject: Subject) -> Client:
    wire, model = subject.wire.name, subject.recordings[subject.number].model or "m"

    def run(provider: FakeProvider) -> Answer:
        with httpx2.Client(transport=provider.transport(), timeout=DEFAULT_TIMEOUT) as http_client:
            client = client_for(wire, model, base_url=provider.base_url(wire), http_client=http_client)
            stream = client.chat([ChatMessage.user("Hello")], stream=True).normalized
            for _ in stream:
                pass
        output = stream.get_chat_output()
        calls = tuple((call.name, repr(call.arguments)) for call in output.message.tool_calls)
        return Answer(output.text, calls, output.finish_reason)

    return run


def _require(package: str) -> None:
    __import__(package)


_CLIENTS: Final[Mapping[tuple[str, str], Callable[[Subject], Client]]] = {
    ("openai", "openai_chat"): _openai_chat,
    ("openai", "openai_responses"): _openai_responses,
    ("anthropic", "anthropic_messages"): _anthropic,
}
