"""The private members of HTTP clients that recording uses, and the versions that they were seen in."""

from __future__ import annotations

import importlib
from importlib.metadata import requires, version

import pytest
from packaging.requirements import Requirement

from tokentape_harness.recording.clients import aiohttp as aiohttp_patch
from tokentape_harness.recording.clients import httpx as httpx_patch
from tokentape_harness.recording.clients import urllib3 as urllib3_patch

# The first and the last version that the tests of recording have passed with.
SEEN = {
    "aiohttp": ("3.12", "3.14", aiohttp_patch),
    "urllib3": ("2.0", "2.8", urllib3_patch),
    "httpx": ("0.27", "0.28", httpx_patch),
    "httpx2": ("2.10", "2.16", httpx_patch),
}


def minor(text: str) -> tuple[int, ...]:
    """Major and minor version."""
    return tuple(int(part) for part in text.split(".")[:2])


@pytest.mark.parametrize("name", SEEN)
def test_the_installed_version_is_one_that_recording_was_seen_with(name):
    """The installed client has what recording needs; a newer minor version is to be tested and written down first."""
    first, last, patcher = SEEN[name]
    assert minor(first) <= minor(version(name)) <= minor(last)
    assert f"{first} to {last}" in patcher.VERSIONS
    assert patcher.fits(importlib.import_module(name))


@pytest.mark.parametrize(
    ("name", "owner", "member"),
    [
        ("aiohttp", "ClientSession", "_request"),
        ("aiohttp", "ClientResponse", "_response_eof"),
        ("aiohttp", "StreamReader", "_wait"),
        ("urllib3", "HTTPConnectionPool", "_make_request"),
    ],
)
def test_a_version_without_a_private_member_is_left_to_vcrpy(name, owner, member, monkeypatch):
    """Where a private member is gone the client is not patched, instead of failing in the middle of a stream."""
    package = importlib.import_module(name)
    monkeypatch.delattr(getattr(package, owner), member)
    assert not SEEN[name][2].fits(package)


def test_vcrpy_has_an_upper_bound():
    """The metadata allow no major version of vcrpy that recording was not seen with."""
    found = {
        str(one.specifier): one.specifier for one in map(Requirement, requires("tokentape")) if one.name == "vcrpy"
    }
    (bounds,) = found.values()
    assert version("vcrpy") in bounds
    assert "10.0" not in bounds
