"""What is known of the request behind a stream that another library requested."""

from __future__ import annotations

import contextlib
import re
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec

from tokentape.stream.context import StreamContext

# By the package of an SDK.
_PROVIDERS: Final = {
    "anthropic": "anthropic",
    "botocore": "aws.bedrock",
    "cohere": "cohere",
    "google": "gemini",
    "groq": "groq",
    "mistralai": "mistral",
    "ollama": "ollama",
    "openai": "openai",
}
_NO_OPTIONS: Final = {"stream", "messages", "input", "contents", "prompt", "message"}
_MODEL_IN_PATH: Final = re.compile(r"/models?/([^/:]+)[/:]")


def provider_of(value: object) -> str | None:
    """Return the provider whose official SDK has the class of a value."""
    packages = (kind.__module__.partition(".")[0] for kind in type(value).__mro__)
    return next((_PROVIDERS[package] for package in packages if package in _PROVIDERS), None)


def request_context(response: Any, url: str, provider: str | None = None) -> StreamContext:
    """Return the context of an open response: the model and the options, as far as its HTTP client kept the request."""
    parts, options = urlsplit(url), _options(response)
    in_path = _MODEL_IN_PATH.search(parts.path)
    model = options.pop("model", unquote(in_path[1]) if in_path else None)
    return StreamContext(
        provider=provider,
        model=model if isinstance(model, str) else None,
        configuration=options,
        url=f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if parts.netloc else None,
    )


def _options(response: Any) -> dict[str, Any]:
    """Return the fields of the request's body, but for those of the prompt, which may be long."""
    body = None
    with contextlib.suppress(Exception):  # httpx raises for a request that it does not have, or has not read
        request = response.request
        body = request.content if hasattr(request, "content") else request.body
    try:
        fields = msgspec.json.decode(body or b"{}", type=dict[str, msgspec.Raw])
        return {name: msgspec.json.decode(raw) for name, raw in fields.items() if name not in _NO_OPTIONS}
    except (msgspec.MsgspecError, TypeError, UnicodeError):
        return {}
