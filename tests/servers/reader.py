"""A reader at the far end: a plain socket, so that nothing of a client stands in between."""

from __future__ import annotations

import http.client
import json
from types import TracebackType
from urllib.parse import urlsplit

_BODY = {"model": "gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}


class Reader:
    """One request, whose response is read as it comes. It waits at most 20 s for anything."""

    def __init__(self, url: str, last_event_id: str | None = None) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
        headers = {"content-type": "application/json"}
        if last_event_id is not None:
            headers["last-event-id"] = last_event_id
        self._connection.request("POST", parts.path, json.dumps(_BODY), headers)
        self._response: http.client.HTTPResponse | None = None
        self.body = b""

    @property
    def response(self) -> http.client.HTTPResponse:
        """The response, once its head is there."""
        if self._response is None:
            self._response = self._connection.getresponse()
        return self._response

    def until(self, text: str) -> bytes:
        """Read until this is there; all of the body so far. Raises `EOFError` if it ends before."""
        while text.encode() not in self.body:
            self._read()
        return self.body

    def rest(self) -> bytes:
        """Read to the end; all of the body. Raises `http.client.IncompleteRead` if it was cut off."""
        try:
            while True:
                self._read()
        except EOFError:
            return self.body

    def close(self) -> None:
        """Leave."""
        if self._response is not None:
            self._response.close()
        self._connection.close()

    def _read(self) -> None:
        part = self.response.read1(65536)
        if not part:
            raise EOFError(f"the body ended: {self.body[-200:]!r}")
        self.body += part

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
