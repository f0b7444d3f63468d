"""Citations, server tools, images and audio: each is sent as its provider sends it, and read back by the library."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from tests.case_notes import case
from tests.fake_provider.asks import ask_of
from tests.fake_provider.test_logprobs import documents
from tests.round_trip import decoded
from tests.script_strategies import pieces_of, texts
from tokentape import ProviderPart, ReasoningPart, TextPart
from tokentape_fake_provider import Audio, Citation, Reasoning, Script, ServerTool, Source, Text
from tokentape_fake_provider.script.model import Item
from tokentape_fake_provider.wires import BUILT_IN
from tokentape_fake_provider.wires.citations import cited_runs

PAGE = Source("https://a.test/p", "A page", "Cats purr. They do.", "file-1")
SEARCH = ServerTool("web_search", "why cats purr", sources=(PAGE,))
FETCH = ServerTool("web_fetch", "https://a.test/p", "Cats purr.", (PAGE,))
CODE = ServerTool("code_interpreter", "print(6 * 7)", "42\n")
FILES = ServerTool("file_search", "cats", sources=(Source("", "cats.txt", "Cats purr.", "file-1"),))
IMAGE = ServerTool("image_generation", "a cat", images=("UFJFVklFVw==", "SU1BR0U="))
MCP_LIST = ServerTool("mcp", server="wiki", sources=(Source("", "ask", "Asks."),))
MCP = ServerTool("mcp", '{"q":"cats"}', "They purr.", name="ask", server="wiki")
ITEMS: dict[str, Item] = {
    "web_search": SEARCH,
    "web_fetch": FETCH,
    "code_interpreter": CODE,
    "file_search": FILES,
    "image_generation": IMAGE,
    "mcp_list": MCP_LIST,
    "mcp": MCP,
    "audio": Audio("They purr.", "AAAA"),
}
CITED = Text(
    "Hi. 🐈 Cats purr. Bye.",
    citations=(
        Citation("https://a.test/p", "A page", "Cats purr.", 4, 16),
        Citation("", "cats.txt", "purr", 4, 16, document=1, id="file-1", quote_start=5),
    ),
)

KINDS: Mapping[str, Mapping[str, list[str]]] = {
    "openai_responses": {
        "web_search": ["web_search_call"],
        "web_fetch": ["web_search_call"],
        "code_interpreter": ["code_interpreter_call"],
        "file_search": ["file_search_call"],
        "image_generation": ["image_generation_call"],
        "mcp_list": ["mcp_list_tools"],
        "mcp": ["mcp_call"],
    },
    "anthropic_messages": {
        "web_search": ["server_tool_use", "web_search_tool_result"],
        "web_fetch": ["server_tool_use", "web_fetch_tool_result"],
        "code_interpreter": ["server_tool_use", "code_execution_tool_result"],
        "mcp": ["mcp_tool_use", "mcp_tool_result"],
    },
    "gemini": {
        "code_interpreter": ["executableCode", "codeExecutionResult"],
        "image_generation": ["inlineData"],
        "audio": ["inlineData"],
    },
    "openai_chat": {"audio": ["audio"]},
    "bedrock_converse": {
        "web_search": ["toolUse", "toolResult"],
        "code_interpreter": ["toolUse", "toolResult"],
    },
    "gemini_interactions": {
        "web_search": ["google_search_call", "google_search_result"],
        "web_fetch": ["url_context_call", "url_context_result"],
        "code_interpreter": ["code_execution_call", "code_execution_result"],
        "image_generation": ["image"],
        "audio": ["audio"],
    },
}
KINDS = {**KINDS, "bedrock_invoke": KINDS["anthropic_messages"]}
"""The provider parts that each wire format has for each item; others are left out, and audio is text."""


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("wire", BUILT_IN)
def test_an_item_is_sent_as_the_provider_sends_it(wire: str, stream: bool) -> None:
    """The library reads the provider's own parts, or the text alone where the format has none; nothing fails."""
    if not stream and wire in ("gemini", "bedrock_converse", "bedrock_invoke"):
        request = ask_of(wire)
        request = msgspec.structs.replace(
            request, stream=False, path=request.path.replace("-stream", "").replace("-with-response", "")
        )
    else:
        request = ask_of(wire, **({} if stream else {"stream": False}))
    for name, item in ITEMS.items():
        with case(name):
            output = decoded(Script.of("So: ", item, "Yes."), request, piece=None if not stream else 11)
            kinds = [part.kind for part in output.message.parts if isinstance(part, ProviderPart)]
            expected = KINDS.get(wire, {}).get(name, [])
            assert list(dict.fromkeys(kinds)) == expected
            transcript = "They purr." if name == "audio" and not expected else ""
            assert output.text == f"So: {transcript}Yes."


def test_the_events_of_a_web_search_in_a_response() -> None:
    """The call is in progress, searching and completed; its annotation comes when its text is complete."""
    found = documents("openai_responses", Script.of(SEARCH, CITED), stream=True)
    shown = [
        (event["type"].removeprefix("response."), event.get("annotation") or event.get("item", {}).get("action"))
        for event in found
        if event["type"] != "response.output_text.delta"
    ]
    assert shown == snapshot(
        [
            ("created", None),
            ("in_progress", None),
            ("output_item.added", None),
            ("web_search_call.in_progress", None),
            ("web_search_call.searching", None),
            ("web_search_call.completed", None),
            ("output_item.done", {"type": "search", "query": "why cats purr"}),
            ("output_item.added", None),
            ("content_part.added", None),
            (
                "output_text.annotation.added",
                {
                    "type": "url_citation",
                    "end_index": 16,
                    "start_index": 4,
                    "title": "A page",
                    "url": "https://a.test/p",
                },
            ),
            (
                "output_text.annotation.added",
                {"type": "file_citation", "file_id": "file-1", "filename": "cats.txt", "index": 16},
            ),
            ("output_text.done", None),
            ("content_part.done", None),
            ("output_item.done", None),
            ("completed", None),
        ]
    )
    sent = ""
    for event in found:
        sent += event["delta"] if event["type"] == "response.output_text.delta" else ""
        if event["type"] == "response.output_text.annotation.added":
            assert sent.endswith("purr.")
    final = found[-1]["response"]
    assert [item["type"] for item in final["output"]] == ["web_search_call", "message"]
    assert final["tool_usage"]["web_search"] == {"num_requests": 1}


def test_the_events_of_other_tools_in_a_response() -> None:
    """Code comes in deltas, an image in previews, the arguments of an MCP tool in deltas."""
    script = Script.of(CODE, IMAGE, MCP_LIST, MCP, FILES, ServerTool("web_search", "x", error="failed"))
    found = documents("openai_responses", script, stream=True)
    assert [event["type"].removeprefix("response.") for event in found] == snapshot(
        [
            "created",
            "in_progress",
            "output_item.added",
            "code_interpreter_call.in_progress",
            "code_interpreter_call_code.delta",
            "code_interpreter_call_code.delta",
            "code_interpreter_call_code.delta",
            "code_interpreter_call_code.delta",
            "code_interpreter_call_code.delta",
            "code_interpreter_call_code.delta",
            "code_interpreter_call_code.delta",
            "code_interpreter_call_code.done",
            "code_interpreter_call.interpreting",
            "code_interpreter_call.completed",
            "output_item.done",
            "output_item.added",
            "image_generation_call.in_progress",
            "image_generation_call.generating",
            "image_generation_call.partial_image",
            "image_generation_call.completed",
            "output_item.done",
            "output_item.added",
            "mcp_list_tools.in_progress",
            "mcp_list_tools.completed",
            "output_item.done",
            "output_item.added",
            "mcp_call.in_progress",
            "mcp_call_arguments.delta",
            "mcp_call_arguments.delta",
            "mcp_call_arguments.delta",
            "mcp_call_arguments.delta",
            "mcp_call_arguments.delta",
            "mcp_call_arguments.done",
            "mcp_call.completed",
            "output_item.done",
            "output_item.added",
            "file_search_call.in_progress",
            "file_search_call.searching",
            "file_search_call.completed",
            "output_item.done",
            "output_item.added",
            "web_search_call.in_progress",
            "web_search_call.searching",
            "web_search_call.failed",
            "output_item.done",
            "completed",
        ]
    )
    items = [event["item"] for event in found if event["type"] == "response.output_item.done"]
    assert items == snapshot(
        [
            {
                "id": "ci_b55130dc1e8d9221be1ca28c7844ed97426a05cf151fa78b6a",
                "type": "code_interpreter_call",
                "status": "completed",
                "code": "print(6 * 7)",
                "container_id": "cntr_4fc98f5907d15b8b3226bdc346ec29beb92b7346a6e34fef",
                "outputs": None,
            },
            {
                "id": "ig_7cb0df23dcc03262afe3d57e40cbdab18de2d699657cdc6044",
                "type": "image_generation_call",
                "status": "completed",
                "background": "opaque",
                "output_format": "png",
                "quality": "medium",
                "result": "SU1BR0U=",
                "revised_prompt": "a cat",
                "size": "1024x1024",
            },
            {
                "id": "mcpl_0e889fffdaad8dec8902bbab2dce10c490e7f62b0f0c5b6add",
                "type": "mcp_list_tools",
                "server_label": "wiki",
                "tools": [
                    {
                        "annotations": {"read_only": False},
                        "description": "Asks.",
                        "input_schema": {"type": "object", "properties": {}, "additionalProperties": True},
                        "name": "ask",
                    }
                ],
            },
            {
                "id": "mcp_ac5338c8d7be154dcea4dc1523acafc8fa75d4441b46f3973b",
                "type": "mcp_call",
                "status": "completed",
                "approval_request_id": None,
                "arguments": '{"q":"cats"}',
                "error": None,
                "name": "ask",
                "output": "They purr.",
                "server_label": "wiki",
            },
            {
                "id": "fs_4dcf925b192d6b199511bfad758265d414e52b3c397239f2ee",
                "type": "file_search_call",
                "status": "completed",
                "queries": ["cats"],
                "results": None,
            },
            {
                "id": "ws_2510d7d7b3951235e215d90ef436d53bd5a1c50fc929018c44",
                "type": "web_search_call",
                "status": "failed",
                "action": {"type": "search", "query": "x"},
            },
        ]
    )


def test_what_a_response_includes_on_request() -> None:
    """Sources of a search, results of a file search, and outputs of code are included if they are requested."""
    include = ["web_search_call.action.sources", "file_search_call.results", "code_interpreter_call.outputs"]
    (whole,) = documents("openai_responses", Script.of(SEARCH, FILES, CODE), stream=False, include=include)
    search, files, code = whole["output"]
    assert search["action"]["sources"] == [{"type": "url", "url": "https://a.test/p"}]
    assert files["results"][0]["text"] == "Cats purr."
    assert code["outputs"] == [{"type": "logs", "logs": "42\n"}]


def test_the_blocks_of_a_web_search_of_anthropic() -> None:
    """The call streams its input, its result comes whole, and the cited text is a block of its own."""
    found = documents("anthropic_messages", Script.of(SEARCH, CITED), stream=True)
    blocks: dict[int, Any] = {}
    for event in found:
        if event["type"] == "content_block_start":
            blocks[event["index"]] = [event["content_block"]]
        elif event["type"] == "content_block_delta":
            blocks[event["index"]].append(list(event["delta"].values())[1])
    masked = json.loads(json.dumps(blocks))
    masked["1"][0]["content"][0]["encrypted_content"] = masked["3"][1]["encrypted_index"] = "..."
    assert masked == snapshot(
        {
            "0": [
                {
                    "type": "server_tool_use",
                    "id": "srvtoolu_0137noSni399SWcmjxuWd6x4",
                    "name": "web_search",
                    "input": {},
                },
                "",
                '{"query": "why',
                ' cats purr"}',
            ],
            "1": [
                {
                    "type": "web_search_tool_result",
                    "tool_use_id": "srvtoolu_0137noSni399SWcmjxuWd6x4",
                    "content": [
                        {
                            "type": "web_search_result",
                            "title": "A page",
                            "url": "https://a.test/p",
                            "encrypted_content": "...",
                            "page_age": None,
                        }
                    ],
                }
            ],
            "2": [{"type": "text", "text": ""}, "Hi", ". "],
            "3": [
                {"citations": [], "type": "text", "text": ""},
                {
                    "type": "web_search_result_location",
                    "cited_text": "Cats purr.",
                    "url": "https://a.test/p",
                    "title": "A page",
                    "encrypted_index": "...",
                },
                {
                    "type": "char_location",
                    "cited_text": "purr",
                    "document_index": 1,
                    "document_title": "cats.txt",
                    "start_char_index": 5,
                    "end_char_index": 9,
                },
                "🐈 Cats",
                " purr.",
            ],
            "4": [{"type": "text", "text": ""}, " Bye."],
        }
    )
    assert found[-2]["usage"]["server_tool_use"] == {"web_search_requests": 1, "web_fetch_requests": 0}


CITATIONS: Mapping[str, Any] = {
    "openai_chat": snapshot(
        [
            {
                "type": "url_citation",
                "url_citation": {"end_index": 16, "start_index": 4, "title": "A page", "url": "https://a.test/p"},
            }
        ]
    ),
    "openai_responses": snapshot(
        [
            {"type": "url_citation", "end_index": 16, "start_index": 4, "title": "A page", "url": "https://a.test/p"},
            {"type": "file_citation", "file_id": "file-1", "filename": "cats.txt", "index": 16},
        ]
    ),
    "cohere_chat": snapshot(
        [
            {
                "start": 4,
                "end": 16,
                "text": "🐈 Cats purr.",
                "sources": [
                    {
                        "type": "document",
                        "id": "doc:0",
                        "document": {
                            "id": "doc:0",
                            "url": "https://a.test/p",
                            "title": "A page",
                            "snippet": "Cats purr.",
                        },
                    }
                ],
                "content_index": 0,
                "type": "TEXT_CONTENT",
            },
            {
                "start": 4,
                "end": 16,
                "text": "🐈 Cats purr.",
                "sources": [
                    {
                        "type": "document",
                        "id": "file-1",
                        "document": {"id": "file-1", "title": "cats.txt", "snippet": "purr"},
                    }
                ],
                "content_index": 0,
                "type": "TEXT_CONTENT",
            },
        ]
    ),
    "bedrock_converse": snapshot(
        [
            {
                "location": {"web": {"domain": "a.test", "url": "https://a.test/p"}},
                "sourceContent": [{"text": "Cats purr."}],
                "title": "A page",
            },
            {
                "location": {"documentChar": {"documentIndex": 1, "end": 9, "start": 5}},
                "sourceContent": [{"text": "purr"}],
                "title": "cats.txt",
            },
        ]
    ),
    "gemini_interactions": snapshot(
        [{"start_index": 4, "end_index": 19, "url": "https://a.test/p", "title": "A page", "type": "url_citation"}]
    ),
}


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("wire", CITATIONS)
def test_citations_are_read_back(wire: str, stream: bool) -> None:
    """The library has the provider's own citations on the text, streamed or not."""
    request = ask_of(wire, **({} if stream else {"stream": False}))
    if wire == "bedrock_converse" and not stream:
        request = msgspec.structs.replace(request, stream=False)
    message = decoded(Script.of(CITED), request).message
    assert message.text == CITED.text
    found = [each for part in message.parts if isinstance(part, TextPart) for each in part.citations]
    assert found == CITATIONS[wire]


def test_grounding_of_gemini_measures_bytes() -> None:
    """Segments are in bytes of UTF-8, and the metadata stands at the end alone."""
    found = documents("gemini", Script.of(SEARCH, FETCH, CITED), stream=True)
    candidates = [document["candidates"][0] for document in found]
    assert [bool(each.get("groundingMetadata")) for each in candidates] == [False] * (len(found) - 1) + [True]
    grounding = candidates[-1]["groundingMetadata"]
    segment = grounding["groundingSupports"][0]["segment"]
    assert (
        CITED.text.encode()[segment["startIndex"] : segment["endIndex"]].decode() == segment["text"] == "🐈 Cats purr."
    )
    assert grounding["groundingSupports"][0]["groundingChunkIndices"] == [0, 1]
    assert grounding["groundingChunks"] == snapshot(
        [
            {"web": {"uri": "https://a.test/p", "title": "A page"}},
            {"retrievedContext": {"title": "cats.txt", "text": "purr"}},
        ]
    )
    assert grounding["webSearchQueries"] == ["why cats purr"]
    assert candidates[-1]["urlContextMetadata"]["urlMetadata"][0]["retrievedUrl"] == "https://a.test/p"
    (whole,) = documents("gemini", Script.of(SEARCH, FETCH, CITED), stream=False)
    assert whole["candidates"][0]["groundingMetadata"] == grounding


def test_groq_reports_the_tools_that_it_executed() -> None:
    """A tool comes when it begins and with its output; the whole message has it once."""
    chunks = documents("openai_chat", Script.of(SEARCH, CODE, "So."), stream=True, dialect="groq")
    tools = [
        tool for chunk in chunks for choice in chunk["choices"] for tool in choice["delta"].get("executed_tools", ())
    ]
    assert [(tool["index"], tool["type"], "output" in tool) for tool in tools] == [
        (0, "search", False),
        (0, "search", True),
        (1, "python", False),
        (1, "python", True),
    ]
    (whole,) = documents("openai_chat", Script.of(SEARCH, CODE, "So."), stream=False, dialect="groq")
    assert whole["choices"][0]["message"]["executed_tools"] == [tools[1], tools[3]]


def test_openrouter_has_annotations_and_images() -> None:
    """A citation has the passage of its page, and a generated image is a data URL."""
    (whole,) = documents("openai_chat", Script.of(IMAGE, CITED), stream=False, dialect="openrouter")
    message = whole["choices"][0]["message"]
    assert message["annotations"][0]["url_citation"]["content"] == "Cats purr."
    assert message["images"][0]["image_url"]["url"] == "data:image/png;base64,SU1BR0U="


def test_audio_of_chat_completions() -> None:
    """The transcript and the data come in deltas, one id before them and the time of expiry behind them."""
    audio = Audio("They purr.", "AAAA" * 5000)
    deltas = [
        chunk["choices"][0]["delta"]["audio"]
        for chunk in documents("openai_chat", Script.of(audio), stream=True)
        if "audio" in chunk["choices"][0]["delta"]
    ]
    assert [sorted(delta) for delta in deltas] == snapshot(
        [["id", "transcript"], ["transcript"], ["transcript"], ["data"], ["data"], ["expires_at"]]
    )
    assert "".join(delta.get("data", "") for delta in deltas) == audio.data
    (whole,) = documents("openai_chat", Script.of(audio), stream=False)
    message = whole["choices"][0]["message"]
    assert message["content"] is None
    assert message["audio"] == deltas[0] | deltas[-1] | {"transcript": "They purr.", "data": audio.data}


def test_hidden_reasoning_leaves_what_the_provider_sends_in_its_place() -> None:
    """Anthropic's signature, Gemini's thought signature, an item of a response without a summary."""
    script = Script.of(Reasoning("Hm, well.", hidden=True), "So.")
    (message,) = documents("anthropic_messages", script, stream=False)
    assert (message["content"][0]["thinking"], len(message["content"][0]["signature"])) == ("", 200)
    (response,) = documents(
        "openai_responses", script, stream=False, include=["reasoning.encrypted_content"], reasoning={"effort": "low"}
    )
    assert response["output"][0]["summary"] == []
    assert response["output"][0]["encrypted_content"].startswith("gAAAAAB")
    assert response["usage"]["output_tokens_details"] == {"reasoning_tokens": 4}
    (candidates,) = documents("gemini", script, stream=False)
    parts = candidates["candidates"][0]["content"]["parts"]
    assert [sorted(part) for part in parts] == [["text"], ["text", "thoughtSignature"]]
    assert candidates["usageMetadata"]["thoughtsTokenCount"] == 4
    chunks = documents("anthropic_messages", script, stream=True)
    deltas = [event["delta"]["type"] for event in chunks if event["type"] == "content_block_delta"]
    assert deltas == ["signature_delta", "text_delta", "text_delta"]


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize(
    ("wire", "model", "signed"),
    [
        ("gemini", "gemini-3-pro", True),
        ("bedrock_converse", "anthropic.claude-opus-4-6-v1:0", True),
        ("bedrock_converse", "us.deepseek.r1-v1:0", False),
        ("anthropic_messages", "m", True),
        ("openai_chat", "m", False),
        ("ollama", "m", False),
    ],
)
def test_signed_reasoning_has_a_signature_where_its_provider_sends_one(
    wire: str, model: str, signed: bool, stream: bool
) -> None:
    """A signature is made up for it, and its text is sent."""
    request = ask_of(wire, **({} if stream or wire in ("gemini", "bedrock_converse") else {"stream": False}))
    request = msgspec.structs.replace(request, model=model, stream=stream)
    message = decoded(Script.of(Reasoning("Hm.", signed=True), "So."), request).message
    assert (message.reasoning, message.text) == ("Hm.", "So.")
    assert any(isinstance(part, ReasoningPart) and part.signature for part in message.parts) == signed


@given(data=st.data(), text=texts)
def test_runs_of_cited_text_join_to_it(data: st.DataObject, text: str) -> None:
    """The runs join to the text, their pieces to them, and each citation is that of just its characters."""
    spans = st.tuples(st.integers(0, len(text) - 1), st.integers(1, len(text))).filter(lambda span: span[0] < span[1])
    found = data.draw(st.lists(spans, max_size=4, unique=True))
    citations = tuple(Citation(f"https://a.test/{number}", start=a, end=b) for number, (a, b) in enumerate(found))
    pieces = data.draw(pieces_of(text))
    runs = cited_runs(Text(text, pieces, tuple(float(n) for n in range(len(pieces))), citations), (1, 3))
    assert "".join(run.text for run in runs) == text
    assert all("".join(run.pieces) == run.text for run in runs if citations)
    assert all(len(run.at) == (len(run.pieces) if pieces else 0) for run in runs)
    for number, (start, end) in enumerate(found):
        url = f"https://a.test/{number}"
        cited = "".join(run.text for run in runs if url in [citation.url for citation in run.citations])
        assert cited == text[start:end]
