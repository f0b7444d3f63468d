"""tokentape console: the page of a running server, its address, and what is wrong where none runs."""

from __future__ import annotations

import webbrowser
from collections.abc import Iterator

import pytest

from tests.http_server import QuietHandler, serving
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_harness.cli import main


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that a browser was to open."""
    found: list[str] = []

    def open_page(url: str) -> bool:
        found.append(url)
        return True

    monkeypatch.setattr(webbrowser, "open", open_page)
    monkeypatch.delenv("TOKENTAPE_TOKEN", raising=False)
    return found


@pytest.fixture(scope="module")
def server() -> Iterator[FakeProviderServer]:
    """A server with a token."""
    with FakeProviderServer(token="a/b#c") as running:
        yield running


def console(*arguments: str) -> int:
    """The exit code of the command."""
    with pytest.raises(SystemExit) as ended:
        main(["console", *arguments])
    return int(ended.value.code or 0)


def test_the_page_is_opened(server: FakeProviderServer, opened: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The address is printed and opened, whichever URL of the server is given; the token is no part of it."""
    page = f"{server.url}/_tokentape/console"
    authority = server.url.removeprefix("http://")
    for given in (server.url, f"{server.url}/s/x/v1", authority):
        assert console(given) == 0
    assert console(server.url, "--no-browser") == 0
    assert opened == [page] * 3
    assert capsys.readouterr() == (f"{page}\n" * 4, "")


def test_a_token_stays_out_of_the_list_of_processes(
    server: FakeProviderServer,
    opened: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A browser gets the address without it; on the command line it works, with a warning that names the variable."""
    assert console(server.url, "--token", "a/b#c") == 0
    assert "set TOKENTAPE_TOKEN instead" in capsys.readouterr().err
    monkeypatch.setenv("TOKENTAPE_TOKEN", "a/b#c")
    assert console(server.url) == 0
    assert capsys.readouterr().err == ""
    assert opened == [f"{server.url}/_tokentape/console"] * 2


def test_a_wrong_token_is_an_error(
    server: FakeProviderServer, opened: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A token that the server does not take is an error, and is not printed."""
    assert console(server.url, "--token", "wrong-one") == 1
    error = capsys.readouterr().err
    assert "the control API's token is missing or wrong" in error
    assert "wrong-one" not in error
    assert opened == []


def test_no_server_is_an_error(opened: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing listens, where another server listens, and for what is no URL, the error says what to do."""

    class Other(QuietHandler):
        def do_GET(self) -> None:
            self.send_response(404)
            self.end_headers()

    with serving(Other) as other:
        url = other.url
        assert console(url) == 1
    assert "is not a page of a fake provider" in capsys.readouterr().err
    assert console(url) == 1
    assert "start one with tokentape serve" in capsys.readouterr().err
    for wrong in ("ftp://x", "http://", "http://x:y"):
        assert console(wrong) == 2
        assert "is not the address of a server" in capsys.readouterr().err
    assert console("http://user:pass@127.0.0.1") == 2
    assert "pass@" not in capsys.readouterr().err
    assert opened == []


def test_without_a_browser_the_address_is_printed(
    server: FakeProviderServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a browser the command asks for the address to be opened."""
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    assert console(server.url) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{server.url}/_tokentape/console\n"
    assert "open the address yourself" in captured.err
