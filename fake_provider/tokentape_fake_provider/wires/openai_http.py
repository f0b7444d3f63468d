"""What the formats of OpenAI's API share: errors, headers, usage of completions, and the checks of requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.script.ids import HEX, make_id
from tokentape_fake_provider.script.model import Error
from tokentape_fake_provider.script.tokenizer import count_tokens
from tokentape_fake_provider.script.usage import Counts
from tokentape_fake_provider.wires.facts import Provider
from tokentape_fake_provider.wires.limits import Limits, openai_limits, retry_after
from tokentape_fake_provider.wires.request_parts import json_type
from tokentape_fake_provider.wires.wire import ProviderRequest, Reply, Wire

# (type, code) by status.
ERRORS: Mapping[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("request_forbidden", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    409: ("invalid_request_error", "conflict"),
    413: ("invalid_request_error", "request_too_large"),
    422: ("invalid_request_error", "unprocessable_entity"),
    429: ("requests", "rate_limit_exceeded"),
}

OPENAI = Provider(
    "openai",
    "https://api.openai.com",
    sdk="openai",
    base_urls=("OPENAI_BASE_URL", "OPENAI_API_BASE"),  # the second is litellm's and langchain's
    keys=("OPENAI_API_KEY",),
)
# platform.openai.com/docs/guides/error-codes


class OpenAIWire(Wire):
    """What the wire formats of OpenAI's API share."""

    base_path = "/v1"
    overloaded = Error(503, "The engine is currently overloaded, please try again later", type="server_error")

    def stream_headers(self, request: ProviderRequest) -> tuple[tuple[str, str], ...]:
        """The headers of a streamed response."""
        return (("content-type", "text/event-stream; charset=utf-8"), *openai_headers(request, request.seed))

    def encode_error(self, error: Error, request: ProviderRequest | None = None) -> Reply:
        """An HTTP error."""
        seed = request.seed if request is not None else error.message
        headers = [("content-type", "application/json; charset=utf-8"), *openai_headers(request, seed)]
        if error.retry_after is not None:
            headers += [*retry_after(error), ("retry-after-ms", f"{error.retry_after * 1000:.0f}")]
        return Reply(error.status, tuple(headers), msgspec.json.encode({"error": error_fields(error)}))

    def limit_headers(self, limits: Limits, request: ProviderRequest) -> tuple[tuple[str, str], ...]:  # noqa: ARG002 - they are always the same
        """`x-ratelimit-*`."""
        return openai_limits(limits)


def error_fields(error: Error) -> dict[str, Any]:
    """The `error` object of a body or an event."""
    kind, code = ERRORS.get(error.status, ("server_error" if error.status >= 500 else "invalid_request_error", None))
    return {
        "message": error.message,
        "type": error.type or kind,
        "param": error.param,
        "code": error.code or code,
    }


def json_reply(body: Mapping[str, Any], request: ProviderRequest) -> Reply:
    """A successful response that is not streamed."""
    return Reply(
        200, (("content-type", "application/json"), *openai_headers(request, request.seed)), msgspec.json.encode(body)
    )


def openai_headers(request: ProviderRequest | None, seed: str) -> tuple[tuple[str, str], ...]:
    """The headers of every response but its content type."""
    prompt = count_tokens(request.text) if request is not None else 0
    return (
        ("openai-version", "2020-10-01"),
        ("openai-processing-ms", "140"),
        ("x-ratelimit-limit-requests", "10000"),
        ("x-ratelimit-limit-tokens", "2000000"),
        ("x-ratelimit-remaining-requests", "9999"),
        ("x-ratelimit-remaining-tokens", str(max(0, 2_000_000 - prompt))),
        ("x-ratelimit-reset-requests", "6ms"),
        ("x-ratelimit-reset-tokens", "0s"),
        ("x-request-id", "req_" + make_id(seed, "request", 32, HEX)),
    )


def completion_usage(counts: Counts) -> dict[str, Any]:
    """`usage` of both kinds of completions."""
    prompt = {"cached_tokens": counts.cached, "audio_tokens": 0}
    if counts.cache_write:
        prompt["cache_write_tokens"] = counts.cache_write
    return {
        "prompt_tokens": counts.input,
        "completion_tokens": counts.output,
        "total_tokens": counts.total,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {
            "reasoning_tokens": counts.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def expect(param: str, value: Any, kind: type | tuple[type, ...], wanted: str) -> None:
    """Check the type of a parameter. Raises `BadRequestError`."""
    if not isinstance(value, kind):
        raise BadRequestError(
            f"Invalid type for '{param}': expected {wanted}, but got {json_type(value)} instead.",
            param=param,
            code="invalid_type",
        )


def missing(param: str) -> BadRequestError:
    """The error for a parameter that is required."""
    return BadRequestError(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")


def stream_options(body: Mapping[str, Any], *, stream: bool) -> Mapping[str, Any]:
    """`stream_options`, which streaming requests alone may have. Raises `BadRequestError`."""
    options = body.get("stream_options") or {}
    expect("stream_options", options, dict, "an object")
    if options and not stream:
        raise BadRequestError(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            param="stream_options",
        )
    found: Mapping[str, Any] = options
    return found


def wanted_choices(body: Mapping[str, Any]) -> int:
    """`n`, from 1 to 128. Raises `BadRequestError`."""
    choices = 1 if body.get("n") is None else body["n"]
    if not isinstance(choices, int) or isinstance(choices, bool):
        expect("n", choices, (), "an integer")
    if not 1 <= choices <= 128:
        raise BadRequestError(
            f"Invalid 'n': integer {'below minimum' if choices < 1 else 'above maximum'} value. "
            f"Expected a value {'>= 1' if choices < 1 else '<= 128'}, but got {choices} instead.",
            param="n",
            code=f"integer_{'below_min' if choices < 1 else 'above_max'}_value",
        )
    return choices
