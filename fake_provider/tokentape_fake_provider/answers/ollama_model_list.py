"""The model list of an Ollama server, which clients request before they chat (docs.ollama.com/api)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from tokentape_fake_provider.answers.answer import Answer
from tokentape_fake_provider.answers.model_list import known_models
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.tape import Frame, Tape

VERSION: Final = "0.13.0"
_MODIFIED: Final = "2025-01-01T00:00:00Z"
_SIZE: Final = 2_019_393_189
_DETAILS: Final = {
    "parent_model": "",
    "format": "gguf",
    "family": "llama",
    "families": ["llama"],
    "parameter_size": "3.2B",
    "quantization_level": "Q4_K_M",
}


def ollama_models(session: Session, known: Sequence[str], method: str, path: str, body: Any) -> Answer | None:
    """The answer to GET /api/tags, /api/ps and /api/version and to POST /api/show; `None` for any other request.

    Listed are `known_models`, none of them loaded. Any model can be shown, as any model answers, unless the session's
    settings name the models.
    """
    get = method in ("GET", "HEAD")
    match path:
        case "/api/tags" if get:
            return _json({"models": [_listed(model) for model in known_models(session, known)]})
        case "/api/ps" if get:
            return _json({"models": []})
        case "/api/version" if get:
            return _json({"version": VERSION})
        case "/api/show" if method == "POST":
            fields = body if isinstance(body, Mapping) else {}
            # `name` is the field's older name, which litellm still sends.
            model = fields.get("model") or fields.get("name")
            if not isinstance(model, str):
                return _json({"error": "model is required"}, 400)
            only = session.settings.models
            if only and not {model, model.removesuffix(":latest"), f"{model}:latest"}.intersection(only):
                return _json({"error": f"model '{model}' not found"}, 404)
            return _json(_shown(model))
        case _:
            return None


def _listed(model: str) -> dict[str, Any]:
    digest = hashlib.sha256(model.encode()).hexdigest()
    return {
        "name": model,
        "model": model,
        "modified_at": _MODIFIED,
        "size": _SIZE,
        "digest": digest,
        "details": _DETAILS,
    }


def _shown(model: str) -> dict[str, Any]:
    return {
        "license": "",
        "modelfile": f"FROM {model}\n",
        "parameters": "",
        "template": "{{ .Prompt }}",
        "details": _DETAILS,
        "model_info": {
            "general.architecture": "llama",
            "general.parameter_count": 3_212_749_888,
            "llama.context_length": 131_072,
            "llama.embedding_length": 3072,
        },
        "capabilities": ["completion", "tools", "thinking", "vision"],
        "modified_at": _MODIFIED,
    }


def _json(value: Any, status: int = 200) -> Answer:
    headers = (("content-type", "application/json; charset=utf-8"),)
    return Answer(Tape((Frame(0.0, msgspec.json.encode(value)),), status, headers), "models")
