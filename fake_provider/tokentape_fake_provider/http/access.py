"""Decides which web pages may send requests, and whether a request names this machine.

Any page in a browser can send requests to a server on this machine. `Access.refusal` decides which origins may.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from tokentape_fake_provider.errors import SettingError
from tokentape_fake_provider.http.loopback import is_local_authority, is_local_origin
from tokentape_fake_provider.playback.connection import RawHeaders

ANY_ORIGIN: Final = "*"
NO_ORIGIN: Final = "null"
"""What browsers send for pages of files and of sandboxed frames, whoever wrote them."""


# RFC 6454 section 6.2; also the origins of browser extensions and of apps (tauri://localhost).
_ORIGIN: Final = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#@\s,]+)")
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


class Access(NamedTuple):
    """The origins that may send requests, besides programs and pages of this machine; `*` means any."""

    origins: Sequence[str] = ()

    @classmethod
    def of(cls, origins: Sequence[str]) -> Access:
        """Return the access of origins as a user writes them. Raises `SettingError` for what is not an origin."""
        return cls(tuple(map(_as_origin, origins)))

    def allows_origin(self, origin: str) -> bool:
        """Whether pages of this origin may send requests: those of this machine, and allowed ones."""
        return ANY_ORIGIN in self.origins or self._names(origin)

    def allowed_origin(self, origin: str) -> str:
        """Return what a response names as allowed: this origin, or `*` if it is allowed only because any is."""
        return origin if self._names(origin) else ANY_ORIGIN

    def _names(self, origin: str) -> bool:
        return origin in self.origins or is_local_origin(origin)

    def refusal(self, headers: RawHeaders) -> str:
        """Return why a browser's request is refused, or an empty string. Names of headers are in lower case.

        Browsers send the origin in `Origin`; without it (a link, an image), `Sec-Fetch-Site` shows that the origin is
        another one. A page can forge neither.
        """
        cross_site = named = False
        for name, value in headers:
            if name == b"origin":
                named = True
                origin = value.decode("latin-1")
                if not self.allows_origin(origin):
                    return f"the request comes from a web page of another origin, {origin!r}"
            elif name == b"sec-fetch-site" and value.strip().lower() == b"cross-site":
                cross_site = True
        if cross_site and not named and ANY_ORIGIN not in self.origins:
            return "the request comes from a web page of another site (Sec-Fetch-Site: cross-site)"
        return ""


ALLOW_IT: Final = "allow its origin with --cors (allowed_origins) if you trust it"


def names_this_machine(headers: RawHeaders) -> bool:
    """Whether there is one `Host` header, with a loopback name: a rebound DNS name has another."""
    hosts = [value for name, value in headers if name == b"host"]
    return len(hosts) == 1 and is_local_authority(hosts[0].decode("latin-1"))


def is_same_origin(headers: RawHeaders) -> bool:
    """Whether a page's origin has the host and port that the request was sent to."""
    hosts = [value for name, value in headers if name == b"host"]
    origins = [value.partition(b"://")[2] for name, value in headers if name == b"origin"]
    return len(hosts) == 1 and origins == hosts


def _as_origin(text: str) -> str:
    if text in (ANY_ORIGIN, NO_ORIGIN):
        return text
    found = _ORIGIN.fullmatch(text.strip().rstrip("/").lower())
    if found is None:
        raise SettingError(
            f"{text!r} is not an origin: write scheme://host or scheme://host:port as the browser shows it, * for all, "
            "or null for pages of files"
        )
    scheme, authority = found.groups()
    return f"{scheme}://{authority.removesuffix(_DEFAULT_PORTS.get(scheme, '/'))}"
