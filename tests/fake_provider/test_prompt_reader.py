"""The prompt of a request: conversations, and the families that Bedrock invokes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fake_provider.asks import BODIES, BODY, PATHS, ask_of
from tests.fake_provider.prompts import (
    ANTHROPIC_MESSAGES,
    ARGUMENTS,
    CHAT_WIRES,
    CONVERSATIONS,
    SCHEMA,
    prompt_of,
    read,
)
from tokentape_fake_provider.script.model import ToolCall
from tokentape_fake_provider.wires import WIRES
from tokentape_fake_provider.wires.prompt import ToolResult
from tokentape_fake_provider.wires.prompt_reader import read_prompt


@pytest.mark.parametrize("wire", CHAT_WIRES)
def test_a_conversation_reads_alike_in_every_format(wire: str) -> None:
    """System, user, a call and its result: the result is the tool's, not the user's, and has the call's name."""
    prompt = prompt_of(wire, **CONVERSATIONS[wire])
    call = ToolCall("weather", ARGUMENTS, "call_1")
    result = ToolResult("Sun", "call_1", "weather")
    flat = [(message.role, message.text) for message in prompt.messages if message.text]
    assert flat == [("system", "Be brief."), ("user", "Hi"), ("assistant", "I look."), ("tool", "Sun")]
    assert [call for message in prompt.messages for call in message.calls] == [call]
    assert (prompt.system, prompt.last_user, prompt.turn, prompt.results) == ("Be brief.", "Hi", 1, (result,))


@pytest.mark.parametrize(
    ("model", "body", "limit"),
    [
        ("meta.llama3-8b-instruct-v1:0", {"prompt": "Hi", "max_gen_len": 9}, 9),
        ("amazon.titan-text-lite-v1", {"inputText": "Hi", "textGenerationConfig": {"maxTokenCount": 9}}, 9),
        ("mistral.mistral-7b-instruct-v0:2", {"prompt": "Hi", "max_tokens": 9}, 9),
        ("cohere.command-r-v1:0", {"message": "Hi", "max_tokens": 9}, 9),
        (
            "amazon.nova-lite-v1:0",
            {"messages": [{"role": "user", "content": [{"text": "Hi"}]}], "inferenceConfig": {"max_new_tokens": 9}},
            9,
        ),
        ("openai.gpt-oss-20b-1:0", {"messages": [{"role": "user", "content": "Hi"}], "max_completion_tokens": 9}, 9),
    ],
)
def test_every_family_that_bedrock_invokes(model: str, body: dict[str, Any], limit: int) -> None:
    """The prompt and the limit of each family's own body."""
    ask = WIRES["bedrock_invoke"].read(f"/model/{model}/invoke", body, created=0, seed="")
    prompt = read_prompt(ask)
    assert (prompt.last_user, prompt.turn, prompt.max_tokens) == ("Hi", 1, limit)


def test_cohere_on_bedrock() -> None:
    """The first version of Cohere's chat: history, preamble, tools by parameter definitions, documents."""
    prompt = read(
        {
            "preamble": "Be brief.",
            "chat_history": [{"role": "USER", "message": "One?"}, {"role": "CHATBOT", "message": "Two."}],
            "message": "Three?",
            "documents": [{"title": "T", "snippet": "S"}],
            "tools": [
                {
                    "name": "weather",
                    "description": "Tells.",
                    "parameter_definitions": {"city": {"type": "str", "required": True}},
                }
            ],
        }
    )
    assert [(message.role, message.text) for message in prompt.messages] == [
        ("system", "Be brief."),
        ("user", "One?"),
        ("assistant", "Two."),
        ("user", "Three?"),
    ]
    assert prompt.tools[0].schema == SCHEMA
    assert (prompt.documents[0].text, prompt.documents[0].title, prompt.citations) == ("S", "T", True)


def test_text_beside_results_begins_no_turn() -> None:
    """What the user says in one message with results comes after them, and the results still count as the last ones."""
    messages = [*ANTHROPIC_MESSAGES[:2], {
        "role": "user",
        "content": [*ANTHROPIC_MESSAGES[2]["content"], {"type": "text", "text": "Go on."}]}]  # type: ignore[misc]  # fmt: skip
    prompt = prompt_of("anthropic_messages", messages=messages)
    assert [message.role for message in prompt.messages] == ["user", "assistant", "tool", "user"]
    assert (prompt.last_user, prompt.turn, [result.text for result in prompt.results]) == ("Go on.", 1, ["Sun"])


def test_documents_that_may_be_cited() -> None:
    """Documents of Anthropic's, with the text that they have, and Cohere's beside the messages."""
    document = {
        "type": "document",
        "title": "Ports",
        "source": {"type": "text", "media_type": "text/plain", "data": "Lisbon is a port."},
        "citations": {"enabled": True},
    }
    prompt = prompt_of("anthropic_messages", messages=[{"role": "user", "content": [document]}])
    assert (prompt.documents[0].text, prompt.documents[0].title, prompt.citations) == (
        "Lisbon is a port.",
        "Ports",
        True,
    )
    given = [{"id": "1", "data": {"title": "Ports", "text": "Lisbon is a port."}}, "Porto, too."]
    cohere = prompt_of("cohere_chat", documents=given)
    assert [(document.id, document.text) for document in cohere.documents] == [
        ("1", "Lisbon is a port."),
        ("", "Porto, too."),
    ]
    assert cohere.citations
    assert not prompt_of("cohere_chat", documents=given, citation_options={"mode": "OFF"}).citations


def test_every_wire_has_a_plain_prompt() -> None:
    """The text of the plainest request is the user's, in every format."""
    assert set(PATHS) == set(WIRES)
    for wire in WIRES:
        assert read_prompt(ask_of(wire, **BODIES.get(wire, BODY))).last_user == "How are you?", wire
