"""Cohere's embed, versions 2 and 1, also inside Bedrock's InvokeModel (docs.cohere.com/reference/embed)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tokentape_fake_provider.script.results import Embeddings
from tokentape_fake_provider.wires.cohere_chat import CohereChat
from tokentape_fake_provider.wires.endpoints.cohere_values import (
    cohere_id,
    cohere_meta,
    cohere_reply,
    expect,
    invalid,
    refuse_unknown,
)
from tokentape_fake_provider.wires.endpoints.embedding_models import dimensions_of
from tokentape_fake_provider.wires.endpoints.endpoint import Endpoint, Format, Read, one_for_each
from tokentape_fake_provider.wires.endpoints.number_forms import NUMBER_FORMS, in_form
from tokentape_fake_provider.wires.reading.fields import as_object, objects, strings, text_of, whole
from tokentape_fake_provider.wires.tasks import Embedding, Input
from tokentape_fake_provider.wires.wire import ProviderRequest

V1: Final = "/v1/embed"
_FIELDS: Final = (
    *("model", "texts", "images", "inputs", "input_type", "embedding_types", "truncate", "max_tokens"),
    *("output_dimension", "priority"),
)
_PURPOSES: Final = ("search_document", "search_query", "classification", "clustering", "image")
_TRUNCATIONS: Final = ("NONE", "START", "END")
_MOST_TEXTS: Final = 96
_UNKNOWN: Final = 1024
_FIRST_MODEL: Final = "embed-english-v2.0"
"""The model of version 1 without a name."""


def _read(path: str, body: Mapping[str, Any]) -> Read:
    model = body.get("model") or (_FIRST_MODEL if path.endswith(V1) else None)
    if model is None:
        raise invalid("model is required")
    expect("model", model, str, "a string")
    return Read(read_inputs(body, model), model)


def read_inputs(body: Mapping[str, Any], model: str) -> Embedding:
    """What is to be embedded: texts, then images, then mixed inputs. Raises `BadRequestError`."""
    for name in ("texts", "images", "inputs"):
        expect(name, body.get(name, []) or [], list, "an array")
    inputs = [Input(text) for text in strings(body.get("texts"))]
    if len(inputs) != len(body.get("texts") or ()):
        raise invalid("texts must be an array of strings")
    inputs += [Input(images=(image,)) for image in strings(body.get("images"))]
    inputs += [_mixed(objects(each.get("content"))) for each in objects(body.get("inputs"))]
    known, wanted = dimensions_of(model, _UNKNOWN), whole(body.get("output_dimension"))
    size = wanted if wanted is not None and wanted > 0 else known.default
    return Embedding(tuple(inputs), size, max(known.full, size))


def _mixed(content: list[Mapping[str, Any]]) -> Input:
    texts = (text_of(part.get("text")) for part in content)
    images = (text_of(as_object(part.get("image_url")).get("url")) for part in content)
    return Input("\n".join(filter(None, texts)), images=tuple(filter(None, images)))


def _check(request: ProviderRequest) -> None:
    refuse_unknown(request.body, _FIELDS)
    check_inputs(request)


def check_inputs(request: ProviderRequest) -> None:
    """Raise `BadRequestError` for what the models refuse."""
    body, task = request.body, request.task
    assert isinstance(task, Embedding)
    if not task.inputs:
        raise invalid("one of texts, images or inputs must be provided")
    if len(task.inputs) > _MOST_TEXTS:
        raise invalid(f"total number of texts must be at most {_MOST_TEXTS} - received {len(task.inputs)}")
    purpose = body.get("input_type")
    if purpose is None and "-v2" not in request.model:
        raise invalid("valid input_type must be provided with the provided model")
    if purpose is not None and purpose not in _PURPOSES:
        raise invalid(f"input_type must be one of {', '.join(_PURPOSES)}, not {purpose!r}")
    forms = body.get("embedding_types")
    expect("embedding_types", [] if forms is None else forms, list, "an array")
    if unknown := [form for form in forms or () if form not in NUMBER_FORMS]:
        raise invalid(f"embedding_types must be among {', '.join(NUMBER_FORMS)}, not {unknown[0]!r}")
    if body.get("truncate") is not None and str(body["truncate"]).upper() not in _TRUNCATIONS:
        raise invalid(f"truncate must be one of {', '.join(_TRUNCATIONS)}, not {body['truncate']!r}")
    wanted, known = body.get("output_dimension"), dimensions_of(request.model, _UNKNOWN)
    if wanted is not None and known.fixed:
        raise invalid(f"output_dimension is not supported by the model {request.model}")
    if wanted is not None and not (whole(wanted) is not None and known.allows(int(wanted))):
        sizes = ", ".join(map(str, known.sizes)) or f"1 to {known.full}"
        raise invalid(f"output_dimension must be one of {sizes}, not {wanted!r}")


def write_embeddings(result: Embeddings, request: ProviderRequest, *, always_by_type: bool) -> dict[str, Any]:
    """The fields of the body before `meta`."""
    body, task = request.body, request.task
    assert isinstance(task, Embedding)
    vectors = one_for_each(result.vectors, len(task.inputs), "vectors")
    forms = [form for form in strings(body.get("embedding_types")) if form in NUMBER_FORMS]
    by_type = always_by_type or bool(forms)
    encoded = {form: in_form(vectors, form) for form in forms or ["float"]}
    return {
        "id": cohere_id(request, "embedding"),
        "embeddings": encoded if by_type else encoded["float"],
        "texts": list(strings(body.get("texts"))),
        **({"images": [{} for _ in strings(body["images"])]} if body.get("images") else {}),
        "response_type": "embeddings_by_type" if by_type else "embeddings_floats",
    }


def _write(result: Embeddings, request: ProviderRequest, tokens: int | None) -> Any:
    first_version = request.path.endswith(V1)
    written = write_embeddings(result, request, always_by_type=not first_version)
    billed = {} if tokens is None else {"input_tokens": tokens}
    return {**written, "meta": cohere_meta("1" if first_version else "2", billed)}


ENDPOINTS: Final = (
    Endpoint(
        "cohere_embeddings",
        "embeddings",
        CohereChat(),
        ("/v2/embed", V1),
        Format(_read, _check, _write, cohere_reply),
        usage=(("meta", "billed_units"),),
    ),
)
