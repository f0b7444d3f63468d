"""Models: what GET /v1/models answers, in the shape of the provider whose clients ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tokentape_fake_provider.answers.answer import Answer
from tokentape_fake_provider.answers.error_format import wire_for_errors
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.tape import Frame, Tape


def list_models(
    session: Session, known: Sequence[str], path: str, headers: Sequence[tuple[bytes, bytes]]
) -> Answer | None:
    """The answer to GET .../models and .../models/{id}; `None` for any other path.

    Listed are the models of the session's recordings, then `known`. Any id can be asked for, as any model
    answers. The shape is that of the provider whose clients ask so.
    """
    parent, found, model = path.partition("/models")
    wire = wire_for_errors(path, headers)
    if not found or (parent.count("/") > 2 and wire.name != "openai_chat") or (model and not model.startswith("/")):
        return None
    shape = wire.facts.model_list
    if model.strip("/"):
        return _json(shape.model(model.strip("/")))
    recorded = [recording.model for recording in session.recordings if recording.model is not None]
    return _json(shape.listed([shape.model(name) for name in dict.fromkeys((*recorded, *known))]))


def delete_model(path: str, headers: Sequence[tuple[bytes, bytes]]) -> Answer | None:
    """The answer to DELETE .../models/ft:..., which OpenAI takes for fine-tuned models; `None` for any other path."""
    _, _, model = path.partition("/models/")
    if not model.startswith("ft:") or wire_for_errors(path, headers).name != "openai_chat":
        return None
    return _json({"id": model, "object": "model", "deleted": True})


def _json(value: Any) -> Answer:
    return Answer(
        Tape((Frame(0.0, msgspec.json.encode(value)),), 200, (("content-type", "application/json"),)),
        "models",
    )
