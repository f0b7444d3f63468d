"""Provider times: when the fake provider sent what the users of a load test received."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

import httpx2
import msgspec

from tokentape_fake_provider.control import CONTROL_PATH
from tokentape_harness.errors import LoadError
from tokentape_harness.load.sample import MARK

_IN_PROMPT: Final = re.compile(rf"\({MARK} ([0-9a-f]{{32}})\)")
_SESSION: Final = re.compile(r"/s/([^/]+)")
# The most requests of one answer of the journal.
_PAGE: Final = 2000


class ProviderTimes(NamedTuple):
    """What the provider says of one request, in ms: its time to first token and its greatest lateness."""

    first: float | None
    lateness: float | None


class _Entry(msgspec.Struct):
    number: int
    headers: list[tuple[str, str]]
    body: Any
    first_frame: float | None = None
    lateness: float | None = None


class _Session(msgspec.Struct):
    id: str
    requests: int


class _Page(msgspec.Struct):
    entries: list[_Entry]


class _Problem(msgspec.Struct):
    what: str
    do: str


class _Refusal(msgspec.Struct):
    error: _Problem


class Missing(NamedTuple):
    """Why there is no journal, and whether a fake provider says so."""

    reason: str
    is_ours: bool = False


class ProviderJournal:
    """The journal of a session of the fake provider, over its control API.

    `url` is that of the server, or any below it; the session is by default that of the URL.
    """

    def __init__(self, url: str, session: str | None = None, token: str | None = None) -> None:
        parts = urlsplit(url)
        if session is None:
            found = _SESSION.match(parts.path)
            session = found[1] if found else "default"
        user, _, netloc = parts.netloc.rpartition("@")  # not in the URL, which errors show
        self.url = f"{parts.scheme}://{netloc}{CONTROL_PATH}/sessions/{session}"
        self._auth = (unquote(parts.username or ""), unquote(parts.password or "")) if user else None
        self._headers = {"authorization": f"Bearer {token}"} if token else {}

    def missing(self) -> Missing | None:
        """Why there is no journal to read; `None` if there is."""
        try:
            response = httpx2.get(self.url, headers=self._headers, auth=self._auth, timeout=10)
        except httpx2.HTTPError as error:
            return Missing(str(error) or type(error).__name__)
        try:
            if not response.is_success:
                problem = msgspec.json.decode(response.content, type=_Refusal).error
                do = "give it as --token" if response.status_code == 401 else problem.do
                return Missing(f"{problem.what}; {do}", is_ours=True)
            msgspec.json.decode(response.content, type=_Session)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Missing(f"status {response.status_code} of another server")
        return None

    def times(self) -> dict[str, ProviderTimes]:
        """The times of each marked request that the journal still has, by its mark. Raises `LoadError`."""
        try:
            return dict(self._read())
        except (httpx2.HTTPError, msgspec.MsgspecError) as error:
            raise LoadError(f"the provider's journal at {self.url} can't be read: {error}") from error

    def _read(self) -> Iterator[tuple[str, ProviderTimes]]:
        since = 0
        with httpx2.Client(headers=self._headers, auth=self._auth, timeout=60) as client:
            while True:
                params = {"since": since, "limit": _PAGE}
                response = client.get(f"{self.url}/journal", params=params).raise_for_status()
                entries = msgspec.json.decode(response.content, type=_Page).entries
                for entry in entries:
                    mark = _mark_of(entry)
                    if mark:
                        yield mark, ProviderTimes(entry.first_frame, entry.lateness)
                if len(entries) < _PAGE:
                    return
                since = entries[-1].number + 1


def _mark_of(entry: _Entry) -> str:
    for name, value in entry.headers:
        if name.lower() == MARK:
            return value
    found = _IN_PROMPT.findall(msgspec.json.encode(entry.body).decode()) if entry.body else []
    return found[-1] if found else ""
