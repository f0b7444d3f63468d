"""Models: what GET /v1/models answers, in the shape of OpenAI, Anthropic, Google or Cohere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from tokentape_fake_provider.answers.error_format import spoken
from tokentape_fake_provider.answers.resolver import Answer
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.tape import Frame, Tape

_CREATED: Final = 1_735_689_600
_CREATED_AT: Final = "2025-01-01T00:00:00Z"


def list_models(
    session: Session, known: Sequence[str], path: str, headers: Sequence[tuple[bytes, bytes]]
) -> Answer | None:
    """The answer to GET .../models and .../models/{id}; `None` for any other path.

    Listed are the models of the session's recordings, then `known`. Any id can be asked for, as any model
    answers. The shape is that of the provider whose clients ask so.
    """
    parent, found, model = path.partition("/models")
    wire = spoken(path, headers).name
    if not found or (parent.count("/") > 2 and wire != "openai_chat") or (model and not model.startswith("/")):
        return None
    shape = _SHAPES.get(wire, _OPENAI)
    if model.strip("/"):
        return _json(shape.model(model.strip("/")))
    recorded = [recording.model for recording in session.recordings if recording.model is not None]
    return _json(shape.listed([shape.model(name) for name in dict.fromkeys((*recorded, *known))]))


def delete_model(path: str, headers: Sequence[tuple[bytes, bytes]]) -> Answer | None:
    """The answer to DELETE .../models/ft:..., which OpenAI takes for fine-tuned models; `None` for any other path."""
    _, _, model = path.partition("/models/")
    if not model.startswith("ft:") or spoken(path, headers).name != "openai_chat":
        return None
    return _json({"id": model, "object": "model", "deleted": True})


def _openai_model(model: str) -> dict[str, Any]:
    return {"id": model, "object": "model", "created": _CREATED, "owned_by": "tokentape"}


def _anthropic_model(model: str) -> dict[str, Any]:
    return {"type": "model", "id": model, "display_name": model, "created_at": _CREATED_AT}


def _google_model(model: str) -> dict[str, Any]:
    methods = ["generateContent", "streamGenerateContent"]
    return {"name": f"models/{model}", "version": "001", "displayName": model, "supportedGenerationMethods": methods}


def _cohere_model(model: str) -> dict[str, Any]:
    return {"name": model, "is_deprecated": False, "endpoints": ["chat"], "finetuned": False, "context_length": 128_000}


def _anthropic_list(data: list[dict[str, Any]]) -> dict[str, Any]:
    ids = [model["id"] for model in data] or [None]
    return {"data": data, "has_more": False, "first_id": ids[0], "last_id": ids[-1]}


class _Shape(NamedTuple):
    model: Callable[[str], dict[str, Any]]
    listed: Callable[[list[dict[str, Any]]], dict[str, Any]]


_OPENAI: Final = _Shape(_openai_model, lambda data: {"object": "list", "data": data})
_SHAPES: Final = {
    "anthropic_messages": _Shape(_anthropic_model, _anthropic_list),
    "gemini": _Shape(_google_model, lambda data: {"models": data}),
    "cohere_chat": _Shape(_cohere_model, lambda data: {"models": data}),
}


def _json(value: Any) -> Answer:
    return Answer(
        Tape((Frame(0.0, msgspec.json.encode(value)),), 200, (("content-type", "application/json"),)),
        "models",
    )
