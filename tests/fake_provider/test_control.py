"""The control API, route by route, and who may use it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest
from inline_snapshot import snapshot

from tokentape_fake_provider import Rule, Script
from tokentape_fake_provider.errors import CassetteAccessError
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.sessions.cassette_folder import find_cassette
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.tape import Frame, Tape

pytestmark = pytest.mark.both_stores
REQUEST: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "x"}]}


def load(path: Path) -> Sequence[Recording]:
    """A stand-in for the cassette reader: one recording, whose answer is the file's text."""
    text = path.read_bytes()
    if text == b"broken":
        raise ValueError(f"{path.name}, line 1: not a cassette")
    tape = Tape((Frame(0, text),), 200, (("content-type", "application/json"),))
    return [Recording(tape, "/v1/chat/completions", REQUEST, wire="openai_chat", source=path.name, interaction=0)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A cassette folder with a secret beside it."""
    inside = tmp_path / "cassettes"
    (inside / "deep").mkdir(parents=True)
    (inside / "one.yaml").write_text('{"one": 1}')
    (inside / "deep" / "two.yml").write_text('{"two": 2}')
    (inside / "broken.yaml").write_text("broken")
    (tmp_path / "secret.yaml").write_text("secret")
    (inside / "link.yaml").symlink_to(tmp_path / "secret.yaml")
    (inside / "up").symlink_to(tmp_path)
    (inside / "inner.yaml").symlink_to(inside / "one.yaml")
    return inside


@pytest.fixture
def server(folder: Path, store: str | None) -> Iterator[FakeProviderServer]:
    """A server with that folder."""
    with FakeProviderServer(folders=[folder], loader=load, store=store) as running:
        yield running


@pytest.fixture
def control(server: FakeProviderServer) -> Iterator[httpx2.Client]:
    """A client of its control API."""
    with httpx2.Client(base_url=f"{server.url}/_tokentape") as client:
        yield client


def refused(response: httpx2.Response) -> tuple[int, dict[str, str]]:
    """A refusal's status and what, where, do."""
    return response.status_code, response.json()["error"]


def test_session_from_creation_to_deletion(server: FakeProviderServer, control: httpx2.Client) -> None:
    """A session is created, shown, listed and deleted."""
    created = control.post("/sessions", json={"id": "a", "settings": {"strict": True, "timing": "recorded:2"}})
    assert created.status_code == 201
    urls = created.json()["base_urls"]
    assert urls["openai_chat"] == f"{server.url}/s/a/v1"
    assert urls["anthropic_messages"] == f"{server.url}/s/a"
    assert created.json()["settings"]["timing"] == {"type": "recorded", "speed": 2.0}
    assert control.get("/sessions/a").json() == created.json()
    assert [shown["id"] for shown in control.get("/sessions").json()["sessions"]] == ["default", "a"]
    assert control.get("").json()["sessions"] == ["default", "a"]
    assert control.delete("/sessions/a").status_code == 204
    assert control.get("/sessions/a").status_code == 404
    assert control.post("/sessions").json()["id"] == "session-1"


def test_settings_are_changed_one_by_one(control: httpx2.Client) -> None:
    """PATCH changes what it names, and leaves the rest."""
    control.patch("/sessions/default/settings", json={"seed": 7})
    changed = control.patch(
        "/sessions/default/settings",
        json={"usage": {"cached": 3}, "repeat": True, "timing": {"type": "synthetic", "tps": 9}, "locale": "ja_JP"},
    ).json()
    assert changed == control.get("/sessions/default/settings").json()
    assert (changed["seed"], changed["usage"]["cached"], changed["repeat"], changed["locale"]) == (7, 3, True, "ja_JP")
    assert (changed["timing"]["type"], changed["timing"]["tps"]) == ("synthetic", 9)


def test_queue_rules_journal_and_unplayed(server: FakeProviderServer, control: httpx2.Client) -> None:
    """What is queued and ruled over HTTP answers; the journal has it, and what was not played is reported."""
    script = {"choices": [{"items": [{"type": "text", "text": "two"}]}]}
    queued = control.post(
        "/sessions/default/queue",
        json={"items": ["one", {"script": script}, {"tape": {"frames": [[0, "dGhyZWU="]]}}, "never"]},
    )
    assert (queued.status_code, queued.json()) == (201, {"queued": 4})
    rule = {"contains": "weather", "scripts": [script]}
    assert control.post("/sessions/default/rules", json=rule).json() == {"rules": 1}
    with httpx2.Client(base_url=server.base_url("openai_chat")) as client:
        bodies = [client.post("/chat/completions", json=REQUEST) for _ in range(3)]
    assert [body.json()["choices"][0]["message"]["content"] for body in bodies[:2]] == ["one", "two"]
    assert bodies[2].content == b"three"
    server.default.journal.wait()
    entries = control.get("/sessions/default/journal", params={"frames": 1, "since": 2}).json()["entries"]
    assert len(entries) == 1
    assert {name: entries[0][name] for name in ("number", "path", "body", "answered_by", "status", "outcome")} == {
        "number": 2,
        "path": "/v1/chat/completions",
        "body": REQUEST,
        "answered_by": "queue",
        "status": 200,
        "outcome": "complete",
    }
    assert [(frame["at"], frame["size"]) for frame in entries[0]["frames"]] == [(0, 5)]
    assert control.get("/sessions/default/unplayed").json()["summary"] == (
        '1 queued script not played: "never"; 1 rule never applied'
    )
    assert control.delete("/sessions/default/journal").status_code == 204
    emptied = control.get("/sessions/default/journal").json()
    assert (emptied["forgotten"], emptied["entries"]) == (0, [])
    assert control.delete("/sessions/default").status_code == 204
    assert control.get("/sessions/default/unplayed").json()["summary"] == "everything was played"


def test_plain_scripts_and_objects_of_arguments(server: FakeProviderServer, control: httpx2.Client) -> None:
    """A script is a string in rules and in queue items, and the arguments of a tool call are JSON text or an object."""
    call = {"type": "tool_call", "name": "f", "arguments": {"city": "Paris"}}
    control.post(
        "/sessions/default/queue", json={"items": [{"script": "one"}, {"script": {"choices": [{"items": [call]}]}}]}
    )
    assert control.post("/sessions/default/rules", json={"scripts": ["two", "three"]}).status_code == 201
    with httpx2.Client(base_url=server.base_url("openai_chat")) as client:
        messages = [client.post("/chat/completions", json=REQUEST).json()["choices"][0]["message"] for _ in range(4)]
    assert [message["content"] for message in messages] == ["one", None, "two", "three"]
    assert messages[1]["tool_calls"][0]["function"]["arguments"] == '{"city":"Paris"}'
    assert server.default.rules == (Rule(("two", "three")),) == (Rule((Script.of("two"), Script.of("three"))),)


def test_cassettes_are_loaded_by_name(server: FakeProviderServer, control: httpx2.Client) -> None:
    """A cassette below the folder is loaded and answers."""
    loaded = control.post("/sessions/default/cassettes", json={"name": "one"})
    assert (loaded.status_code, loaded.json()) == (201, {"loaded": 1, "recordings": 1})
    assert control.post("/sessions/default/cassettes", json={"name": "deep/two.yml"}).status_code == 201
    assert control.post("/sessions/default/cassettes", json={"name": "inner.yaml"}).status_code == 201
    with httpx2.Client() as client:
        answered = client.post(f"{server.url}/v1/chat/completions", json=REQUEST)
    assert answered.json() == {"one": 1}


@pytest.mark.parametrize(
    "name",
    ["../secret.yaml", "deep/../../secret", "link.yaml", "link", "up/secret.yaml", "/etc/passwd", "one.yaml/../.."],
)
def test_cassettes_outside_the_folders_are_not_read(name: str, folder: Path, control: httpx2.Client) -> None:
    """Neither `..` nor an absolute path nor a symlink leads out of the folders."""
    with pytest.raises(CassetteAccessError, match="outside the cassette folders"):
        find_cassette([folder], name)
    if name == "/etc/passwd":
        name = str(folder.parent / "secret.yaml")
    status, error = refused(control.post("/sessions/default/cassettes", json={"name": name}))
    assert status == 404
    assert "outside the cassette folders" in error["what"]
    assert "secret" not in error["what"].replace(name, "")


@pytest.mark.parametrize("name", ["", " ", "a\0b", "missing", "deep", "x" * 300])
def test_cassettes_that_are_not_there(name: str, control: httpx2.Client) -> None:
    """A name without a file is a 404."""
    assert control.post("/sessions/default/cassettes", json={"name": name}).status_code == 404


def test_cassette_that_cannot_be_read(control: httpx2.Client) -> None:
    """The loader's own words reach who asked."""
    assert refused(control.post("/sessions/default/cassettes", json={"name": "broken"})) == snapshot(
        (
            422,
            {
                "what": "cassette 'broken' can't be read: broken.yaml, line 1: not a cassette",
                "where": "POST /_tokentape/sessions/default/cassettes",
                "do": "repair it, or record it again",
            },
        )
    )


def test_server_without_folders(folder: Path) -> None:
    """Without a folder or a loader no cassette is read."""
    with FakeProviderServer(loader=load) as server, httpx2.Client() as client:
        url = f"{server.url}/_tokentape/sessions/default/cassettes"
        assert "no cassette folder" in client.post(url, json={"name": "one"}).json()["error"]["what"]
    with FakeProviderServer(folders=[folder]) as server, httpx2.Client() as client:
        url = f"{server.url}/_tokentape/sessions/default/cassettes"
        assert "no cassette loader" in client.post(url, json={"name": "one"}).json()["error"]["what"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "what", "where"),
    [
        ("POST", "/sessions", {"id": "a/b"}, 400, "session id 'a/b': use 1 to 200 of", ""),
        ("POST", "/sessions", {"id": "default"}, 409, "session 'default' already exists", ""),
        ("POST", "/sessions", {"name": "x"}, 400, "Object contains unknown field `name`", ""),
        ("POST", "/sessions", {"settings": {"strict": 1}}, 400, "Expected `bool`, got `int`", "$.settings.strict"),
        ("PATCH", "/sessions/default/settings", {"timing": "slow"}, 400, "timing: 'slow' is not one of instant", ""),
        (
            "PATCH",
            "/sessions/default/settings",
            {"timing": {"type": "recorded", "speed": -1}},
            400,
            "speed must be",
            "$.timing",
        ),
        ("POST", "/sessions/nobody/queue", {"items": []}, 404, "no session 'nobody'", ""),
        ("POST", "/sessions/default/queue", {"items": [{}]}, 400, "either `script` or `tape`", "$.items[0]"),
        (
            "POST",
            "/sessions/default/queue",
            {"items": [{"script": {"choice": []}}]},
            400,
            "unknown field `choice`",
            "$.items[0].script",
        ),
        (
            "POST",
            "/sessions/default/queue",
            {"items": [{"script": {"error": {"status": 200}}}]},
            400,
            "400 to 599",
            "$.items[0].script.error",
        ),
        ("POST", "/sessions/default/queue", {"items": [{"tape": {"status": 42}}]}, 400, "200 to 599", "$.items[0]"),
        (
            "POST",
            "/sessions/default/queue",
            {"items": [{"tape": {"headers": [["a", "b\r\nc: d"]]}}]},
            400,
            "header 'a' can't be sent",
            "$.items[0]",
        ),
        ("POST", "/sessions/default/rules", {"scripts": []}, 400, "at least one script", ""),
        ("POST", "/sessions/default/rules", {"scripts": [{}], "matches": "("}, 400, "not a regular expression", ""),
        ("POST", "/sessions/default/rules", {"scripts": [{}], "times": 0}, 400, "`times` is 0", ""),
        ("POST", "/sessions/default/rules", {"scripts": ["x"], "wire": "opnai_chat"}, 400, "did you mean openai", ""),
        (
            *("POST", "/sessions/default/rules"),
            {"scripts": ["x"], "faults": [{"fault": "fin", "frame": "5"}]},
            *(400, "frame '5' is not a whole number", "$.faults[0].frame"),
        ),
        ("GET", "/sessions/default/journal?since=x", None, 400, "since is 'x'", "?since"),
        ("GET", "/sessions/default/journal?frames=x", None, 400, "frames is 'x'", "?frames"),
        ("PUT", "/sessions", None, 405, "PUT is not allowed here", ""),
        ("GET", "/nowhere", None, 404, "no such route", ""),
    ],
)
def test_refusals_say_what_where_and_what_to_do(
    method: str, path: str, body: Any, status: int, what: str, where: str, control: httpx2.Client
) -> None:
    """A refusal names what is wrong, where, and what to do, with what this server has, not with files."""
    got, error = refused(control.request(method, path, json=body))
    assert got == status
    assert what in error["what"]
    assert error["where"].startswith(f"{method} /_tokentape{path.partition('?')[0]}")
    assert error["where"].endswith(where)
    assert error["do"]
    assert "docs/" not in error["do"]
    _, document, _ = error["do"].partition("/openapi.json")
    assert not document or control.get(document).is_success


def test_body_that_is_no_json(control: httpx2.Client) -> None:
    """A body must be JSON and say so, so that no web page can send it unasked; its size is limited."""
    as_json = {"content-type": "application/json"}
    assert control.post("/sessions", content=b"{", headers=as_json).status_code == 400
    assert control.post("/sessions", content=b"{}", headers={"content-type": "text/plain"}).status_code == 415
    assert control.post("/sessions", content=b"{}").status_code == 415
    assert control.post("/sessions", content=b" " * 10_000_001, headers=as_json).status_code == 413


def test_other_hosts_names_are_refused(control: httpx2.Client) -> None:
    """A name that was rebound to this machine does not open the control API."""
    status, error = refused(control.get("/sessions", headers={"host": "evil.example"}))
    assert (status, error["what"]) == (403, "the Host header names another machine")


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "secret", "Bearersecret", "Bearer sécret"])
def test_token_guards_every_route(authorization: str | None) -> None:
    """With a token every control route asks for it; providers' routes and health do not."""
    headers = {"authorization": authorization.encode()} if authorization else {}
    with FakeProviderServer(token="secret") as server, httpx2.Client(base_url=server.url) as client:
        for path in ("", "/sessions", "/sessions/default/journal", "/nowhere"):
            status, error = refused(client.get(f"/_tokentape{path}", headers=headers))
            assert (status, "secret" in str(error)) == (401, False)
        assert client.get("/_tokentape", headers={"authorization": "Bearer secret"}).status_code == 200
        assert client.get("/health").status_code == 200
        assert client.post("/v1/chat/completions", json=REQUEST).status_code == 200


def test_control_is_off_beyond_this_machine() -> None:
    """Bound to every interface without a token, the control API refuses; the provider's routes answer."""
    with FakeProviderServer("0.0.0.0", allow_remote=True) as server, httpx2.Client() as client:
        url = f"http://127.0.0.1:{server.port}"
        status, error = refused(client.get(f"{url}/_tokentape/sessions"))
        assert (status, error["do"]) == (403, "start it on 127.0.0.1, or with a token")
        assert client.post(f"{url}/v1/chat/completions", json=REQUEST).status_code == 200


def test_the_journal_can_be_waited_for(server: FakeProviderServer, control: httpx2.Client) -> None:
    """With `wait` the journal is sent when each response has ended, or a 504 when the time is up."""
    server.default.configure(timing="stepped")
    with httpx2.Client(base_url=server.base_url("openai_chat")) as client:
        with client.stream("POST", "/chat/completions", json=REQUEST | {"stream": True}):
            late = control.get("/sessions/default/journal?wait=1")
            assert (late.status_code, late.json()["error"]["what"]) == (
                504,
                "the condition did not hold within 1 s: 1 requests, 1 pending",
            )
        (entry,) = control.get("/sessions/default/journal?wait=10").json()["entries"]
    assert entry["outcome"] == "client_left"
    assert control.get("/sessions/default/journal?wait=601").status_code == 400


@pytest.mark.parametrize("depth", [10, 500, 800, 900, 940, 960, 980, 990, 995, 1000, 5000, 100_000])
def test_a_deeply_nested_body_leaves_the_journal_readable(
    server: FakeProviderServer, control: httpx2.Client, depth: int
) -> None:
    """However deep a body is, its entry can be read: with the body, or with `null` where it can't be."""
    body = b'{"a":' * depth + b"1" + b"}" * depth
    with httpx2.Client(base_url=server.base_url("openai_chat")) as client:
        assert client.post("/chat/completions", content=body).status_code == 400
    (entry,) = server.default.journal.wait()
    either = 500 <= depth <= 5000  # the limit depends on the version of Python and on how deep the stack is
    assert (entry.body is None) == (depth > 5000) or either
    journal = control.get("/sessions/default/journal")
    assert journal.status_code == 200
    assert (b'"body":null' in journal.content) == (entry.body is None) or either
