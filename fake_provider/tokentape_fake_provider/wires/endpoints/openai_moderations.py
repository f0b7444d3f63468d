"""OpenAI's moderations (platform.openai.com/docs/api-reference/moderations)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tokentape_fake_provider.errors import BadRequestError, ScriptError
from tokentape_fake_provider.script.ids import make_id
from tokentape_fake_provider.script.results import Moderation
from tokentape_fake_provider.wires.endpoints.endpoint import Endpoint, Format, Read, one_for_each
from tokentape_fake_provider.wires.endpoints.openai_values import openai_reply, refuse_unknown
from tokentape_fake_provider.wires.openai_chat import OpenAIChat
from tokentape_fake_provider.wires.openai_http import expect, missing
from tokentape_fake_provider.wires.reading.fields import as_object, text_of
from tokentape_fake_provider.wires.tasks import Classification, Input
from tokentape_fake_provider.wires.wire import ProviderRequest

CATEGORIES: Final = (
    *("harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm"),
    *("self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors", "violence", "violence/graphic"),
)
_TEXT_MODEL: Final = re.compile(r"text-moderation")
_DEFAULT_MODEL: Final = "omni-moderation-latest"
_OF_IMAGES: Final = (
    *("self-harm", "self-harm/instructions", "self-harm/intent", "sexual", "violence", "violence/graphic"),
)
_FLAGGED, _NOT_FLAGGED = 0.97, 0.0001


def _read(_path: str, body: Mapping[str, Any]) -> Read:
    model = body.get("model") or _DEFAULT_MODEL
    expect("model", model, str, "a string")
    given = body.get("input")
    if given is None:
        raise missing("input")
    categories = tuple(name for name in CATEGORIES if not (_TEXT_MODEL.match(model) and name.startswith("illicit")))
    return Read(Classification(_inputs(given), categories), model)


def _inputs(given: Any) -> tuple[Input, ...]:
    if isinstance(given, str):
        return (Input(given),)
    expect("input", given, list, "a string or an array")
    if all(isinstance(item, str) for item in given):
        return tuple(map(Input, given))
    if not all(isinstance(item, Mapping) and item.get("type") in ("text", "image_url") for item in given):
        raise BadRequestError(
            "Invalid value for 'input': expected strings, or objects of the type 'text' or 'image_url'.", param="input"
        )
    # Texts and images in one list are one input.
    texts = (text_of(item.get("text")) for item in given)
    images = (text_of(as_object(item.get("image_url")).get("url")) for item in given)
    return (Input("\n".join(filter(None, texts)), images=tuple(filter(None, images))),)


def _check(request: ProviderRequest) -> None:
    refuse_unknown(request.body, ("input", "model"))
    assert request.task is not None
    if not request.task.inputs:
        raise BadRequestError("Invalid 'input': empty array.", param="input", code="empty_array")
    if _TEXT_MODEL.match(request.model) and any(one.images for one in request.task.inputs):
        raise BadRequestError(f"Invalid 'input': {request.model} takes no images.", param="input")


def _write(result: Moderation, request: ProviderRequest, _tokens: int | None) -> Any:
    task = request.task
    assert isinstance(task, Classification)
    flagged = one_for_each(result.flagged, len(task.inputs), "lists of categories")
    known = {*task.categories}
    if unknown := [name for names in (*flagged, result.scores) for name in names if name not in known]:
        raise ScriptError(f"no category {unknown[0]!r} of {request.model}: there are {', '.join(task.categories)}")
    known_results: dict[Any, msgspec.Raw] = {}  # most inputs of a long list have the same
    results = []
    for names, one in zip(flagged, task.inputs, strict=True):
        key = (names, bool(one.text), bool(one.images))
        if key not in known_results:
            known_results[key] = msgspec.Raw(msgspec.json.encode(_result(names, result.scores, one, request)))
        results.append(known_results[key])
    return {"id": "modr-" + make_id(request.seed, "moderation", 32), "model": request.model, "results": results}


def _result(names: tuple[str, ...], scores: Mapping[str, float], one: Input, request: ProviderRequest) -> Any:
    assert isinstance(request.task, Classification)
    categories = request.task.categories
    result: dict[str, Any] = {
        "flagged": bool(names),
        "categories": {name: name in names for name in categories},
        "category_scores": {name: scores.get(name, _FLAGGED if name in names else _NOT_FLAGGED) for name in categories},
    }
    if not _TEXT_MODEL.match(request.model):
        kinds = ("text",) if one.text or not one.images else ()
        result["category_applied_input_types"] = {
            name: [*kinds, *(("image",) if one.images and name in _OF_IMAGES else ())] for name in categories
        }
    return result


ENDPOINTS: Final = (
    Endpoint(
        "openai_moderations",
        "moderations",
        OpenAIChat(),
        ("/v1/moderations", "/moderations", "{_base*}/moderations"),
        Format(_read, _check, _write, openai_reply),
    ),
)
