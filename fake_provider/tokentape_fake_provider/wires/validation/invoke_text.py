"""What the text models refuse that Bedrock invokes, by the JSON schema of their bodies.

Bounds are those of "Inference request parameters" in Amazon Bedrock's user guide.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.wires.prompt import Prompt
from tokentape_fake_provider.wires.reading.fields import as_object
from tokentape_fake_provider.wires.wire import ProviderRequest


class _Bound(NamedTuple):
    low: float
    high: float | None = None


# By the vendor's part of the model's id, and the path of the field.
_BOUNDS: Final = {
    "amazon.titan": {
        "textGenerationConfig/temperature": _Bound(0, 1),
        "textGenerationConfig/topP": _Bound(0, 1),
        "textGenerationConfig/maxTokenCount": _Bound(0, 8192),
    },
    "meta.": {"temperature": _Bound(0, 1), "top_p": _Bound(0, 1), "max_gen_len": _Bound(1, 8192)},
    "mistral.": {"temperature": _Bound(0, 1), "top_p": _Bound(0, 1), "max_tokens": _Bound(1, 8192)},
    "cohere.": {"temperature": _Bound(0, 5), "p": _Bound(0, 0.99), "max_tokens": _Bound(1, 4096)},
}


def check_invoke_text(request: ProviderRequest, prompt: Prompt) -> None:  # noqa: ARG001 - the body says it all
    """Raise `BadRequestError` for what the provider refuses."""
    for vendor, bounds in _BOUNDS.items():
        if vendor not in request.model:
            continue
        for path, bound in bounds.items():
            holder, _, name = path.rpartition("/")
            value = (as_object(request.body.get(holder)) if holder else request.body).get(name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                _check_bound(path, value, bound)


def _check_bound(path: str, value: float, bound: _Bound) -> None:
    if bound.high is not None and value > bound.high:
        problem = f"{value} is not less or equal to {bound.high}"
    elif value < bound.low:
        problem = f"{value} is not greater or equal to {bound.low}"
    else:
        return
    raise BadRequestError(f"Malformed input request: #/{path}: {problem}, please reformat your input and try again.")
