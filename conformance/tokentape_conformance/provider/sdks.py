"""SDKs: how the providers' own Python clients read a server's streams."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib import metadata
from typing import Any

import msgspec

from tokentape_conformance.provider.grammar_event import ResponseContent
from tokentape_conformance.provider.request_format import Body
from tokentape_fake_provider.wires import WIRES


class Sdk(msgspec.Struct, frozen=True):
    """An SDK: `read` sends a body to a URL and reads the response; `errors` is the base class of its errors."""

    module: str
    errors: str
    read: Callable[[Any, str, str, Body, bool, str], ResponseContent]

    def missing(self, distribution: str) -> str | None:
        """Why it can't be used; None if it is installed."""
        try:
            importlib.import_module(self.module)
        except ImportError as error:
            return f"{distribution} is not installed ({error})"
        return None

    def read_response(self, url: str, key: str, body: Body, model: str, *, stream: bool) -> ResponseContent:
        """Send a request and read its response. Raises the SDK's own errors."""
        return self.read(importlib.import_module(self.module), url, key, body, stream, model)

    @property
    def error(self) -> type[Exception]:
        """The base of the errors that it raises for HTTP errors."""
        module, _, name = self.errors.rpartition(".")
        found: type[Exception] = getattr(importlib.import_module(module), name)
        return found


def model_usage(value: Any) -> Body | None:
    """A usage object of an SDK as JSON."""
    return None if value is None else value.model_dump(exclude_none=True)


def openai_client(openai: Any, url: str, key: str) -> Any:
    """A client without retries."""
    return openai.OpenAI(base_url=url, api_key=key, max_retries=0)


def genai_client(genai: Any, url: str, key: str) -> Any:
    """A client of the version that is tested."""
    options = genai.types.HttpOptions(base_url=url, api_version="v1beta")
    return genai.Client(api_key=key, http_options=options)


def bedrock_client(boto3: Any, url: str, key: str) -> Any:
    """A client without retries."""
    from botocore.config import Config  # type: ignore[import-untyped]

    session = boto3.Session(aws_access_key_id=key, aws_secret_access_key=key, region_name="us-east-1")
    return session.client(
        "bedrock-runtime", endpoint_url=url, config=Config(retries={"total_max_attempts": 1}, proxies={})
    )


def sdk_versions() -> dict[str, str]:
    """The versions of the installed SDKs."""
    found = {}
    for distribution in sorted({wire.facts.provider.sdk for wire in WIRES.values()} - {""}):
        try:
            found[distribution] = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return found
