"""What the simulated model's answer has where a request asks for search, documents, images, audio or reasoning."""

from __future__ import annotations

import base64
import io
import json
import wave
from typing import Any

import anthropic
import cohere
import openai
import pytest
from google import genai

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.script.model import Audio, Choice, Reasoning, ServerTool, Text, ToolCall
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.simulation.server_tools import with_server_items
from tokentape_fake_provider.wires.prompt import Document, Message, OutputFormat, Prompt, Tool, ToolChoice

TEXT = "One sentence. Another one! A third? A fourth."


def answered(text: str = TEXT, **fields: Any) -> Choice:
    """The choice with what a prompt of these fields asks for."""
    prompt = Prompt(
        messages=(Message("user", "Tell me all about cats, please, and read https://cats.test/a."),), **fields
    )
    return with_server_items(Choice((Reasoning("hm"), Text(text))), prompt, seed="seed", locale="en_US")


def test_a_plain_prompt_adds_nothing() -> None:
    """Without tools of the provider, documents and modalities the choice stays as it is."""
    assert answered() == Choice((Reasoning("hm"), Text(TEXT)))
    assert answered(tools=(Tool("f"),)).items == (Reasoning("hm"), Text(TEXT))
    called = Choice((ToolCall.of("f"),))
    prompt = Prompt(tools=(Tool("web_search", kind="web_search"),))
    assert with_server_items(called, prompt, seed="seed", locale="en_US") == called


@pytest.mark.parametrize("locale", ["en_US", "ja_JP", "ar_AA"])
def test_a_search_is_cited_sentence_by_sentence(locale: str) -> None:
    """The first sentences rest on the pages that were found, and equal seeds find equal pages."""
    prompt = Prompt(messages=(Message("user", "cats"),), tools=(Tool("web_search", kind="web_search"),))
    choice = with_server_items(Choice((Text(TEXT),)), prompt, seed="seed", locale=locale)
    assert choice == with_server_items(Choice((Text(TEXT),)), prompt, seed="seed", locale=locale)
    search, text = choice.items
    assert isinstance(search, ServerTool)
    assert isinstance(text, Text)
    assert search.input == "cats"
    assert [text.text[c.start : c.end] for c in text.citations] == ["One sentence.", "Another one!", "A third?"]
    assert [c.url for c in text.citations] == [source.url for source in search.sources]
    assert all(c.quote in source.text for c, source in zip(text.citations, search.sources, strict=True))


def test_each_tool_runs_once() -> None:
    """Every kind that the request offers is there, before the text, with the definition's own settings."""
    mcp = {"server_label": "wiki", "allowed_tools": ["ask"]}
    tools = (
        Tool("web_fetch", kind="web_fetch"),
        Tool("web_fetch", kind="web_fetch"),
        Tool("file_search", kind="file_search"),
        Tool("code_interpreter", kind="code_interpreter"),
        Tool("image_generation", kind="image_generation", definition={"partial_images": 2}),
        Tool("mcp", kind="mcp", definition=mcp),
        Tool("computer", kind="computer"),
    )
    ran = [item for item in answered(tools=tools, modalities=("image",)).items if isinstance(item, ServerTool)]
    assert [(tool.kind, tool.name) for tool in ran] == [
        ("web_fetch", ""),
        ("file_search", ""),
        ("code_interpreter", ""),
        ("image_generation", ""),
        ("mcp", ""),
        ("mcp", "ask"),
    ]
    assert ran[0].input == "https://cats.test/a"
    output = io.StringIO()
    exec(ran[2].input, {"print": lambda value: output.write(f"{value}\n")})
    assert output.getvalue() == ran[2].output
    assert [base64.b64decode(image)[:4] for image in ran[3].images] == [b"\x89PNG"] * 3
    assert json.loads(ran[5].input)["query"].startswith("Tell me all")
    assert ran[5].server == "wiki"


def test_documents_are_quoted_where_citations_are_wanted() -> None:
    """A citation has the number of its document, and the place of the passage in it."""
    documents = (Document("Cats purr. They do.", "cats", "doc-7"), Document("", "empty"), Document("Dogs bark."))
    (_, text) = answered(documents=documents, citations=True).items
    assert isinstance(text, Text)
    assert [(c.document, c.id, c.title, c.quote) for c in text.citations] == [
        (0, "doc-7", "cats", "Cats purr."),
        (2, "", "", "Dogs bark."),
        (0, "doc-7", "cats", "Cats purr."),
    ]
    assert answered(documents=documents).items == (Reasoning("hm"), Text(TEXT))


def test_what_forbids_it() -> None:
    """No tool runs where the choice is none, and JSON is not cited."""
    tools = (Tool("web_search", kind="web_search"),)
    assert answered(tools=tools, tool_choice=ToolChoice("none")).items == (Reasoning("hm"), Text(TEXT))
    cited = answered('{"a":1}', tools=tools, output=OutputFormat("json")).items
    assert cited[-1] == Text('{"a":1}')


def test_audio_is_as_long_as_its_transcript() -> None:
    """The text is spoken where the request wants audio: silence of 10 ms for each token."""
    (_, audio) = answered("One two three.", modalities=("text", "audio")).items
    assert isinstance(audio, Audio)
    assert (audio.transcript, len(base64.b64decode(audio.data))) == ("One two three.", 4 * 480)


def test_the_openai_sdk_reads_a_simulated_search(openai_client: openai.OpenAI) -> None:
    """The call, the annotations and the sources are there, without a script."""
    with openai_client.responses.stream(
        model="gpt-5",
        input="News about cats?",
        tools=[
            {"type": "web_search"},
            {"type": "code_interpreter", "container": {"type": "auto"}},
        ],
    ) as stream:
        final = stream.get_final_response()
    assert [item.type for item in final.output] == ["web_search_call", "code_interpreter_call", "message"]
    message: Any = final.output[-1]
    (part,) = message.content
    assert [annotation.type for annotation in part.annotations] == ["url_citation"] * len(part.annotations)
    assert part.annotations
    for annotation in part.annotations:
        assert part.text[annotation.start_index : annotation.end_index].endswith(".")


def test_the_openai_sdk_reads_simulated_audio_and_logprobs(openai_client: openai.OpenAI) -> None:
    """Chat completions have audio with a transcript, and log probabilities that join to the text."""
    spoken = openai_client.chat.completions.create(
        model="gpt-4o-audio-preview",
        messages=[{"role": "user", "content": "Hi"}],
        modalities=["text", "audio"],
        audio={"voice": "alloy", "format": "wav"},
    ).choices[0]
    assert spoken.message.audio is not None
    assert spoken.message.audio.transcript
    with wave.open(io.BytesIO(base64.b64decode(spoken.message.audio.data))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24_000)
        assert file.getnframes() > 0
    text = openai_client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "Hi"}], logprobs=True, top_logprobs=3
    ).choices[0]
    assert text.logprobs is not None
    assert text.logprobs.content is not None
    assert "".join(token.token for token in text.logprobs.content) == text.message.content


def test_the_anthropic_sdk_reads_a_simulated_search_and_documents(server: FakeProviderServer, session: Session) -> None:
    """The blocks of the search, and citations of its pages; and those of documents."""
    with anthropic.Anthropic(base_url=server.base_url("anthropic_messages", session.id), api_key="k") as client:
        with client.messages.stream(
            model="m",
            max_tokens=1000,
            messages=[{"role": "user", "content": "News about cats?"}],
            tools=[{"type": "web_search_20250305", "name": "web_search"}],
        ) as stream:
            message = stream.get_final_message()
        assert [block.type for block in message.content][:3] == ["server_tool_use", "web_search_tool_result", "text"]
        cited = [block for block in message.content if block.type == "text" and block.citations]
        assert cited
        assert {citation.type for block in cited for citation in block.citations or ()} == {
            "web_search_result_location"
        }
        source: Any = {"type": "text", "media_type": "text/plain", "data": "Cats purr. They do."}
        document: Any = {"type": "document", "source": source, "title": "cats", "citations": {"enabled": True}}
        answer = client.messages.create(
            model="m",
            max_tokens=1000,
            messages=[{"role": "user", "content": [document, {"type": "text", "text": "What do cats do?"}]}],
        )
        citations: list[Any] = [c for block in answer.content if block.type == "text" for c in block.citations or ()]
        assert {(c.type, c.cited_text, c.document_title) for c in citations} == {
            ("char_location", "Cats purr.", "cats")
        }
        assert "Cats purr. They do."[citations[0].start_char_index : citations[0].end_char_index] == "Cats purr."


def test_the_google_sdk_reads_simulated_grounding(server: FakeProviderServer, session: Session) -> None:
    """The metadata has queries, pages and supports whose bytes are those of the text."""
    options = genai.types.HttpOptions(base_url=server.base_url("gemini", session.id))
    with genai.Client(api_key="k", http_options=options) as client:
        response = client.models.generate_content(
            model="gemini-3-flash",
            contents="News about cats?",
            config=genai.types.GenerateContentConfig(
                tools=[genai.types.Tool(google_search=genai.types.GoogleSearch())], response_logprobs=True, logprobs=2
            ),
        )
        assert response.candidates
        candidate = response.candidates[0]
        assert candidate.grounding_metadata is not None
        assert candidate.grounding_metadata.web_search_queries == ["News about cats?"]
        for support in candidate.grounding_metadata.grounding_supports or ():
            assert support.segment is not None
            segment = (response.text or "").encode()[support.segment.start_index or 0 : support.segment.end_index]
            assert segment.decode() == support.segment.text
        assert candidate.logprobs_result is not None
        assert candidate.avg_logprobs is not None
        chosen = candidate.logprobs_result.chosen_candidates or ()
        assert "".join(token.token or "" for token in chosen) == response.text


def test_the_cohere_sdk_reads_simulated_citations(server: FakeProviderServer, session: Session) -> None:
    """Documents of the request are cited with their own ids and data."""
    with cohere.ClientV2("k", base_url=server.base_url("cohere_chat", session.id), max_retries=0) as client:
        events = client.chat_stream(
            model="command-a",
            messages=[{"role": "user", "content": "What do cats do?"}],
            documents=[{"id": "cats", "data": {"text": "Cats purr.", "title": "Cats"}}],
        )
        citations: list[Any] = [
            event.delta.message.citations
            for event in events
            if event.type == "citation-start"  # type: ignore[union-attr]
        ]
        assert citations
        assert citations[0].sources[0].id == "cats"
        assert citations[0].sources[0].document["text"] == "Cats purr."
