"""Decides which web pages may send requests, and whether a request names this machine.

Any page in a browser can send requests to a server on this machine. `Access.refusal` decides which origins may.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from tokentape_fake_provider.http.loopback import is_local_authority
from tokentape_fake_provider.playback.connection import RawHeaders

ANY_ORIGIN: Final = "*"


class Access(NamedTuple):
    """The origins that may send requests, besides programs and pages of this machine; `*` means any."""

    origins: Sequence[str] = ()

    def allows_origin(self, origin: str) -> bool:
        """Whether pages of this origin may send requests: those of this machine, and allowed ones."""
        if ANY_ORIGIN in self.origins or origin in self.origins:
            return True
        scheme, _, authority = origin.partition("://")
        return scheme in ("http", "https") and is_local_authority(authority)

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


ALLOW_IT: Final = "allow its origin with --allow-origin (allowed_origins) if you trust it"


def names_this_machine(headers: RawHeaders) -> bool:
    """Whether there is one `Host` header, with a loopback name: a rebound DNS name has another."""
    hosts = [value for name, value in headers if name == b"host"]
    return len(hosts) == 1 and is_local_authority(hosts[0].decode("latin-1"))
