"""Gemini's embedContent and batchEmbedContents, and predict of Vertex AI's text embedding models.

ai.google.dev/api/embeddings, cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.script.results import Embeddings
from tokentape_fake_provider.wires.endpoints.embedding_models import Dimensions, dimensions_of
from tokentape_fake_provider.wires.endpoints.endpoint import Endpoint, Format, Read, one_for_each
from tokentape_fake_provider.wires.endpoints.number_forms import in_form
from tokentape_fake_provider.wires.gemini import PARENTS, VERSIONS, Gemini
from tokentape_fake_provider.wires.google_errors import JSON_TYPE, headers, not_supported
from tokentape_fake_provider.wires.reading.fields import as_object, either, objects, snake_case, text_of, whole
from tokentape_fake_provider.wires.request_parts import match_path, texts_in
from tokentape_fake_provider.wires.tasks import Embedding, Input
from tokentape_fake_provider.wires.wire import ProviderRequest, Reply

_EMBED, _BATCH, _PREDICT = "embedContent", "batchEmbedContents", "predict"
_UNKNOWN: Final = 3072
_CHAT_MODEL: Final = re.compile(r"gemini-(\d|flash|pro)")
_MOST_IN_BATCH: Final = 100
_MOST_INSTANCES: Final = 250
_REQUEST_FIELDS: Final = ("model", "content", "taskType", "title", "outputDimensionality", "embedContentConfig")
_INSTANCE_FIELDS: Final = ("content", "taskType", "title", "mimeType")
_PARAMETERS: Final = ("autoTruncate", "outputDimensionality")


def _paths(*methods: str) -> Sequence[str]:
    return tuple(
        f"{version}{parent}/models/{{model}}:{method}"
        for version in VERSIONS
        for parent in PARENTS
        for method in methods
    )


_EMBED_PATHS: Final = _paths(_EMBED, _BATCH)
_PREDICT_PATHS: Final = _paths(_PREDICT)


def _requests(path: str, body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return objects(body.get("requests")) if path.endswith(_BATCH) else [body]


def _read_embed(path: str, body: Mapping[str, Any]) -> Read:
    if path.endswith(_BATCH) and not body.get("requests"):
        raise BadRequestError("* BatchEmbedContentsRequest.requests: requests is not specified\n", param="requests")
    requests = _requests(path, body)
    config = as_object(either(requests[0] if requests else None, "embedContentConfig"))
    wanted = either(requests[0] if requests else None, "outputDimensionality") or either(config, "outputDimensionality")
    return _read(path, _EMBED_PATHS, [_input(request.get("content")) for request in requests], wanted)


def _input(content: Any) -> Input:
    parts = objects(as_object(content).get("parts"))
    blobs = (as_object(either(part, name)) for part in parts for name in ("inlineData", "fileData"))
    images = (text_of(blob.get("data")) or text_of(either(blob, "fileUri")) for blob in blobs)
    text = content if isinstance(content, str) else "\n".join(text for part in parts for text in texts_in(part))
    return Input(text, images=tuple(filter(None, images)))


def _read_predict(path: str, body: Mapping[str, Any]) -> Read:
    instances = objects(body.get("instances"))
    if not instances:
        raise BadRequestError("Invalid instances: list is empty.")
    wanted = either(as_object(body.get("parameters")), "outputDimensionality")
    return _read(path, _PREDICT_PATHS, [Input(text_of(one.get("content"))) for one in instances], wanted)


def _read(path: str, paths: Sequence[str], inputs: Iterable[Input], wanted: Any) -> Read:
    model = (match_path(paths, path) or {})["model"]
    known, size = dimensions_of(model, _UNKNOWN), whole(wanted)
    if wanted is not None and size is None:
        raise BadRequestError(f"Invalid value at 'output_dimensionality' (TYPE_INT32), {wanted!r}")
    size = size if size is not None and size > 0 else known.default
    return Read(Embedding(tuple(inputs), size, max(known.full, size)), model)


def _check_embed(request: ProviderRequest) -> None:
    if _CHAT_MODEL.match(request.model):
        raise not_supported(request.model, "embedContent")
    batch, requests = request.path.endswith(_BATCH), _requests(request.path, request.body)
    _check_names(request.body, ("requests",) if batch else _REQUEST_FIELDS)
    if len(requests) > _MOST_IN_BATCH:
        raise BadRequestError(
            f"* BatchEmbedContentsRequest.requests: at most {_MOST_IN_BATCH} requests can be in one batch\n",
            param="requests",
        )
    assert isinstance(request.task, Embedding)
    for number, (one, content) in enumerate(zip(requests, request.task.inputs, strict=True)):
        where = f"BatchEmbedContentsRequest.requests[{number}]" if batch else "EmbedContentRequest"
        if batch:
            _check_names(one, _REQUEST_FIELDS, f" at 'requests[{number}]'")
            named = text_of(one.get("model")).removeprefix("models/")
            if named and named.rpartition("/")[2] != request.model:
                raise BadRequestError(f"* {where}.model: it must be the model of the batch, models/{request.model}\n")
        if not content.text and not content.images:
            raise BadRequestError(f"* {where}.content: contents is not specified\n", param="content")
    _check_size(request, dimensions_of(request.model, _UNKNOWN), request.task.dimensions)


def _check_predict(request: ProviderRequest) -> None:
    body = request.body
    _check_names(body, ("instances", "parameters", "labels"))
    _check_names(as_object(body.get("parameters")), _PARAMETERS, " at 'parameters'")
    instances = objects(body.get("instances"))
    if len(instances) > _MOST_INSTANCES:
        raise BadRequestError(
            f"{len(instances)} instance(s) is more than the allowed {_MOST_INSTANCES} instance(s) per prediction."
        )
    for number, one in enumerate(instances):
        _check_names(one, _INSTANCE_FIELDS, f" at 'instances[{number}]'")
        if not text_of(one.get("content")):
            raise BadRequestError("The text content is empty.")
    assert isinstance(request.task, Embedding)
    _check_size(request, dimensions_of(request.model, _UNKNOWN), request.task.dimensions)


def _check_names(holder: Mapping[str, Any], known: Iterable[str], where: str = "") -> None:
    names = {name for each in known for name in (each, snake_case(each))}
    if unknown := [name for name in holder if name not in names]:
        raise BadRequestError(
            f'Invalid JSON payload received. Unknown name "{unknown[0]}"{where}: Cannot find field.', param=unknown[0]
        )


def _check_size(request: ProviderRequest, known: Dimensions, size: int) -> None:
    if size != known.default and not known.allows(size):
        raise BadRequestError(
            f"* EmbedContentRequest.output_dimensionality: {request.model} has vectors of at most {known.full} "
            f"dimensions, not {size}\n",
            param="output_dimensionality",
        )


def _values(result: Embeddings, request: ProviderRequest) -> list[msgspec.Raw]:
    assert isinstance(request.task, Embedding)
    return in_form(one_for_each(result.vectors, len(request.task.inputs), "vectors"), "float")


def _write_embed(result: Embeddings, request: ProviderRequest, tokens: int | None) -> Any:
    embeddings = [{"values": values} for values in _values(result, request)]
    usage = {} if tokens is None else {"usageMetadata": {"promptTokenCount": tokens, "totalTokenCount": tokens}}
    if request.path.endswith(_BATCH):
        return {"embeddings": embeddings, **usage}
    return {"embedding": embeddings[0], **usage}


def _write_predict(result: Embeddings, request: ProviderRequest, tokens: int | None) -> Any:
    assert isinstance(request.task, Embedding)
    values, inputs = _values(result, request), request.task.inputs
    predictions = [
        {"embeddings": {"values": each, "statistics": {"truncated": False, "token_count": one.token_count}}}
        for each, one in zip(values, inputs, strict=True)
    ]
    characters = sum(len("".join(one.text.split())) for one in inputs)
    return {
        "predictions": predictions,
        **({} if tokens is None else {"metadata": {"billableCharacterCount": characters}}),
    }


def _reply(body: Any, request: ProviderRequest) -> Reply:
    text = msgspec.json.format(msgspec.json.encode(body), indent=2)
    return Reply(200, (JSON_TYPE, *headers(request.seed)), text + b"\n")


ENDPOINTS: Final = (
    Endpoint(
        "gemini_embeddings",
        "embeddings",
        Gemini(),
        _EMBED_PATHS,
        Format(_read_embed, _check_embed, _write_embed, _reply),
        usage=(("usageMetadata",),),
    ),
    Endpoint(
        "vertex_embeddings",
        "embeddings",
        Gemini(),
        _PREDICT_PATHS,
        Format(_read_predict, _check_predict, _write_predict, _reply),
        usage=(("metadata",), ("predictions", "*", "embeddings", "statistics")),
        models=r"text-?(multilingual-)?embedding|textembedding|gemini-embedding|embedding-001",
    ),
)
