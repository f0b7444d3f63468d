"""Models: what GET /v1/models answers, in the shape of the provider whose clients ask."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from tokentape_fake_provider.answers.answer import Answer, refused
from tokentape_fake_provider.answers.error_format import wire_for_errors
from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.wires import ModelList, Wire
from tokentape_fake_provider.wires.aws_frames import vendor_of
from tokentape_fake_provider.wires.facts import OPENAI_MODELS

_PATH: Final = re.compile(r"(.*?)/(?:foundation-)?models(?:/(.*))?")
_GOOGLES: Final = "/publishers/google"
_MODALITIES: Final = {"inputModalities": ["TEXT", "IMAGE"], "outputModalities": ["TEXT"]}
_MISTRAL_FIELDS: Final = {
    "type": "base",
    "max_context_length": 131_072,
    "capabilities": {
        "completion_chat": True,
        "completion_fim": False,
        "function_calling": True,
        "fine_tuning": False,
        "vision": True,
    },
}

# Vertex has another list than Gemini; the model list of Bedrock is for all its wire formats.
_VERTEX: Final = ModelList(
    lambda model: {"name": f"publishers/google/models/{model}", "versionId": "001", "launchStage": "GA"},
    lambda data: {"publisherModels": data},
)
_BEDROCK: Final = ModelList(
    lambda model: {
        "modelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{model}",
        "modelId": model,
        "modelName": model,
        "providerName": vendor_of(model),
        **_MODALITIES,
        "responseStreamingSupported": True,
        "customizationsSupported": [],
        "inferenceTypesSupported": ["ON_DEMAND"],
        "modelLifecycle": {"status": "ACTIVE"},
    },
    lambda data: {"modelSummaries": data},
)
_MISTRAL: Final = ModelList(lambda model: {**OPENAI_MODELS.model(model), **_MISTRAL_FIELDS}, OPENAI_MODELS.listed)
_MISSING: Final[Mapping[str, str]] = {
    "openai_chat": "The model '{}' does not exist",
    "anthropic_messages": "model: {}",
    "gemini": "models/{} is not found for API version v1beta.",
    "bedrock_converse": "Could not resolve the foundation model from the provided model identifier.",
}


def known_models(session: Session, known: Sequence[str]) -> Sequence[str]:
    """The models that a session lists: those of its settings, else those of its recordings, then `known`."""
    if session.settings.models:
        return session.settings.models
    recorded = [recording.model for recording in session.recordings if recording.model is not None]
    return list(dict.fromkeys((*recorded, *known)))


def list_models(
    session: Session, known: Sequence[str], path: str, headers: Sequence[tuple[bytes, bytes]]
) -> Answer | None:
    """The answer to GET .../models and .../models/{id}; `None` for any other path.

    Listed are `known_models`. Any id can be retrieved, as any model answers, unless the session's settings name the
    models. The shape is that of the provider whose clients ask so.
    """
    found, wire = _PATH.fullmatch(path), wire_for_errors(path, headers)
    if found is None:
        return None
    parent, model = found[1], (found[2] or "").strip("/")
    vertex = parent.endswith(_GOOGLES)
    if parent.count("/") > 2 and wire.name != "openai_chat" and not vertex:
        return None
    shape = _VERTEX if vertex else _shape(wire, headers)
    if not model:
        return _json(shape.listed([shape.model(name) for name in known_models(session, known)]))
    if session.settings.models and model not in session.settings.models:
        problem = _MISSING.get(wire.name, "model '{}' not found").format(model)
        code = "model_not_found" if wire.name == "openai_chat" else None
        return refused(wire, BadRequestError(problem, status=404, code=code))
    shown = shape.model(model)
    return _json({"modelDetails": shown} if shape is _BEDROCK else shown)


def _shape(wire: Wire, headers: Sequence[tuple[bytes, bytes]]) -> ModelList:
    if wire.facts.framing == "aws":
        return _BEDROCK
    agent = next((value for name, value in headers if name == b"user-agent"), b"")
    return _MISTRAL if agent.startswith(b"mistral-client") else wire.facts.model_list


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
