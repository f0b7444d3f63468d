"""What the official SDKs read of citations, server tools, images, audio and log probabilities in a script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import boto3
import cohere
import httpx2
import ollama
import openai
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from google import genai

from tests.fake_provider.test_server_items import CITED, CODE, FETCH, FILES, IMAGE, MCP, MCP_LIST, SEARCH
from tokentape_fake_provider import Audio, Reasoning, Script
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.sessions.session import Session

SCRIPT = Script.of(Reasoning("Hm.", hidden=True), SEARCH, FETCH, CODE, FILES, IMAGE, MCP_LIST, MCP, CITED)


@pytest.fixture
def queued(session: Session) -> Session:
    """A session that answers twice with the script."""
    session.push(SCRIPT, SCRIPT)
    return session


def test_openai_responses(openai_client: openai.OpenAI, queued: Session) -> None:
    """Every item is of its own type, streamed and whole, with a final response that is the same."""
    request: Any = {"model": "m", "input": "Hi", "include": ["code_interpreter_call.outputs"]}
    with openai_client.responses.stream(**request) as stream:
        kinds = {event.type for event in stream}
        streamed = stream.get_final_response()
    whole = openai_client.responses.create(**request)
    for response in (streamed, whole):
        assert [type(item).__name__.removeprefix("Parsed") for item in response.output] == [
            "ResponseReasoningItem",
            "ResponseFunctionWebSearch",
            "ResponseFunctionWebSearch",
            "ResponseCodeInterpreterToolCall",
            "ResponseFileSearchToolCall",
            "ImageGenerationCall",
            "McpListTools",
            "McpCall",
            "ResponseOutputMessage",
        ]
        message: Any = response.output[-1]
        assert [annotation.type for annotation in message.content[0].annotations] == ["url_citation", "file_citation"]
    assert {"response.image_generation_call.partial_image", "response.code_interpreter_call_code.delta"} <= kinds


def test_openai_chat_audio_and_annotations(openai_client: openai.OpenAI, session: Session) -> None:
    """A message has its annotations and its audio; the helper for streams joins the audio's deltas."""
    session.push(Script.of(CITED), Script.of(Audio("They purr.", "AAAA")))
    ask: Any = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    message = openai_client.chat.completions.create(**ask).choices[0].message
    assert message.annotations is not None
    assert message.annotations[0].url_citation.url == "https://a.test/p"
    audio = openai_client.chat.completions.create(**ask).choices[0].message.audio
    assert audio is not None
    assert (audio.transcript, audio.data) == ("They purr.", "AAAA")
    session.push(Script.of(Audio("They purr.", "AAAA" * 6000)), Script.of(CITED))
    with openai_client.chat.completions.stream(**ask) as stream:
        spoken: Any = stream.get_final_completion().choices[0].message
    assert (spoken.audio.transcript, spoken.audio.data) == ("They purr.", "AAAA" * 6000)
    with openai_client.chat.completions.stream(**ask, logprobs=True) as stream:
        cited = stream.get_final_completion().choices[0]
    assert cited.message.annotations == message.annotations
    assert cited.logprobs is not None
    assert "".join(token.token for token in cited.logprobs.content or ()) == CITED.text


def test_anthropic(server: FakeProviderServer, queued: Session) -> None:
    """The blocks of each tool, and the cited text, streamed and whole."""
    with anthropic.Anthropic(base_url=server.base_url("anthropic_messages", queued.id), api_key="k") as client:
        request: Any = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]}
        # Without beta the helper for streams does not know the input of MCP tools.
        with client.beta.messages.stream(**request) as stream:
            streamed: Any = stream.get_final_message()
        whole: Any = client.messages.create(**request)
        for message in (streamed, whole):
            kinds = [block.type for block in message.content]
            assert kinds == [
                "thinking",
                *("server_tool_use", "web_search_tool_result", "server_tool_use", "web_fetch_tool_result"),
                *("server_tool_use", "code_execution_tool_result", "mcp_tool_use", "mcp_tool_result"),
                *("text", "text", "text"),
            ]
            assert (message.content[0].thinking, len(message.content[0].signature)) == ("", 200)
            assert message.content[1].input == {"query": "why cats purr"}
            assert message.content[2].content[0].url == "https://a.test/p"
            assert message.content[4].content.content.source.data == "Cats purr."
            assert message.content[6].content.stdout == "42\n"
            assert message.content[7].input == {"q": "cats"}
            assert [citation.type for citation in message.content[-2].citations] == [
                "web_search_result_location",
                "char_location",
            ]
            assert message.usage.server_tool_use.web_search_requests == 1


def test_google(server: FakeProviderServer, queued: Session) -> None:
    """Code, its result, the image and the grounding, streamed and whole."""
    options = genai.types.HttpOptions(base_url=server.base_url("gemini", queued.id))
    with genai.Client(api_key="k", http_options=options) as client:
        chunks = list(client.models.generate_content_stream(model="m", contents="Hi"))
        whole = client.models.generate_content(model="m", contents="Hi")
        for responses in (chunks, [whole]):
            candidates = [candidate for response in responses for candidate in response.candidates or ()]
            parts = [part for c in candidates for part in (c.content.parts if c.content else None) or ()]
            assert [part.executable_code.code for part in parts if part.executable_code] == ["print(6 * 7)"]
            assert [part.code_execution_result.output for part in parts if part.code_execution_result] == ["42\n"]
            assert [part.inline_data.data for part in parts if part.inline_data] == [b"IMAGE"]
            assert [bool(part.thought_signature) for part in parts][-1]
            grounding = candidates[-1].grounding_metadata
            assert grounding is not None
            assert grounding.grounding_chunks is not None
            assert grounding.grounding_chunks[0].web is not None
            assert grounding.grounding_chunks[0].web.uri == "https://a.test/p"
            assert candidates[-1].url_context_metadata is not None


@pytest.fixture
def bedrock(server: FakeProviderServer, queued: Session) -> Iterator[Any]:
    """The official client."""
    config = Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1})
    url = server.base_url("bedrock_converse", queued.id)
    client = boto3.client("bedrock-runtime", region_name="us-east-1", endpoint_url=url, config=config)
    yield client
    client.close()


def test_boto3(bedrock: Any) -> None:
    """Nova's tools and citations are in the SDK's own model, streamed and whole."""
    request: Any = {"modelId": "amazon.nova-2-lite-v1:0", "messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
    events = list(bedrock.converse_stream(**request)["stream"])
    starts = [event["contentBlockStart"]["start"] for event in events if "contentBlockStart" in event]
    assert [start["toolUse"]["name"] for start in starts if "toolUse" in start] == [
        "nova_grounding",
        "nova_code_interpreter",
    ]
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    assert [next(iter(delta["citation"]["location"])) for delta in deltas if "citation" in delta] == [
        "web",
        "documentChar",
    ]
    inputs = "".join(delta["toolUse"]["input"] for delta in deltas if "toolUse" in delta)
    assert inputs == '{"query": "why cats purr"}{"snippet": "print(6 * 7)"}'
    content = bedrock.converse(**request)["output"]["message"]["content"]
    assert [next(iter(block)) for block in content] == [
        "reasoningContent",
        *("toolUse", "toolResult", "toolUse", "toolResult"),
        *("text", "citationsContent", "text"),
    ]


def test_cohere(server: FakeProviderServer, queued: Session) -> None:
    """Citations and log probabilities are read, streamed and whole."""
    with cohere.ClientV2("k", base_url=server.base_url("cohere_chat", queued.id), max_retries=0) as client:
        request: Any = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "logprobs": True}
        events: list[Any] = list(client.chat_stream(**request))
        spans = [
            (event.delta.message.citations.start, event.delta.message.citations.end)
            for event in events
            if event.type == "citation-start"
        ]
        assert spans == [(4, 16), (4, 16)]
        assert all(
            event.logprobs.text == event.delta.message.content.text for event in events if event.type == "content-delta"
        )
        whole: Any = client.chat(**request)
        assert [(citation.start, citation.end) for citation in whole.message.citations] == spans
        assert "".join(item.text for item in whole.logprobs) == CITED.text


def test_ollama(server: FakeProviderServer, queued: Session) -> None:
    """Text alone, with the log probabilities of its tokens."""
    with ollama.Client(server.base_url("ollama", queued.id)) as client:
        request: Any = {
            "model": "m",
            "messages": [{"role": "user", "content": "Hi"}],
            "logprobs": True,
            "top_logprobs": 2,
        }
        streamed = [token for chunk in client.chat(**request, stream=True) for token in chunk.logprobs or ()]
        whole = client.chat(**request)
        assert whole.message.content == CITED.text == "".join(token.token for token in streamed)
        assert whole.logprobs == streamed
        assert {len(token.top_logprobs or ()) for token in streamed} == {2}


def test_the_control_api_takes_the_items_as_json(
    server: FakeProviderServer, session: Session, http: httpx2.Client, openai_client: openai.OpenAI
) -> None:
    """A script with a server tool and a citation is queued as JSON; one that is wrong is refused with what is wrong."""
    queue = f"{server.url}/_tokentape/sessions/{session.id}/queue"
    items: list[dict[str, Any]] = [
        {"type": "server_tool", "kind": "web_search", "input": "cats", "sources": [{"url": "https://a.test/p"}]},
        {"type": "text", "text": "They purr.", "citations": [{"url": "https://a.test/p", "end": 4}]},
    ]
    assert http.post(queue, json={"items": [{"script": {"choices": [{"items": items}]}}]}).status_code == 201
    response = openai_client.responses.create(model="m", input="Hi")
    assert [item.type for item in response.output] == ["web_search_call", "message"]
    items[1]["citations"][0]["end"] = 99
    refused = http.post(queue, json={"items": [{"script": {"choices": [{"items": items}]}}]})
    assert refused.status_code == 400
    assert "has 10 characters" in refused.json()["error"]["what"]
