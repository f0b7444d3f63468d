"""What an Ollama server refuses (server/routes.go, api/types.go and llm/server.go of ollama/ollama)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.wires.prompt import Prompt
from tokentape_fake_provider.wires.reading.fields import as_object, objects, strings
from tokentape_fake_provider.wires.wire import ProviderRequest

_FLOATS: Final = (
    "temperature",
    "top_p",
    "min_p",
    "typical_p",
    "repeat_penalty",
    "presence_penalty",
    "frequency_penalty",
)
_INTEGERS: Final = ("num_predict", "num_ctx", "top_k", "seed", "num_keep", "repeat_last_n")
_LINE_ENDS: Final = str.maketrans("", "", "\r\n")
_EFFORTS: Final = ("high", "medium", "low", "max")


def check_ollama(request: ProviderRequest, prompt: Prompt) -> None:  # noqa: ARG001 - the body says it all
    """Raise `BadRequestError` for what the server refuses; it takes any range, and results without calls."""
    body = request.body
    options = as_object(body.get("options"))
    for name, kind, types in (
        *((name, "float32", (int, float)) for name in _FLOATS),
        *((name, "integer", (int, float)) for name in _INTEGERS),
    ):
        value = options.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, types)):
            raise BadRequestError(f'option "{name}" must be of type {kind}')
    stop = options.get("stop")
    if stop is not None and (not isinstance(stop, list) or len(strings(stop)) != len(stop)):
        raise BadRequestError('option "stop" must be of type array')
    _check_think(body.get("think"))
    _check_format(body.get("format"))
    top = body.get("top_logprobs")
    if isinstance(top, int) and not isinstance(top, bool) and not 0 <= top <= 20:
        raise BadRequestError("top_logprobs must be between 0 and 20")
    for holder in (body, *objects(body.get("messages"))):
        _check_images(holder)


def _check_think(think: Any) -> None:
    if isinstance(think, str) and think not in _EFFORTS:
        listed = ", ".join(f'"{effort}"' for effort in _EFFORTS)
        raise BadRequestError(f'invalid think value: "{think}" (must be {listed}, true, or false)')


def _check_format(form: Any) -> None:
    if form in (None, "", "json") or isinstance(form, Mapping):
        return
    raise BadRequestError(f'invalid format: {form!r}; expected "json" or a valid JSON Schema object')


def _check_images(holder: Mapping[str, Any]) -> None:
    for image in strings(holder.get("images")):
        try:
            base64.b64decode(image.translate(_LINE_ENDS), validate=True)  # as Go, which skips line ends
        except (binascii.Error, ValueError):
            raise BadRequestError("illegal base64 data at input byte 0") from None
