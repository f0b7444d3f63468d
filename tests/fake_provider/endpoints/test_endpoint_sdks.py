"""What the official SDKs, unmodified, read of embeddings, rankings and moderations."""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import boto3
import cohere
import httpx
import ollama
import openai
import pytest
from google import genai
from google.genai import types
from mistralai.client import Mistral

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.script.tokenizer import count_tokens
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.simulation import results

CATS = ["A cat sleeps on the sofa", "The cats are sleeping", "Interest rates rise"]
TOKENS = sum(map(count_tokens, CATS))
AWS = {"aws_access_key_id": "AKIAFAKE", "aws_secret_access_key": "secret", "region_name": "us-east-1"}


@pytest.fixture
def url(server: FakeProviderServer, session: Session) -> str:
    """The session's base URL."""
    return f"{server.url}/s/{session.id}"


def check(vectors: Sequence[Sequence[float]] | None, size: int) -> None:
    """Three vectors of unit length and this size, of which the first two are nearer than the third."""
    assert vectors is not None
    assert [len(vector) for vector in vectors] == [size] * 3
    for vector in vectors:
        assert math.hypot(*vector) == pytest.approx(1, abs=1e-5)
    first, second, third = vectors
    assert cosine(first, second) > 0.3 > cosine(first, third)


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """The cosine of two vectors of any length."""
    product = sum(a * b for a, b in zip(one, other, strict=True))
    return product / math.hypot(*one) / math.hypot(*other)


@pytest.mark.parametrize(
    ("model", "dimensions", "size"),
    [
        ("text-embedding-3-small", None, 1536),
        ("text-embedding-3-large", None, 3072),
        ("text-embedding-ada-002", None, 1536),
        ("text-embedding-3-large", 256, 256),
        ("BAAI/bge-m3", None, 1024),
        ("voyage-3.5", None, 1024),
    ],
)
def test_openai_reads_embeddings(openai_client: openai.OpenAI, model: str, dimensions: int | None, size: int) -> None:
    """By default it requests base64; usage is what a chat would count."""
    read = openai_client.embeddings.create(model=model, input=CATS, dimensions=dimensions or openai.omit)
    assert [one.index for one in read.data] == [0, 1, 2]
    check([one.embedding for one in read.data], size)
    assert read.usage.prompt_tokens == read.usage.total_tokens == TOKENS


def test_both_encodings_have_the_same_numbers(openai_client: openai.OpenAI) -> None:
    """Floats in JSON are exactly those in base64."""
    floats = openai_client.embeddings.create(model="text-embedding-3-small", input=CATS[0], encoding_format="float")
    raw = openai_client.embeddings.with_raw_response.create(
        model="text-embedding-3-small", input=CATS[0], encoding_format="base64"
    )
    data = base64.b64decode(json.loads(raw.content)["data"][0]["embedding"])
    assert list(struct.unpack("<1536f", data)) == floats.data[0].embedding


def test_openai_reads_embeddings_of_tokens(openai_client: openai.OpenAI) -> None:
    """An array of tokens is one input, an array of those several; texts with the same tokens are near."""
    one = openai_client.embeddings.create(model="text-embedding-3-small", input=[9000, 12000, 15000])
    three = openai_client.embeddings.create(
        model="text-embedding-3-small", input=[[9000, 12000], [12000, 9000, 7], [1]]
    )
    assert (len(one.data), one.usage.prompt_tokens) == (1, 3)
    assert three.usage.prompt_tokens == 6
    first, second, third = (each.embedding for each in three.data)
    assert cosine(first, second) > 0.9
    assert abs(cosine(first, third)) < 0.2


def test_usage_is_that_of_a_chat(openai_client: openai.OpenAI) -> None:
    """The same text counts the same in a message and as an input."""
    text = "How many tokens? Ünïcode, 12345 and 東京."
    chat = openai_client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
    embedded = openai_client.embeddings.create(model="text-embedding-3-small", input=text)
    assert chat.usage is not None
    assert chat.usage.prompt_tokens == embedded.usage.prompt_tokens


def test_azure_reads_embeddings(url: str) -> None:
    """The deployment in the path is the model."""
    with openai.AzureOpenAI(azure_endpoint=url, api_key="k", api_version="2024-10-21") as client:
        read = client.embeddings.create(model="text-embedding-3-small", input=CATS, dimensions=512)
        assert read.model == "text-embedding-3-small"
        check([one.embedding for one in read.data], 512)


def test_gemini_reads_embeddings(url: str) -> None:
    """It requests batches always; shortened vectors have unit length."""
    with genai.Client(api_key="k", http_options={"base_url": url}) as client:
        whole = client.models.embed_content(model="gemini-embedding-001", contents=CATS)
        short = client.models.embed_content(
            model="gemini-embedding-001",
            contents=CATS,
            config=types.EmbedContentConfig(output_dimensionality=768, task_type="RETRIEVAL_DOCUMENT"),
        )
    for read, size in ((whole, 3072), (short, 768)):
        check([one.values or [] for one in read.embeddings or ()], size)


@pytest.mark.parametrize("model", ["text-embedding-005", "gemini-embedding-001", "gemini-embedding-2"])
def test_vertex_reads_embeddings(url: str, session: Session, model: str) -> None:
    """Vertex predicts older models, and embeds the content of newer ones."""
    with genai.Client(vertexai=True, api_key="k", http_options={"base_url": url}) as client:
        read = client.models.embed_content(model=model, contents=CATS[0])
    (one,) = read.embeddings or ()
    assert len(one.values or ()) == (768 if model == "text-embedding-005" else 3072)
    assert one.statistics is not None
    assert one.statistics.token_count == count_tokens(CATS[0])
    assert {entry.wire for entry in session.journal.wait()} <= {"vertex_embeddings", "gemini_embeddings"}


def test_cohere_reads_all_types_of_embeddings(url: str) -> None:
    """Each form has the same vectors: integers by the largest number, bits by sign, packed from the highest on."""
    forms = ["float", "int8", "uint8", "binary", "ubinary", "base64"]
    with httpx.Client() as http:
        client = cohere.ClientV2("k", base_url=url, httpx_client=http)
        read = client.embed(
            model="embed-v4.0",
            texts=CATS,
            input_type="search_document",
            embedding_types=forms,  # type: ignore[arg-type]
            output_dimension=256,
        )
    by_type: Any = read.embeddings
    check(by_type.float_, 256)
    floats, bits = by_type.float_[0], [value > 0 for value in by_type.float_[0]]
    assert cosine(by_type.int8[0], floats) > 0.99
    assert max(map(abs, by_type.int8[0])) == 127
    assert by_type.uint8[0] == [value + 128 for value in by_type.int8[0]]
    packed = bytes(sum(bit << (7 - place) for place, bit in enumerate(bits[at : at + 8])) for at in range(0, 256, 8))
    assert bytes(by_type.ubinary[0]) == packed
    assert by_type.binary[0] == [value - 128 for value in packed]
    assert list(struct.unpack("<256f", base64.b64decode(by_type.base64[0]))) == pytest.approx(floats)
    assert read.meta is not None
    assert read.meta.billed_units is not None
    assert read.meta.billed_units.input_tokens == TOKENS


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of pydantic, by the SDK
def test_cohere_1_reads_embeddings(url: str) -> None:
    """The first version sends plain lists where no type is requested."""
    with httpx.Client() as http:
        client = cohere.Client("k", base_url=url, httpx_client=http)
        plain = client.embed(model="embed-english-v3.0", texts=CATS, input_type="search_document")
        typed = client.embed(
            model="embed-english-light-v3.0", texts=CATS, input_type="search_document", embedding_types=["float"]
        )
    check(plain.embeddings, 1024)  # type: ignore[arg-type]
    check(typed.embeddings.float_, 384)  # type: ignore[union-attr]


def test_ollama_reads_embeddings(url: str) -> None:
    """One text or several, and the older endpoint."""
    with ollama.Client(url) as client:
        read = client.embed("all-minilm", CATS)
        old = client.embeddings("all-minilm", CATS[0])
    check(read.embeddings, 384)
    assert list(old.embedding) == list(read.embeddings[0])
    assert read.prompt_eval_count == TOKENS


@pytest.mark.parametrize(("model", "size"), [("mistral-embed", 1024), ("codestral-embed", 1536)])
def test_mistral_reads_embeddings(url: str, model: str, size: int) -> None:
    """Its answers have an id."""
    with Mistral(server_url=url, api_key="k") as client:
        read = client.embeddings.create(model=model, inputs=CATS)
        assert read.id
        check([one.embedding or [] for one in read.data], size)
        assert read.usage.prompt_tokens == TOKENS


@pytest.fixture
def bedrock(url: str) -> Iterator[Any]:
    """A client of boto3."""
    with closing(boto3.client("bedrock-runtime", endpoint_url=url, **AWS)) as client:
        yield client


def invoke(bedrock: Any, model: str, **body: Any) -> Any:
    """The body that a model answers."""
    return json.loads(bedrock.invoke_model(modelId=model, body=json.dumps(body))["body"].read())


@pytest.mark.parametrize(
    ("model", "options", "size"),
    [
        ("amazon.titan-embed-text-v1", {}, 1536),
        ("amazon.titan-embed-text-v2:0", {}, 1024),
        ("amazon.titan-embed-text-v2:0", {"dimensions": 256, "normalize": True}, 256),
        ("amazon.titan-embed-image-v1", {"embeddingConfig": {"outputEmbeddingLength": 384}}, 384),
    ],
)
def test_boto3_reads_titan_embeddings(bedrock: Any, model: str, options: dict[str, Any], size: int) -> None:
    """Titan embeds one text a request; the answer is a vector, not prose."""
    read = [invoke(bedrock, model, inputText=text, **options) for text in CATS]
    check([one["embedding"] for one in read], size)
    assert sum(one["inputTextTokenCount"] for one in read) == TOKENS


def test_boto3_reads_nova_embeddings(bedrock: Any) -> None:
    """Nova's have a kind."""
    parameters = {"embeddingPurpose": "GENERIC_INDEX", "embeddingDimension": 384}
    read = [
        invoke(
            bedrock,
            "amazon.nova-2-multimodal-embeddings-v1:0",
            taskType="SINGLE_EMBEDDING",
            singleEmbeddingParams={**parameters, "text": {"truncationMode": "END", "value": text}},
        )["embeddings"][0]
        for text in CATS
    ]
    assert {one["embeddingType"] for one in read} == {"TEXT"}
    check([one["embedding"] for one in read], 384)


def test_boto3_reads_titan_bits(bedrock: Any) -> None:
    """The second version has a bit for each number too."""
    read = invoke(
        bedrock, "amazon.titan-embed-text-v2:0", inputText=CATS[0], embeddingTypes=["float", "binary"], dimensions=256
    )
    assert read["embeddingsByType"]["float"] == read["embedding"]
    assert read["embeddingsByType"]["binary"] == [int(value > 0) for value in read["embedding"]]


@pytest.mark.parametrize("model", ["cohere.embed-english-v3", "us.cohere.embed-v4:0"])
def test_boto3_reads_cohere_embeddings(bedrock: Any, model: str) -> None:
    """Inside Bedrock they are Cohere's own."""
    plain = invoke(bedrock, model, texts=CATS, input_type="search_document")
    typed = invoke(bedrock, model, texts=CATS, input_type="search_document", embedding_types=["int8"])
    check(plain["embeddings"], 1024 if "v3" in model else 1536)
    assert [*typed["embeddings"]] == ["int8"]


def test_cohere_reads_rankings(url: str) -> None:
    """The best document is first; `top_n` bounds the list."""
    with httpx.Client() as http:
        second = cohere.ClientV2("k", base_url=url, httpx_client=http).rerank(
            model="rerank-v3.5", query="a sleeping cat", documents=[CATS[2], CATS[0]], top_n=1
        )
        first = cohere.Client("k", base_url=url, httpx_client=http).rerank(
            model="rerank-english-v3.0",
            query="a sleeping cat",
            documents=[CATS[2], {"text": CATS[0]}],
            return_documents=True,
        )
    assert [one.index for one in second.results] == [1]
    assert [one.index for one in first.results] == [1, 0]
    assert first.results[0].document is not None
    assert first.results[0].document.text == CATS[0]


@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank", "/v2/rerank"])
def test_others_read_rankings_in_the_shape_that_they_copied(url: str, path: str) -> None:
    """vLLM and Jina show documents unless told not to, Voyage only on request, as `data`."""
    body = {"query": "a sleeping cat", "documents": [CATS[2], CATS[0]]}

    def rank(**fields: Any) -> Any:
        return httpx.post(url + path, json=body | fields).raise_for_status().json()

    if path == "/v2/rerank":
        assert rank(model="m")["results"][0]["index"] == 1
        return
    jina = rank(model="jina-reranker-v2-base-multilingual", top_n=1)
    assert [(one["index"], one["document"]) for one in jina["results"]] == [(1, {"text": CATS[0]})]
    assert jina["usage"]["total_tokens"] == sum(map(count_tokens, ["a sleeping cat", CATS[2], CATS[0]]))
    assert "document" not in rank(model="BAAI/bge-reranker-v2-m3", return_documents=False)["results"][0]
    voyage = rank(model="rerank-2.5", top_k=1)
    assert [(one["index"], "document" in one) for one in voyage["data"]] == [(1, False)]
    assert rank(model="rerank-2.5", return_documents=True)["data"][0]["document"] == CATS[0]


def test_boto3_reads_rankings(bedrock: Any) -> None:
    """Cohere's and Amazon's models of Bedrock rank too."""
    for model in ("cohere.rerank-v3-5:0", "amazon.rerank-v1:0"):
        read = invoke(bedrock, model, query="a sleeping cat", documents=[CATS[2], CATS[0]], api_version=2)
        assert [one["index"] for one in read["results"]] == [1, 0]


def test_openai_reads_moderations(openai_client: openai.OpenAI) -> None:
    """Each text has a result; words of a list flag it."""
    read = openai_client.moderations.create(input=["Good morning", "I will kill you, you idiot"])
    harmless, threat = read.results
    assert not harmless.flagged
    assert threat.flagged
    assert threat.categories.violence
    assert threat.categories.harassment_threatening
    assert threat.category_scores.violence > 0.9 > 0.1 > threat.category_scores.sexual
    assert threat.category_applied_input_types.violence == ["text"]


def test_very_many_moderations_are_refused(openai_client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that would make a response of a hundred MB gets an error; one below it is answered, one for each input."""
    monkeypatch.setattr(results, "_MOST_CLASSIFIED", 3)
    read = openai_client.moderations.create(input=["I will kill you", "Good morning", "Good night"])
    assert [result.flagged for result in read.results] == [True, False, False]
    with pytest.raises(openai.BadRequestError, match="4 inputs are more than 3"):
        openai_client.moderations.create(input=["x"] * 4)


def test_openai_reads_moderations_of_texts_and_images(openai_client: openai.OpenAI) -> None:
    """Texts and images of one list are one input."""
    read = openai_client.moderations.create(
        model="omni-moderation-latest",
        input=[
            {"type": "text", "text": "a massacre"},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        ],
    )
    (one,) = read.results
    assert one.categories.violence
    assert one.category_applied_input_types.violence == ["text", "image"]
    assert one.category_applied_input_types.hate == ["text"]
