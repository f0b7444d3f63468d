"""SDKs: what the providers' own Python clients make of a server's streams."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib import metadata
from typing import Any

import msgspec

from tokentape_conformance.provider.event import Said
from tokentape_conformance.provider.request_format import Body
from tokentape_fake_provider.wires import WIRES


class Sdk(msgspec.Struct, frozen=True):
    """An SDK: `read` asks at a URL for a scenario's body and reads the answer; `errors` is its error's base class."""

    module: str
    errors: str
    read: Callable[[Any, str, str, Body, bool, str], Said]

    def missing(self, distribution: str) -> str | None:
        """Why it can't be asked; None if it is installed."""
        try:
            importlib.import_module(self.module)
        except ImportError as error:
            return f"{distribution} is not installed ({error})"
        return None

    def said(self, url: str, key: str, body: Body, model: str, *, stream: bool) -> Said:
        """What it says that the answer to this request says. Raises its own errors."""
        return self.read(importlib.import_module(self.module), url, key, body, stream, model)

    @property
    def error(self) -> type[Exception]:
        """The base of the errors that it raises for HTTP errors."""
        module, _, name = self.errors.rpartition(".")
        found: type[Exception] = getattr(importlib.import_module(module), name)
        return found


def model_usage(value: Any) -> Body | None:
    """A usage object of an SDK as it was on the wire."""
    return None if value is None else value.model_dump(exclude_none=True)


def openai_client(openai: Any, url: str, key: str) -> Any:
    """A client that asks once."""
    return openai.OpenAI(base_url=url, api_key=key, max_retries=0)


def genai_client(genai: Any, url: str, key: str) -> Any:
    """A client of the version that is tested."""
    options = genai.types.HttpOptions(base_url=url, api_version="v1beta")
    return genai.Client(api_key=key, http_options=options)


def bedrock_client(boto3: Any, url: str, key: str) -> Any:
    """A client that asks once."""
    from botocore.config import Config  # type: ignore[import-untyped]

    session = boto3.Session(aws_access_key_id=key, aws_secret_access_key=key, region_name="us-east-1")
    return session.client(
        "bedrock-runtime", endpoint_url=url, config=Config(retries={"total_max_attempts": 1}, proxies={})
    )


def sdk_versions() -> dict[str, str]:
    """The SDKs that are installed."""
    found = {}
    for distribution in sorted({wire.facts.provider.sdk for wire in WIRES.values()} - {""}):
        try:
            found[distribution] = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return found
