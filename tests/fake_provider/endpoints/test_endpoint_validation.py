"""What each provider refuses at its endpoints, in its own form; without `validate` only what can't be read."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.sessions.session import Session

OPENAI = {"model": "text-embedding-3-small", "input": "a"}
MISTRAL = {"model": "mistral-embed", "input": "a"}
COHERE = {"model": "embed-v4.0", "texts": ["a"], "input_type": "search_query"}
RANK = {"model": "rerank-v3.5", "query": "a", "documents": ["a"]}
GEMINI = "/v1beta/models/gemini-embedding-001:embedContent"
BATCH = "/v1beta/models/gemini-embedding-001:batchEmbedContents"
PREDICT = "/v1/projects/p/locations/l/publishers/google/models/text-embedding-005:predict"
CONTENT = {"content": {"parts": [{"text": "a"}]}}
CHAT = {"messages": [{"role": "user", "content": "a"}]}
CONVERSE = {"messages": [{"role": "user", "content": [{"text": "a"}]}]}
TITAN = "/model/amazon.titan-embed-text-v2:0/invoke"
BEDROCK_COHERE = "/model/cohere.embed-english-v3/invoke"

REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    ("/v1/embeddings", OPENAI | {"input": ["a"] * 2049}, 400, "maximum length 2048"),
    ("/v1/embeddings", OPENAI | {"input": ""}, 400, "'$.input' is invalid"),
    ("/v1/embeddings", OPENAI | {"input": []}, 400, "'$.input' is invalid"),
    ("/v1/embeddings", OPENAI | {"input": ["a", ""]}, 400, "'$.input' is invalid"),
    ("/v1/embeddings", OPENAI | {"input": "word " * 9000}, 400, "maximum context length is 8192 tokens"),
    ("/v1/embeddings", OPENAI | {"input": [[1] * 8000] * 40}, 400, "max 300000 tokens per request"),
    ("/v1/embeddings", OPENAI | {"dimensions": 1537}, 400, "Must be less than or equal to 1536"),
    ("/v1/embeddings", OPENAI | {"dimensions": 0}, 400, "'dimensions'"),
    ("/v1/embeddings", OPENAI | {"model": "text-embedding-ada-002", "dimensions": 8}, 400, "does not support"),
    ("/v1/embeddings", OPENAI | {"encoding_format": "int8"}, 400, "Supported values are: 'float' and 'base64'"),
    ("/v1/embeddings", OPENAI | {"inputs_": 1}, 400, "Unrecognized request argument supplied: inputs_"),
    ("/v1/embeddings", MISTRAL | {"output_dimension": 8}, 400, "does not support output_dimension"),
    ("/v1/embeddings", MISTRAL | {"dimensions": 8}, 422, "dimensions"),
    ("/v2/embed", COHERE | {"texts": ["a"] * 97}, 400, "at most 96 - received 97"),
    ("/v2/embed", COHERE | {"input_type": None}, 400, "valid input_type must be provided"),
    ("/v2/embed", COHERE | {"input_type": "poem"}, 400, "input_type must be one of"),
    ("/v2/embed", COHERE | {"texts": []}, 400, "one of texts, images or inputs must be provided"),
    ("/v2/embed", COHERE | {"output_dimension": 300}, 400, "must be one of 256, 512, 1024, 1536"),
    ("/v2/embed", COHERE | {"model": "embed-english-v3.0", "output_dimension": 256}, 400, "not supported by the model"),
    ("/v2/embed", COHERE | {"embedding_types": ["int4"]}, 400, "embedding_types must be among"),
    ("/v1/embed", COHERE | {"foo": 1}, 422, "unknown field: parameter 'foo'"),
    ("/v2/rerank", RANK | {"documents": []}, 400, "list of documents must not be empty"),
    ("/v2/rerank", RANK | {"query": ""}, 400, "query must not be empty"),
    ("/v2/rerank", RANK | {"top_n": 0}, 400, "top_n must be greater than 0"),
    ("/v2/rerank", RANK | {"foo": True}, 422, "foo"),
    (GEMINI, {"content": {"parts": []}}, 400, "content: contents is not specified"),
    (GEMINI, CONTENT | {"outputDimensionality": 4000}, 400, "at most 3072"),
    (GEMINI, CONTENT | {"contents": []}, 400, 'Unknown name \\"contents\\"'),
    (BATCH, {"requests": [CONTENT] * 101}, 400, "at most 100 requests can be in one batch"),
    (BATCH, {"requests": [CONTENT | {"model": "models/other"}]}, 400, "requests[0].model"),
    (PREDICT, {"instances": [{"content": "a"}] * 251}, 400, "more than the allowed 250"),
    (PREDICT, {"instances": [{"content": ""}]}, 400, "The text content is empty."),
    (TITAN, {"inputText": ""}, 400, "Malformed input request: #/inputText: expected minLength: 1, actual: 0"),
    (TITAN, {"inputText": "a", "texts": []}, 400, "#: extraneous key [texts] is not permitted"),
    (TITAN, {"inputText": "a", "dimensions": 300}, 400, "300 is not a valid enum value"),
    (TITAN, {"inputText": "word " * 9000}, 400, "Too many input tokens. Max input tokens: 8192"),
    ("/model/amazon.titan-embed-text-v1/invoke", {"inputText": "a", "dimensions": 256}, 400, "[dimensions]"),
    (BEDROCK_COHERE, {"inputText": "a", "texts": ["a"]}, 400, "#: required key [input_type] not found"),
    ("/api/embed", {"model": "m", "input": "word " * 9000, "truncate": False}, 400, "exceeds the context length"),
    ("/v1/moderations", {"input": []}, 400, "empty array"),
    # Chats with models for embeddings, and embeddings of models for chats
    ("/v1/embeddings", OPENAI | {"model": "gpt-5.2"}, 403, "not allowed to generate embeddings from this model"),
    ("/v1/chat/completions", CHAT | {"model": "text-embedding-3-small"}, 404, "This is not a chat model"),
    ("/model/amazon.titan-embed-text-v2:0/converse", CONVERSE, 400, "Try again with a supported text or chat model"),
    ("/v1beta/models/gemini-2.5-flash:embedContent", CONTENT, 404, "not supported for embedContent"),
    ("/v1beta/models/gemini-embedding-001:generateContent", {"contents": [CONTENT["content"]]}, 404, "not supported"),
    ("/v1/moderations", {"input": "a", "foo": 1}, 400, "Unrecognized request argument supplied: foo"),
]
UNREADABLE: list[tuple[str, dict[str, Any], str]] = [
    ("/v1/embeddings", {"input": "a"}, "you must provide a model parameter"),
    ("/v1/embeddings", {"model": "m"}, "Missing required parameter: 'input'"),
    ("/v1/embeddings", {"model": "m", "input": 3}, "'$.input' is invalid"),
    ("/v1/embeddings", {"model": "m", "input": [1, "a"]}, "'$.input' is invalid"),
    ("/v1/embeddings", OPENAI | {"dimensions": "8"}, "expected an integer"),
    ("/v2/embed", {"texts": ["a"]}, "model is required"),
    ("/v2/embed", COHERE | {"texts": "a"}, "texts must be an array"),
    ("/v2/embed", COHERE | {"texts": [1]}, "array of strings"),
    ("/v2/rerank", {"model": "m", "query": "a"}, "list of documents must not be empty"),
    ("/v2/rerank", RANK | {"documents": [1]}, "documents must be strings or objects"),
    (BATCH, {}, "requests is not specified"),
    (GEMINI, CONTENT | {"outputDimensionality": "many"}, "output_dimensionality"),
    (PREDICT, {}, "Invalid instances"),
    (TITAN, {"inputText": 3}, "expected type: String"),
    (
        "/model/amazon.titan-embed-text-v2:0/invoke-with-response-stream",
        {"inputText": "a"},
        "unsupported for streaming",
    ),
    ("/api/embed", {"input": "a"}, "model is required"),
    ("/api/embed", {"model": "m", "input": 3}, "invalid input type"),
    ("/api/embeddings", {"model": "m", "prompt": []}, "cannot unmarshal array into Go struct field"),
    ("/v1/moderations", {}, "Missing required parameter: 'input'"),
    ("/v1/moderations", {"input": [{"type": "audio"}]}, "Invalid value for 'input'"),
]


@pytest.fixture
def url(server: FakeProviderServer, session: Session) -> str:
    """The session's base URL."""
    return f"{server.url}/s/{session.id}"


@pytest.mark.parametrize(("path", "body", "status", "message"), REFUSED)
def test_the_provider_refuses(
    path: str, body: dict[str, Any], status: int, message: str, url: str, session: Session, http: httpx2.Client
) -> None:
    """With its message and status; a session that does not validate answers."""
    refused = http.post(url + path, json=body)
    assert (refused.status_code, message in refused.text) == (status, True), refused.text
    if len(str(body)) > 2000:
        return  # it would take long
    session.configure(validate=False)
    assert http.post(url + path, json=body).status_code == 200


@pytest.mark.parametrize(("path", "body", "message"), UNREADABLE)
def test_what_cannot_be_read_is_refused(
    path: str, body: dict[str, Any], message: str, url: str, session: Session, http: httpx2.Client
) -> None:
    """In any session, as nothing could be answered."""
    session.configure(validate=False)
    refused = http.post(url + path, json=body)
    assert (refused.status_code, message in refused.text) == (400, True), refused.text


@pytest.mark.parametrize(
    ("path", "body", "place"),
    [
        ("/v1/embeddings", OPENAI | {"input": ""}, ("error", "type")),
        ("/v1/embeddings", MISTRAL | {"input": ""}, ("raw_status_code",)),
        ("/v2/embed", COHERE | {"texts": []}, ("message",)),
        (GEMINI, {"content": {}}, ("error", "status")),
        (TITAN, {"inputText": ""}, ("message",)),
        ("/api/embed", {}, ("error",)),
    ],
)
def test_refusals_have_the_form_of_the_provider(
    path: str, body: dict[str, Any], place: tuple[str, ...], url: str, http: httpx2.Client
) -> None:
    """Each provider's errors are where its SDK looks for them."""
    value = http.post(url + path, json=body).json()
    for name in place:
        value = value[name]
    assert value


@pytest.mark.parametrize(
    "body",
    [
        OPENAI | {"dimensions": 1, "encoding_format": "base64", "user": "u"},
        {"model": "voyage-3.5", "input": ["a"], "input_type": "query", "output_dtype": "int8", "truncation": True},
        {
            "model": "jina-embeddings-v3",
            "input": [{"text": "a"}, {"image": "https://x/y.png"}],
            "task": "retrieval.query",
        },
        {"model": "BAAI/bge-m3", "input": "a", "truncate_prompt_tokens": 5},
        {"model": "unknown", "input": "a", "dimensions": 4000},
        MISTRAL | {"model": "codestral-embed", "output_dimension": 3072, "output_dtype": "binary"},
    ],
)
def test_other_providers_have_their_own_fields(body: dict[str, Any], url: str, http: httpx2.Client) -> None:
    """OpenAI's limits hold for its own models only."""
    assert http.post(f"{url}/v1/embeddings", json=body).status_code == 200


@pytest.mark.parametrize("given", ["", [], None])
def test_ollama_embeds_nothing(given: Any, url: str, http: httpx2.Client) -> None:
    """An empty input has no vector there, and is no error."""
    answer = http.post(f"{url}/api/embeddings", json={"model": "m", "prompt": given or ""})
    assert answer.json() == {"embedding": []}
    if given != "":
        assert http.post(f"{url}/api/embed", json={"model": "m", "input": given}).json()["embeddings"] == []
