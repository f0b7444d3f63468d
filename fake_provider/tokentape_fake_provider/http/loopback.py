"""Recognizes hosts that mean this machine."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

# RFC 3986 section 3.2, without user information.
_AUTHORITY: Final = re.compile(
    r"""(?: \[ (?P<literal> [0-9A-Fa-f:.]+ ) \] | (?P<name> [A-Za-z0-9._-]+ ) ) (?: : (?P<port> [0-9]{0,5} ) )?""",
    re.VERBOSE,
)

_BELOW_LOCALHOST: Final = re.compile(r"\A(?:[a-z0-9_-]+\.)+localhost(?=\.?(?::|\Z))", re.IGNORECASE)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the host."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def is_authority(text: str) -> bool:
    """Whether the text is a host, with or without a port."""
    return _AUTHORITY.fullmatch(text) is not None


def is_local_authority(authority: str) -> bool:
    """Whether a `Host` header (`localhost:8089`, `[::1]:8089`) names this machine by a loopback name."""
    found = _AUTHORITY.fullmatch(authority)
    if found is None or int(found["port"] or 0) > 65_535:
        return False
    if found["literal"]:
        return ":" in found["literal"] and is_loopback(found["literal"])
    return is_loopback(found["name"].lower().removesuffix("."))


def is_local_origin(origin: str) -> bool:
    """Whether pages of this origin come from this machine: `http://localhost:3000`, also `http://app.localhost`.

    Browsers look up no name that ends in `.localhost` (RFC 6761 section 6.3).
    """
    scheme, _, authority = origin.partition("://")
    return scheme in ("http", "https") and is_local_authority(_BELOW_LOCALHOST.sub("localhost", authority))
