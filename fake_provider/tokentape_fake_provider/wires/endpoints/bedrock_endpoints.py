"""The embedding and rerank models of Bedrock, which InvokeModel wraps: Amazon's Titan and Nova, and Cohere's.

docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html and -embed.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.script.results import Embeddings, Ranking
from tokentape_fake_provider.wires.aws_frames import request_id
from tokentape_fake_provider.wires.bedrock_converse import model_of
from tokentape_fake_provider.wires.bedrock_invoke import BedrockInvoke
from tokentape_fake_provider.wires.endpoints.cohere_embeddings import check_inputs, read_inputs, write_embeddings
from tokentape_fake_provider.wires.endpoints.embedding_models import dimensions_of
from tokentape_fake_provider.wires.endpoints.endpoint import Endpoint, Format, Read, one_for_each
from tokentape_fake_provider.wires.endpoints.number_forms import in_form
from tokentape_fake_provider.wires.endpoints.rerank import check_rerank, ranked, read_rerank
from tokentape_fake_provider.wires.reading.fields import as_object, strings, text_of, whole
from tokentape_fake_provider.wires.request_parts import json_type
from tokentape_fake_provider.wires.tasks import Embedding, Input
from tokentape_fake_provider.wires.wire import ProviderRequest, Reply

_PATHS: Final = BedrockInvoke.paths
_TITAN_FIELDS: Final = ("inputText",)
_TITAN_2_FIELDS: Final = (*_TITAN_FIELDS, "dimensions", "normalize", "embeddingTypes")
_TITAN_IMAGE_FIELDS: Final = (*_TITAN_FIELDS, "inputImage", "embeddingConfig")
_COHERE_FIELDS: Final = (
    *("texts", "images", "inputs", "input_type", "embedding_types", "truncate", "max_tokens", "output_dimension"),
)
_RERANK_FIELDS: Final = ("query", "documents", "top_n", "api_version", "max_tokens_per_doc")
_MOST_TOKENS: Final = 8192
_MOST_CHARACTERS: Final = 50_000
_TITAN_FORMS: Final = ("float", "binary")


def _malformed(*problems: str) -> BadRequestError:
    return BadRequestError(f"Malformed input request: {''.join(problems)}, please reformat your input and try again.")


def _check_schema(body: Mapping[str, Any], fields: Iterable[str], required: Iterable[str] = ()) -> None:
    problems = [f"#: required key [{name}] not found" for name in required if body.get(name) is None]
    problems += [f"#: extraneous key [{name}] is not permitted" for name in body if name not in fields]
    if problems:
        raise _malformed(*problems)


def _model(path: str) -> str:
    model = model_of(_PATHS, path)
    if path.endswith("-stream"):
        raise BadRequestError("The model is unsupported for streaming.")
    return model


def _read_titan(path: str, body: Mapping[str, Any]) -> Read:
    model, text, image = _model(path), body.get("inputText"), body.get("inputImage")
    if text is not None and not isinstance(text, str):
        raise _malformed(f"#/inputText: expected type: String, found: {json_type(text).partition(' ')[2].capitalize()}")
    known = dimensions_of(model, 1024)
    wanted = whole(body.get("dimensions")) or whole(as_object(body.get("embeddingConfig")).get("outputEmbeddingLength"))
    size = wanted if wanted is not None and wanted > 0 else known.default
    one = Input(text or "", images=(text_of(image),) if image else ())
    return Read(Embedding((one,), size, max(known.full, size)), model)


def _check_titan(request: ProviderRequest) -> None:
    body, model, task = request.body, request.model, request.task
    assert isinstance(task, Embedding)
    image = "-image" in model
    second = "-v2" in model
    _check_schema(
        body,
        _TITAN_IMAGE_FIELDS if image else _TITAN_2_FIELDS if second else _TITAN_FIELDS,
        () if image else ("inputText",),
    )
    one = task.inputs[0]
    if not one.text and not one.images:
        raise _malformed("#/inputText: expected minLength: 1, actual: 0")
    if len(one.text) > _MOST_CHARACTERS:
        raise _malformed(f"#/inputText: expected maxLength: {_MOST_CHARACTERS}, actual: {len(one.text)}")
    if one.token_count > _MOST_TOKENS and not image:
        raise BadRequestError(
            f"400 Bad Request: Too many input tokens. Max input tokens: {_MOST_TOKENS}, request input token count: "
            f"{one.token_count} "
        )
    known = dimensions_of(model, 1024)
    if task.dimensions != known.default and not known.allows(task.dimensions):
        raise _malformed(f"#/dimensions: {task.dimensions} is not a valid enum value")
    if unknown := [form for form in strings(body.get("embeddingTypes")) if form not in _TITAN_FORMS]:
        raise _malformed(f"#/embeddingTypes/0: {unknown[0]} is not a valid enum value")


def _write_titan(result: Embeddings, request: ProviderRequest, tokens: int | None) -> Any:
    vector = one_for_each(result.vectors, 1, "vectors")[0]
    forms = [form for form in strings(request.body.get("embeddingTypes")) if form in _TITAN_FORMS] or ["float"]
    floats = in_form([vector], "float")[0]
    bits = [int(value > 0) for value in vector]
    body: dict[str, Any] = {"embedding": floats} if "float" in forms else {}
    if "-v2" in request.model:
        body["embeddingsByType"] = {form: floats if form == "float" else bits for form in forms}
    return body if tokens is None else {**body, "inputTextTokenCount": tokens}


def _read_nova(path: str, body: Mapping[str, Any]) -> Read:
    """docs.aws.amazon.com/nova/latest/userguide/embeddings-schema.html"""
    model, parameters = _model(path), as_object(body.get("singleEmbeddingParams"))
    text, image = as_object(parameters.get("text")), as_object(parameters.get("image"))
    source = as_object(image.get("source"))
    images = (text_of(source.get("bytes")) or text_of(as_object(source.get("s3Location")).get("uri")),)
    known, wanted = dimensions_of(model, 3072), whole(parameters.get("embeddingDimension"))
    size = wanted if wanted is not None and wanted > 0 else known.default
    one = Input(text_of(text.get("value")), images=tuple(filter(None, images)))
    return Read(Embedding((one,), size, max(known.full, size)), model)


def _check_nova(request: ProviderRequest) -> None:
    _check_schema(
        request.body, ("schemaVersion", "taskType", "singleEmbeddingParams"), ("taskType", "singleEmbeddingParams")
    )
    task = request.task
    assert isinstance(task, Embedding)
    if request.body["taskType"] != "SINGLE_EMBEDDING":
        raise _malformed("#/taskType: only SINGLE_EMBEDDING can be invoked synchronously")
    if not task.inputs[0].text and not task.inputs[0].images:
        raise _malformed("#/singleEmbeddingParams: text or image is needed")
    if not dimensions_of(request.model, 3072).allows(task.dimensions):
        raise _malformed(f"#/singleEmbeddingParams/embeddingDimension: {task.dimensions} is not a valid enum value")


def _write_nova(result: Embeddings, request: ProviderRequest, _tokens: int | None) -> Any:
    assert isinstance(request.task, Embedding)
    kind = "IMAGE" if request.task.inputs[0].images else "TEXT"
    (vector,) = in_form(one_for_each(result.vectors, 1, "vectors"), "float")
    return {"embeddings": [{"embeddingType": kind, "embedding": vector}]}


def _read_cohere(path: str, body: Mapping[str, Any]) -> Read:
    model = _model(path)
    return Read(read_inputs(body, model), model)


def _check_cohere(request: ProviderRequest) -> None:
    lacking = (
        ("input_type",) if any(request.body.get(name) for name in ("images", "inputs")) else ("texts", "input_type")
    )
    _check_schema(request.body, _COHERE_FIELDS, lacking)
    check_inputs(request)


def _write_cohere(result: Embeddings, request: ProviderRequest, _tokens: int | None) -> Any:
    return write_embeddings(result, request, always_by_type=False)


def _read_rank(path: str, body: Mapping[str, Any]) -> Read:
    model = _model(path)
    return Read(read_rerank(body), model)


def _check_rank(request: ProviderRequest) -> None:
    _check_schema(request.body, _RERANK_FIELDS, ("query", "documents"))
    check_rerank(request)


def _write_rank(result: Ranking, request: ProviderRequest, _tokens: int | None) -> Any:
    return {"results": [{"index": index, "relevance_score": score} for index, score in ranked(result, request)]}


def _reply(body: Any, request: ProviderRequest) -> Reply:
    assert request.task is not None
    tokens = sum(one.token_count for one in request.task.inputs)
    headers = (
        ("content-type", "application/json"),
        ("x-amzn-requestid", request_id(request.seed)),
        ("x-amzn-bedrock-input-token-count", str(tokens)),
    )
    return Reply(200, headers, msgspec.json.encode(body))


ENDPOINTS: Final = (
    Endpoint(
        "bedrock_titan_embeddings",
        "embeddings",
        BedrockInvoke(),
        _PATHS,
        Format(_read_titan, _check_titan, _write_titan, _reply),
        usage=(("inputTextTokenCount",),),
        models=r"amazon\.titan-(embed|e1t)",
    ),
    Endpoint(
        "bedrock_nova_embeddings",
        "embeddings",
        BedrockInvoke(),
        _PATHS,
        Format(_read_nova, _check_nova, _write_nova, _reply),
        models=r"amazon\.nova-.*embeddings",
    ),
    Endpoint(
        "bedrock_cohere_embeddings",
        "embeddings",
        BedrockInvoke(),
        _PATHS,
        Format(_read_cohere, _check_cohere, _write_cohere, _reply),
        models=r"cohere\.embed-",
    ),
    Endpoint(
        "bedrock_rerank",
        "rerank",
        BedrockInvoke(),
        _PATHS,
        Format(_read_rank, _check_rank, _write_rank, _reply),
        models=r"(cohere|amazon)\.rerank-",
    ),
)
