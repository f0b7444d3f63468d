"""Reports of failed tests: which tests leave one, what is in it, and what never is."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.projects import HEAVY, NO_LOOP, off
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_harness.testing import exchange_reading  # a run of pytester would forget what it imports
from tokentape_harness.testing.fake_provider import FakeProvider
from tokentape_harness.testing.report import file_name, report_data, write_report
from tokentape_harness.testing.report_page import report_page

pytest_plugins = ["pytester"]

assert exchange_reading
WITHOUT = off(*HEAVY)
WITHOUT_LOOPS = off(*NO_LOOP)
KEY = "sk-proj-Zk3vQ9xT7pLm2RbN8wYc4HdJ6sFgA1uEqW5tXoP0"
NASTY = "</script><script>alert(1)</script><!-- \u2028 \u2029 & 日本"

TESTS = """
    import httpx2
    import pytest

    def ask(provider, text):
        body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": text}]}
        return httpx2.post(provider.base_url() + "/chat/completions", json=body).text

    def test_passes(fake_provider):
        ask(fake_provider, "fine")

    @pytest.mark.parametrize("name", ["a/b", "a:b", "../../up", "x" * 300])
    def test_fails(fake_provider, name):
        fake_provider.script("of " + name[:9])
        ask(fake_provider, "why?")
        assert False, "because of " + name[:9]

    def test_fails_at_its_end(fake_provider):
        from tokentape_harness import call
        fake_provider.conversation(call("f").returns("x"), "done")
        ask(fake_provider, "one")
        ask(fake_provider, "two")

    def test_fails_in_process(fake_provider_in_process):
        with httpx2.Client(transport=fake_provider_in_process.transport()) as client:
            client.post(fake_provider_in_process.base_url() + "/chat/completions", json={"model": "m", "messages": []})
        raise RuntimeError("in process")

    def test_fails_without_a_provider():
        assert False

    @pytest.mark.xfail
    def test_is_expected_to_fail(fake_provider):
        assert False
"""


class Page(HTMLParser):
    """The data of a report, and what else its page has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.scripts = 0
        self._of: str | None = None
        self._data = ""
        self.feed(text)
        self.data: dict[str, Any] = json.loads(self._data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        self.scripts += tag == "script"
        self._of = given.get("id") if tag == "script" else None

    def handle_data(self, data: str) -> None:
        if self._of == "tokentape-report":
            self._data += data


def reports(folder: Path) -> dict[str, Page]:
    """The reports in a folder by the names of their tests."""
    pages = [Page(path.read_text(encoding="utf-8")) for path in folder.iterdir()]
    return {page.data["test"]["name"]: page for page in pages}


def check(folder: Path) -> None:
    """Check the reports of the tests above."""
    found = reports(folder)
    assert {name.partition("::")[2].partition("[")[0] for name in found} == {
        "test_fails",
        "test_fails_at_its_end",
        "test_fails_in_process",
    }
    assert len(found) == 6
    for path in folder.iterdir():
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,140}\.html", path.name)
    (page,) = (page for name, page in found.items() if name.endswith("test_fails[a/b]"))
    assert page.data["test"]["outcome"] == "failed"
    assert "because of a/b" in page.data["test"]["error"]
    (session,) = page.data["sessions"]
    (entry,) = page.data["journals"][session["id"]]["entries"]
    assert entry["messages"] == [{"role": "user", "parts": [{"type": "text", "text": "why?"}]}]
    assert "".join(message["text"] for frame in entry["frames"] for message in frame["messages"]) == "of a/b"
    assert b"[DONE]" in base64.b64decode(entry["frames"][-1]["data"])
    late = found[next(name for name in found if name.endswith("at_its_end"))]
    assert "call_" in late.data["test"]["error"] or "result" in late.data["test"]["error"]


@pytest.mark.slow
def test_failed_tests_leave_reports(pytester: pytest.Pytester) -> None:
    """Each failed test with a fake provider leaves one file with a safe name, beside its failure; no other does."""
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_inprocess(*WITHOUT_LOOPS, "--tokentape-report", "out/reports")
    check(pytester.path / "out" / "reports")
    result.stdout.fnmatch_lines(["*- tokentape report -*", "*reports*test_fails*.html"])


@pytest.mark.slow
def test_workers_of_xdist_leave_reports(pytester: pytest.Pytester) -> None:
    """Under xdist the workers write the same files, and the failure names them."""
    pytester.makepyfile(TESTS)
    command = [sys.executable, "-m", "pytest", *WITHOUT, "-n", "2", "--tokentape-report", "reports"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    check(pytester.path / "reports")
    assert "- tokentape report -" in done.stdout


@pytest.mark.slow
def test_without_the_option_nothing_is_written(pytester: pytest.Pytester) -> None:
    """A run without the option leaves no file."""
    pytester.makepyfile(TESTS)
    before = set(pytester.path.rglob("*.html"))
    pytester.runpytest_inprocess(*WITHOUT_LOOPS, "-k", "test_fails_in_process")
    assert set(pytester.path.rglob("*.html")) == before


@pytest.mark.slow
def test_a_folder_that_can_not_be_written_fails_no_run(pytester: pytest.Pytester) -> None:
    """Where the folder is a file, the failure says so, and the run goes on."""
    pytester.makepyfile(TESTS)
    (pytester.path / "taken").write_text("mine")
    result = pytester.runpytest_inprocess(*WITHOUT_LOOPS, "--tokentape-report", "taken", "-k", "process or passes")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["not written: *"])


@pytest.fixture(scope="module")
def provider() -> Any:
    """A fake provider with one nasty request, which has secrets in every place, and one of a megabyte."""
    with FakeProviderServer() as server:
        session = server.create_session()
        provider = FakeProvider(server, session)
        provider.script(NASTY)
        url = f"{provider.base_url()}/chat/completions"
        body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": f"{NASTY} {KEY}"}]}
        query = {"api_key": KEY}
        httpx2.post(url, json=body | {"api_key": KEY}, headers={"authorization": f"Bearer {KEY}"}, params=query)
        leak = Frame(0, f'data: {{"text": "{KEY}"}}\n\n'.encode())
        provider.script(Tape((leak,), 200, (("content-type", "text/event-stream"), ("set-cookie", f"id={KEY}"))))
        httpx2.post(url, json=body)
        httpx2.post(url, json=body | {"messages": [{"role": "user", "content": "x" * 1_000_000}]})
        session.journal.wait()
        yield provider


def test_nothing_secret_is_in_a_report(provider: FakeProvider) -> None:
    """Keys in headers, bodies, prompts, queries, errors, cookies and the bytes of frames are masked."""
    data = report_data("test", "failed", f"key {KEY}", [provider])
    assert KEY not in data
    for entry in json.loads(data)["journals"][provider.session.id]["entries"]:
        assert KEY.encode() not in b"".join(base64.b64decode(frame["data"]) for frame in entry["frames"])
    assert "REDACTED" in data


def test_data_can_not_leave_its_element(provider: FakeProvider, tmp_path: Path) -> None:
    """Whatever was sent, the page has its own scripts alone, and addresses of nothing but data."""
    page = Page(write_report(tmp_path, NASTY, "failed", NASTY, [provider]).read_text(encoding="utf-8"))
    assert page.scripts == 3
    assert all(address.startswith("data:") for address in page.addresses)
    assert page.data["test"]["name"] == NASTY
    text = "".join(
        message["text"]
        for frame in page.data["journals"][provider.session.id]["entries"][0]["frames"]
        for message in frame["messages"]
    )
    assert text == NASTY


@given(st.text())
def test_any_text_is_embedded(text: str) -> None:
    """Any JSON is read back from the page as it was."""
    page = report_page(json.dumps({"text": text}, ensure_ascii=False).encode("utf-8", "replace").decode())
    assert Page(page).data["text"] == text.encode("utf-8", "replace").decode()


def test_a_report_is_bounded(provider: FakeProvider) -> None:
    """Over the bound the oldest requests lose bodies and frames, then they are left out; the newest are whole."""
    session = provider.session.id
    whole = json.loads(report_data("t", "failed", "", [provider]))["journals"][session]
    assert [entry["bytes_forgotten"] for entry in whole["entries"]] == [False] * 3
    assert whole["forgotten"] == 0
    data = report_data("t", "failed", "", [provider], largest=100_000)
    assert len(data) < 120_000
    entries = json.loads(data)["journals"][session]["entries"]
    assert [entry["bytes_forgotten"] for entry in entries] == [False, False, True]
    none = json.loads(report_data("t", "failed", "", [provider], largest=100))["journals"][session]
    assert none == {"forgotten": 3, "entries": []}


@given(st.lists(st.text(), min_size=2, max_size=6, unique=True))
def test_names_of_files_are_safe(names: list[str]) -> None:
    """Each test has a file of its own, whose name every system takes."""
    files = [file_name(name) for name in names]
    assert len({file.lower() for file in files}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,140}", file) for file in files)


def test_the_server_of_the_fixture_decodes(fake_provider: FakeProvider) -> None:
    """A console that is opened beside a test shows decoded messages too."""
    fake_provider.script("Hello")
    url = f"{fake_provider.base_url()}/chat/completions"
    httpx2.post(url, json={"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]})
    fake_provider.journal.wait()
    shown = httpx2.get(f"{fake_provider.server.url}/_tokentape/sessions/{fake_provider.session.id}/journal/0").json()
    assert "Hello" in [message["text"] for frame in shown["frames"] for message in frame["messages"]]


def test_the_policy_of_the_page_is_strict() -> None:
    """The page's policy allows its own scripts by their hashes, and no connection."""
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', report_page("{}"))
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "connect-src" not in policy
