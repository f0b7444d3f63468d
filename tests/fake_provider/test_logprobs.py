"""Log probabilities: they fit the tokens, and are sent where each provider sends them, if they are requested."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fake_provider.asks import COMPLETE_PATHS, PATHS, ask_of
from tests.round_trip import decoded
from tests.script_strategies import texts
from tokentape_fake_provider import Reasoning, Refusal, Script, Text, ToolCall
from tokentape_fake_provider.wires import BUILT_IN, wire_named
from tokentape_fake_provider.wires.logprobs import Logprobs

TEXT = "Hello, 世界! It costs 1234 👩\u200d👩\u200d👧 or so."


class Token(NamedTuple):
    """A token as a provider reports it."""

    text: str
    logprob: float
    top: list[tuple[str, float]] | None
    data: list[int] | None = None


def openai_tokens(tokens: list[dict[str, Any]]) -> Iterator[Token]:
    """Those of OpenAI's form."""
    for token in tokens:
        top = [(other["token"], other["logprob"]) for other in token.get("top_logprobs", ())]
        assert all(other["bytes"] == list(other["token"].encode()) for other in token.get("top_logprobs", ()))
        yield Token(token["token"], token["logprob"], top, token["bytes"])


def chat_tokens(document: dict[str, Any]) -> Iterator[Token]:
    for choice in document["choices"]:
        yield from openai_tokens((choice["logprobs"] or {}).get("content") or [])


def completions_tokens(document: dict[str, Any]) -> Iterator[Token]:
    for choice in document["choices"]:
        found = choice["logprobs"] or {"tokens": ()}
        for number, token in enumerate(found["tokens"]):
            top = sorted(found["top_logprobs"][number].items(), key=lambda pair: -pair[1])
            yield Token(token, found["token_logprobs"][number], top)


def responses_tokens(document: dict[str, Any]) -> Iterator[Token]:
    if document.get("type") == "response.output_text.delta":
        yield from openai_tokens(document["logprobs"])
    for item in document.get("output", ()) if "type" not in document else ():
        for part in item["content"]:
            yield from openai_tokens(part["logprobs"])


def gemini_tokens(document: dict[str, Any]) -> Iterator[Token]:
    for candidate in document["candidates"]:
        found = candidate.get("logprobsResult", {"chosenCandidates": []})
        for number, chosen in enumerate(found["chosenCandidates"]):
            tops = found["topCandidates"][number]["candidates"] if "topCandidates" in found else []
            yield Token(
                chosen["token"], chosen["logProbability"], [(each["token"], each["logProbability"]) for each in tops]
            )


def ollama_tokens(document: dict[str, Any]) -> Iterator[Token]:
    yield from openai_tokens(document.get("logprobs", []))


def cohere_tokens(document: dict[str, Any]) -> Iterator[Token]:
    found = document.get("logprobs") or []
    for item in found if isinstance(found, list) else [found]:
        assert item["text"] == "".join(item["tokens"]) if "tokens" in item else True
        assert len(item["token_ids"]) == len(item["logprobs"])
        yield Token(item["text"], sum(item["logprobs"]), None)


class Form(NamedTuple):
    """How a wire format requests them, with this number of alternatives, and reads them."""

    fields: Callable[[int], dict[str, Any]]
    tokens: Callable[[dict[str, Any]], Iterator[Token]]


FORMS: Mapping[str, Form] = {
    "openai_chat": Form(lambda top: {"logprobs": True, "top_logprobs": top}, chat_tokens),
    "openai_completions": Form(lambda top: {"logprobs": top}, completions_tokens),
    "openai_responses": Form(
        lambda top: {"include": ["message.output_text.logprobs"], "top_logprobs": top}, responses_tokens
    ),
    "gemini": Form(lambda top: {"generationConfig": {"responseLogprobs": True, "logprobs": top}}, gemini_tokens),
    "ollama": Form(lambda top: {"logprobs": True, "top_logprobs": top}, ollama_tokens),
    "cohere_chat": Form(lambda _top: {"logprobs": True}, cohere_tokens),
}


def documents(wire: str, script: Script, *, stream: bool, dialect: str = "", **fields: Any) -> list[dict[str, Any]]:
    """The JSON documents of a response."""
    if not stream and wire not in COMPLETE_PATHS:
        fields["stream"] = False
    request = msgspec.structs.replace(ask_of(wire, **fields), dialect=dialect)
    if not stream:
        return [json.loads(wire_named(wire).encode_complete(script, request).body)]
    body = b"".join(frame.data for frame in wire_named(wire).encode_stream(script, request)).decode()
    lines = body.splitlines() if wire == "ollama" else [line[6:] for line in body.split("\n") if line[:7] == "data: {"]
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("wire", FORMS)
def test_they_fit_the_tokens(wire: str, stream: bool) -> None:
    """The tokens join to the text, their bytes are its UTF-8, and each has its alternatives, if they are requested."""
    form = FORMS[wire]
    found = documents(wire, Script.of(TEXT), stream=stream, **form.fields(5))
    tokens = [token for document in found for token in form.tokens(document)]
    assert "".join(token.text for token in tokens) == TEXT
    assert all(token.data is None or bytes(token.data).decode() == token.text for token in tokens)
    assert all(token.top is None or len(token.top) in (5, 6) for token in tokens)
    assert all(token.logprob <= 0 for token in tokens)
    plain = documents(wire, Script.of(TEXT), stream=stream)
    assert [token for document in plain for token in form.tokens(document)] == []
    assert found != plain


@pytest.mark.parametrize("wire", FORMS)
def test_a_stream_has_those_of_the_whole_response(wire: str) -> None:
    """Equal requests get equal log probabilities, streamed or not."""
    form = FORMS[wire]
    streamed, whole = (
        [
            token
            for document in documents(wire, Script.of(TEXT), stream=stream, **form.fields(3))
            for token in form.tokens(document)
        ]
        for stream in (True, False)
    )
    if wire == "cohere_chat":
        assert math.isclose(sum(t.logprob for t in streamed), sum(t.logprob for t in whole))
    else:
        assert streamed == whole


@pytest.mark.parametrize("wire", FORMS)
def test_the_library_keeps_them(wire: str) -> None:
    """The library reads such a stream as it reads one without them."""
    form = FORMS[wire]
    script = Script.of("Hello, ", Text("世界!"))
    assert decoded(script, ask_of(wire, **form.fields(2)), piece=7).text == "Hello, 世界!"


@given(text=texts, seed=st.text(max_size=5), top=st.integers(0, 20))
def test_the_law_of_probabilities(text: str, seed: str, top: int) -> None:
    """Alternatives are distinct and sorted, and their probabilities and the token's sum to at most 1."""
    tokens = Logprobs(seed, top).of(text)
    assert "".join(token.token for token in tokens) == text
    assert Logprobs(seed, top).of(text) == tokens
    for token in tokens:
        names = [name for name, _ in token.top]
        probabilities = [math.exp(logprob) for _, logprob in token.top]
        assert len(set(names)) == len(names) == top
        assert probabilities == sorted(probabilities, reverse=True)
        among = dict(token.top).get(token.token)
        assert among is None or among == token.logprob
        assert sum(probabilities) + (0 if among is not None else math.exp(token.logprob)) <= 1


def test_the_token_is_mostly_the_likeliest_but_not_always() -> None:
    """Of many tokens most are the likeliest at their place, some are another one, and few are not reported."""
    tokens = Logprobs("seed", 2).of("word " * 2000)
    ranks = [
        [name for name, _ in token.top].index(token.token) if token.token in dict(token.top) else 2 for token in tokens
    ]
    assert ranks.count(0) > 1500
    assert ranks.count(1) > 20
    assert ranks.count(2) > 20


def test_refusals_have_them_in_a_field_of_their_own() -> None:
    """OpenAI reports those of a refusal beside those of the text, and none for calls."""
    script = Script.of(Refusal("No, sorry."), ToolCall.of("f"))
    (whole,) = documents("openai_chat", script, stream=False, logprobs=True)
    found = whole["choices"][0]["logprobs"]
    assert ("".join(token["token"] for token in found["refusal"]), found["content"]) == ("No, sorry.", None)
    chunks = documents("openai_chat", script, stream=True, logprobs=True)
    assert [chunk["choices"][0]["logprobs"] is None for chunk in chunks if "tool_calls" in chunk["choices"][0]["delta"]]


DIALECTS = {
    "azure": {"content", "refusal"},
    "openrouter": {"content", "refusal"},
    "xai": {"content"},
    "deepseek": {"content", "reasoning_content"},
    "groq": set[str](),
    "mistral": set[str](),
}


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_dialects_report_what_their_providers_do(dialect: str, stream: bool) -> None:
    """DeepSeek reports those of reasoning too, Groq and Mistral none."""
    script = Script.of(Reasoning("Hm, so."), "Hello there.")
    found = documents("openai_chat", script, stream=stream, dialect=dialect, logprobs=True, top_logprobs=1)
    names: set[str] = set()
    text = ""
    for document in found:
        for choice in document["choices"]:
            names |= set(choice.get("logprobs") or ())
            text += "".join(token["token"] for token in (choice.get("logprobs") or {}).get("content") or ())
    assert names == DIALECTS[dialect]
    assert text == ("Hello there." if names else "")


def test_an_average_ends_a_candidate_of_gemini() -> None:
    """`avgLogprobs` is the average of those of all chunks, and stands in the last one alone."""
    form = FORMS["gemini"]
    found = documents("gemini", Script.of(TEXT), stream=True, **form.fields(0))
    logprobs = [token.logprob for document in found for token in gemini_tokens(document)]
    averages = [document["candidates"][0].get("avgLogprobs") for document in found]
    assert averages[:-1] == [None] * (len(averages) - 1)
    assert math.isclose(averages[-1], sum(logprobs) / len(logprobs))


def test_offsets_of_completions_count_the_prompt() -> None:
    """`text_offset` is where a token begins behind the prompt of its choice."""
    (whole,) = documents(
        "openai_completions", Script.of("a b"), stream=False, logprobs=1, prompt=["four", "fiver"], n=2
    )
    offsets = [choice["logprobs"]["text_offset"] for choice in whole["choices"]]
    assert offsets == [[4, 5], [4, 5], [5, 6], [5, 6]]


def test_other_wire_formats_have_none() -> None:
    """Anthropic, Bedrock and Gemini's interactions have no log probabilities."""
    assert set(BUILT_IN) - set(FORMS) == {
        "anthropic_messages",
        "bedrock_converse",
        "bedrock_invoke",
        "gemini_interactions",
    }
    assert set(PATHS) == set(BUILT_IN)
