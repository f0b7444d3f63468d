"""Models: what GET /v1/models answers, in OpenAI's shape, in Anthropic's and in Google's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tokentape_fake_provider.catalog import Answer
from tokentape_fake_provider.session import Session
from tokentape_fake_provider.tape import Frame, Tape

_CREATED: Final = 1_735_689_600
_CREATED_AT: Final = "2025-01-01T00:00:00Z"


def list_models(
    session: Session, known: Sequence[str], path: str, headers: Sequence[tuple[bytes, bytes]]
) -> Answer | None:
    """The answer to GET .../models and .../models/{id}; `None` for any other path.

    Listed are the models of the session's recordings, then `known`. Any id can be asked for, as any model
    answers. Requests with an `anthropic-version` header get Anthropic's shape, those with an `x-goog-api-key`
    Google's.
    """
    parent, found, model = path.partition("/models")
    if not found or parent.count("/") > 2 or (model and not model.startswith("/")):
        return None
    named = {name for name, _ in headers}
    anthropic, google = b"anthropic-version" in named, b"x-goog-api-key" in named
    shape = _anthropic_model if anthropic else _google_model if google else _openai_model
    if model.strip("/"):
        return _json(shape(model.strip("/")))
    recorded = [recording.model for recording in session.recordings if recording.model is not None]
    ids = list(dict.fromkeys((*recorded, *known)))
    data = [shape(model) for model in ids]
    if anthropic:
        return _json(
            {
                "data": data,
                "has_more": False,
                "first_id": ids[0] if ids else None,
                "last_id": ids[-1] if ids else None,
            }
        )
    return _json({"models": data} if google else {"object": "list", "data": data})


def _openai_model(model: str) -> dict[str, Any]:
    return {"id": model, "object": "model", "created": _CREATED, "owned_by": "tokentape"}


def _anthropic_model(model: str) -> dict[str, Any]:
    return {"type": "model", "id": model, "display_name": model, "created_at": _CREATED_AT}


def _google_model(model: str) -> dict[str, Any]:
    methods = ["generateContent", "streamGenerateContent"]
    return {"name": f"models/{model}", "version": "001", "displayName": model, "supportedGenerationMethods": methods}


def _json(value: Any) -> Answer:
    return Answer(
        Tape((Frame(0.0, msgspec.json.encode(value)),), 200, (("content-type", "application/json"),)),
        "models",
    )
