"""The console's files: what is served, to whom, and that the page needs nothing else."""

from __future__ import annotations

import re
from importlib.resources import files

import httpx2
import pytest

from tokentape_fake_provider.hosting.server import FakeProviderServer

FOLDER = files("tokentape_fake_provider.control").joinpath("console")
NAMES = sorted(file.name for file in FOLDER.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_each_file_is_served_with_a_strict_policy(name: str, server: FakeProviderServer, http: httpx2.Client) -> None:
    """A file comes as it is, with its type, and a policy that allows only this server and no inline script."""
    response = http.get(f"{server.url}/_tokentape/console/{name}")
    assert response.content == FOLDER.joinpath(name).read_bytes()
    assert (
        response.headers["content-type"].split(";")[0]
        in (
            {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}[
                name.split(".")[-1]
            ]
        )
    )
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy


def test_the_page_is_at_the_root_for_a_browser(server: FakeProviderServer, http: httpx2.Client) -> None:
    """A browser that opens the server's address gets the console; a program gets the health, as before."""
    accept = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    page = http.get(server.url, headers=accept, follow_redirects=True)
    assert (page.url.path, page.content) == ("/_tokentape/console", FOLDER.joinpath("index.html").read_bytes())
    assert http.get(server.url).json() == {"status": "ok"}
    assert http.get(f"{server.url}/health", headers=accept).json() == {"status": "ok"}


@pytest.mark.parametrize("name", ["nothing.js", "..%2Fapi.py", "%2e%2e%2fpy.typed", "index.html%00", ""])
def test_nothing_else_is_served(name: str, server: FakeProviderServer, http: httpx2.Client) -> None:
    """A name that is not one of the files is a 404."""
    assert http.get(f"{server.url}/_tokentape/console/{name}").status_code == 404


def test_the_page_needs_no_token_but_has_no_data(http: httpx2.Client) -> None:
    """With a token the page and its files load without it, from this machine's pages only; the rest needs it."""
    with FakeProviderServer(token="secret") as server:
        url = f"{server.url}/_tokentape"
        assert http.get(f"{url}/console").status_code == 200
        assert http.get(f"{url}/console/main.js").status_code == 200
        assert http.get(f"{url}/console", headers={"origin": "https://evil.example"}).status_code == 403
        assert http.get(f"{url}/sessions").status_code == 401


def test_the_page_is_off_where_the_control_api_is(http: httpx2.Client) -> None:
    """A server beyond this machine without a token has no console, and its root stays the health route."""
    with FakeProviderServer("0.0.0.0", allow_remote=True) as server:
        url = server.url.replace("0.0.0.0", "127.0.0.1")
        assert http.get(f"{url}/_tokentape/console").status_code == 403
        assert http.get(url, headers={"accept": "text/html"}).json() == {"status": "ok"}


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith((".html", ".js", ".css"))])
def test_nothing_is_fetched_from_elsewhere_and_nothing_is_put_in_as_markup(name: str) -> None:
    """No file names another origin, has inline script or style, or writes markup from text."""
    text = FOLDER.joinpath(name).read_text()
    allowed = {"http://www.w3.org/2000/svg"}
    assert set(re.findall(r"https?://[^\s\"'`)]+", text)) <= allowed
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser", text
    )
    if name.endswith(".html"):
        assert not re.search(r"<style|\son\w+=|\sstyle=|<script(?![^>]*\ssrc=)", text)
