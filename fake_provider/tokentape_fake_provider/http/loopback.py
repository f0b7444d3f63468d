"""Host: which hosts are this machine."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_local_authority(authority: str) -> bool:
    """Whether a `Host` header (`localhost:8089`, `[::1]:8089`) names this machine by a loopback name."""
    if authority.startswith("["):
        return is_loopback(authority[1:].partition("]")[0])
    return is_loopback(authority.partition(":")[0].lower())
