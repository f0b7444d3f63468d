"""The control API of a fake provider that runs elsewhere."""

from __future__ import annotations

from typing import Any, Final, NoReturn

import httpx2
import msgspec

from tokentape_harness.errors import UsageError
from tokentape_harness.redaction.redact import redact_uri

URL: Final = "TOKENTAPE_URL"
TOKEN: Final = "TOKENTAPE_TOKEN"  # noqa: S105 - the name of the variable


class _Problem(msgspec.Struct):
    what: str
    do: str


class _Refusal(msgspec.Struct):
    error: _Problem


class RefusedError(UsageError):
    """The server refused: its status, and what it says."""

    def __init__(self, status: int, what: str, message: str) -> None:
        super().__init__(message)
        self.status, self.what = status, what


def not_remote(what: str) -> NoReturn:
    """Raise `UsageError` for what another process can't do."""
    raise UsageError(f"{what} needs the server in this process, and {URL} names another: unset it for this test")


class ControlApi:
    """The control API of a server. Raises `UsageError` if it can't be reached or refuses."""

    def __init__(self, url: str, token: str | None, otherwise: str = "") -> None:
        self.url = url.rstrip("/")
        self._otherwise = otherwise
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        self._client = httpx2.Client(base_url=f"{self.url}/_tokentape", headers=headers, trust_env=False)

    def call(self, method: str, path: str, body: Any = None, *, timeout: float = 30.0) -> Any:
        """The JSON of the response, `None` without any."""
        content = None if body is None else msgspec.json.encode(body)
        headers = {} if body is None else {"content-type": "application/json"}
        try:
            response = self._client.request(method, path, content=content, headers=headers, timeout=timeout)
            value = msgspec.json.decode(response.content) if response.content else None
        except (httpx2.HTTPError, httpx2.InvalidURL, msgspec.DecodeError) as error:
            raise self._no_server(type(error).__name__) from None
        if response.is_error:
            try:
                problem = msgspec.convert(value, _Refusal).error
            except msgspec.ValidationError:
                raise self._no_server(f"status {response.status_code}") from None
            do = f"set {TOKEN}" if response.status_code == 401 else problem.do
            raise RefusedError(response.status_code, problem.what, f"{method} {path}: {problem.what}: {do}")
        return value

    def _no_server(self, reason: str) -> UsageError:
        otherwise = self._otherwise or "name its address, such as http://127.0.0.1:8089, or unset the variable"
        return UsageError(
            f"{'' if self._otherwise else f'{URL}: '}no fake provider answers at {redact_uri(self.url)} "
            f"({reason}): start it with tokentape serve, or {otherwise}"
        )

    def close(self) -> None:
        """Close its connections."""
        self._client.close()
