"""Ollama's /api/embed, and the older /api/embeddings for one text (docs/api.md of ollama/ollama)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.script.results import Embeddings
from tokentape_fake_provider.wires.endpoints.embedding_models import dimensions_of
from tokentape_fake_provider.wires.endpoints.endpoint import Endpoint, Format, Read, one_for_each
from tokentape_fake_provider.wires.endpoints.number_forms import in_form
from tokentape_fake_provider.wires.ollama import Ollama, unmarshal
from tokentape_fake_provider.wires.reading.fields import strings, whole
from tokentape_fake_provider.wires.tasks import Embedding, Input
from tokentape_fake_provider.wires.wire import ProviderRequest, Reply

_OLD: Final = "/api/embeddings"
_UNKNOWN: Final = 768
_CONTEXT: Final = 8192
_LOAD_NS, _TOKEN_NS = 15_000_000, 90_000


def _read(path: str, body: Mapping[str, Any]) -> Read:
    kind, field = ("EmbeddingRequest", "prompt") if path.endswith(_OLD) else ("EmbedRequest", "input")
    model, given = body.get("model"), body.get(field)
    if model is not None and not isinstance(model, str):
        raise unmarshal(model, f"{kind}.model of type string")
    if not (model or "").strip():
        raise BadRequestError("model is required")
    if given is not None and not isinstance(given, str) and field == "prompt":
        raise unmarshal(given, f"{kind}.prompt of type string")
    if len(strings(given)) != (
        1 if isinstance(given, str) else len(given or ()) if isinstance(given, list | None) else -1
    ):
        raise BadRequestError("invalid input type")
    known, wanted = dimensions_of(str(model), _UNKNOWN), whole(body.get("dimensions"))
    # A model that knows fewer dimensions sends all that it has.
    size = min(wanted, known.full) if wanted is not None and wanted > 0 else known.default
    inputs = tuple(Input(text) for text in strings(given) if text or field == "input")
    return Read(Embedding(inputs, size, known.full), str(model))


def _check(request: ProviderRequest) -> None:
    assert request.task is not None
    if request.body.get("truncate") is False and any(one.token_count > _CONTEXT for one in request.task.inputs):
        raise BadRequestError("the input length exceeds the context length")


def _write(result: Embeddings, request: ProviderRequest, tokens: int | None) -> Any:
    assert isinstance(request.task, Embedding)
    inputs = len(request.task.inputs)
    vectors = in_form(one_for_each(result.vectors, inputs, "vectors") if inputs else (), "float")
    if request.path.endswith(_OLD):
        return {"embedding": vectors[0] if vectors else []}
    counts = {} if tokens is None else {"prompt_eval_count": tokens}
    duration = _LOAD_NS + _TOKEN_NS * (tokens or 0)
    beside = {"total_duration": duration, "load_duration": _LOAD_NS, **counts}
    return {"model": request.model, "embeddings": vectors, **beside}


def _reply(body: Any, _request: ProviderRequest) -> Reply:
    return Reply(200, (("content-type", "application/json; charset=utf-8"),), msgspec.json.encode(body))


ENDPOINTS: Final = (
    Endpoint(
        "ollama_embeddings",
        "embeddings",
        Ollama(),
        ("/api/embed", _OLD),
        Format(_read, _check, _write, _reply),
        usage=(("prompt_eval_count",),),
    ),
)
