"""OpenAI's embeddings, and those of the providers that took their format over (Azure, Mistral, Voyage, Jina, vLLM).

platform.openai.com/docs/api-reference/embeddings. The model's name shows whose limits and fields hold.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.script.ids import HEX, make_id
from tokentape_fake_provider.script.results import Embeddings
from tokentape_fake_provider.wires.endpoints.embedding_models import dimensions_of
from tokentape_fake_provider.wires.endpoints.endpoint import Endpoint, Format, Read, one_for_each
from tokentape_fake_provider.wires.endpoints.number_forms import NUMBER_FORMS, in_form, in_form_bytes
from tokentape_fake_provider.wires.endpoints.openai_values import openai_reply, refuse_unknown
from tokentape_fake_provider.wires.openai_chat import OpenAIChat
from tokentape_fake_provider.wires.openai_dialects import default_dialect
from tokentape_fake_provider.wires.openai_http import expect, missing
from tokentape_fake_provider.wires.reading.fields import first, whole
from tokentape_fake_provider.wires.request_parts import match_path
from tokentape_fake_provider.wires.tasks import Embedding, Input
from tokentape_fake_provider.wires.validation.openai_values import check_integer, check_length, check_word
from tokentape_fake_provider.wires.wire import ProviderRequest

PATHS: Final[Sequence[str]] = (
    "/v1/embeddings",
    "/embeddings",
    "/openai/v1/embeddings",  # Azure's v1
    "/openai/deployments/{model}/embeddings",  # Azure
    "/api/v1/embeddings",  # OpenRouter
    "{_base*}/embeddings",  # /v1beta/openai, /inference/v1, /compatible-mode/v1, ...
)
_FIELDS: Final = ("input", "model", "encoding_format", "dimensions", "user")
_AZURE_FIELDS: Final = (*_FIELDS, "input_type")
_MISTRAL_FIELDS: Final = ("model", "input", "inputs", "metadata", "output_dimension", "output_dtype", "encoding_format")
_MOST_INPUTS, _MOST_TOKENS, _MOST_TOKENS_IN_ALL = 2048, 8192, 300_000
_OWN: Final = re.compile(r"text-embedding-")
_CHAT_MODEL: Final = re.compile(r"gpt-|chatgpt-|o\d(-|$)")
_UNKNOWN: Final = 1536


def _read(path: str, body: Mapping[str, Any]) -> Read:
    model = body.get("model") or (match_path(PATHS, path) or {}).get("model")
    if model is None or model == "":
        raise BadRequestError("you must provide a model parameter")
    expect("model", model, str, "a string")
    given = first(body, "input", "inputs")
    if given is None:
        raise missing("input")
    known = dimensions_of(model, _UNKNOWN)
    wanted = first(body, "dimensions", "output_dimension")
    if wanted is not None and (isinstance(wanted, bool) or not isinstance(wanted, int)):
        expect("dimensions", wanted, (), "an integer")
    size = wanted if wanted is not None and wanted > 0 else known.default
    task = Embedding(_inputs(given), size, max(known.full, size))
    return Read(task, model, default_dialect(path, model))


def _inputs(given: Any) -> tuple[Input, ...]:
    if isinstance(given, str):
        return (Input(given),)
    if isinstance(given, list):
        if given and all(map(_is_token, given)):
            return (Input(tokens=tuple(given)),)
        return tuple(_input(item) for item in given)
    raise _invalid_input()


def _input(item: Any) -> Input:
    match item:
        case str():
            return Input(item)
        case {"text": str(text)}:  # Jina's
            return Input(text)
        case {"image": str(image)}:
            return Input(images=(image,))
        case list() if all(map(_is_token, item)):
            return Input(tokens=tuple(item))
    raise _invalid_input()


def _is_token(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _invalid_input() -> BadRequestError:
    return BadRequestError(
        "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference."
    )


def _check(request: ProviderRequest) -> None:
    body, task = request.body, request.task
    assert isinstance(task, Embedding)
    if not task.inputs or not all(one.text or one.tokens or one.images for one in task.inputs):
        raise _invalid_input()
    if request.dialect == "mistral":
        _check_mistral(request)
        return
    if _CHAT_MODEL.match(request.model):
        raise BadRequestError(
            "You are not allowed to generate embeddings from this model", status=403, type="invalid_request_error"
        )
    if _is_openai(request):
        refuse_unknown(body, _AZURE_FIELDS if request.dialect == "azure" else _FIELDS)
        check_word(body, "encoding_format", ("float", "base64"))
        check_length("input", task.inputs, 1, _MOST_INPUTS)
        _check_tokens(task)
    check_integer(body, "dimensions", 1)
    known, wanted = dimensions_of(request.model, _UNKNOWN), first(body, "dimensions", "output_dimension")
    if wanted is None or not _OWN.match(request.model):
        return
    if known.fixed:
        raise BadRequestError("This model does not support specifying dimensions.")
    if not known.allows(wanted):
        raise BadRequestError(
            f"Invalid value for 'dimensions' = {wanted}. Must be less than or equal to {known.full}.",
            param="dimensions",
        )


def _is_openai(request: ProviderRequest) -> bool:
    """Whether OpenAI's own limits hold: other providers of the format have fields and limits of their own."""
    return request.dialect == "azure" or bool(_OWN.match(request.model))


def _check_tokens(task: Embedding) -> None:
    counts = [one.token_count for one in task.inputs]
    longest = max(counts)
    if longest > _MOST_TOKENS:
        raise BadRequestError(
            f"This model's maximum context length is {_MOST_TOKENS} tokens, however you requested {longest} tokens "
            f"({longest} in your prompt; 0 for the completion). Please reduce your prompt; or completion length."
        )
    if sum(counts) > _MOST_TOKENS_IN_ALL:
        raise BadRequestError(
            f"Requested {sum(counts)} tokens, max {_MOST_TOKENS_IN_ALL} tokens per request",
            type="max_tokens_per_request",
            code="max_tokens_per_request",
        )


def _check_mistral(request: ProviderRequest) -> None:
    """docs.mistral.ai/api/endpoint/embeddings"""
    body, known = request.body, dimensions_of(request.model, _UNKNOWN)
    refuse_unknown(body, _MISTRAL_FIELDS, status=422)
    check_word(body, "encoding_format", ("float", "base64"))
    check_word(body, "output_dtype", tuple(form for form in NUMBER_FORMS if form != "base64"))
    wanted = whole(body.get("output_dimension"))
    if wanted is not None and not known.allows(wanted):
        reason = "does not support output_dimension" if known.fixed else f"has at most {known.full} dimensions"
        raise BadRequestError(f"Invalid output_dimension {wanted}: {request.model} {reason}", param="output_dimension")


def _write(result: Embeddings, request: ProviderRequest, tokens: int | None) -> Any:
    assert isinstance(request.task, Embedding)
    body, mistral = request.body, request.dialect == "mistral"
    vectors = one_for_each(result.vectors, len(request.task.inputs), "vectors")
    wanted = first(body, "output_dtype", "embedding_type")  # the second is Jina's
    dtype = str(wanted) if wanted in NUMBER_FORMS else "float"
    if body.get("encoding_format") == "base64":
        encoded: Sequence[Any] = [in_form_bytes(vector, dtype) for vector in vectors]
    else:
        encoded = in_form(vectors, dtype)
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(encoded)]
    written: dict[str, Any] = {"object": "list", "data": data, "model": request.model}
    if mistral:
        written = {"id": make_id(request.seed, "embedding", 32, HEX), **written}
    if tokens is not None:
        output = {"completion_tokens": 0} if mistral else {}
        written["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens, **output}
    return written


ENDPOINTS: Final = (
    Endpoint(
        "openai_embeddings",
        "embeddings",
        OpenAIChat(),
        PATHS,
        Format(_read, _check, _write, openai_reply),
        usage=(("usage",),),
        others=("azure", "mistral", "openrouter", "voyage", "jina", "vllm", "together"),
    ),
)
