"""Hot reload: new requests see the new state whole, a broken edit keeps the last good one, and says so."""

from __future__ import annotations

import queue
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_harness.cli.reload import reloader
from tokentape_harness.served_files import Reload, Reloader, ServedFiles, State
from tokentape_harness.testing.recordings import load_recordings

CASSETTE = """interactions:
- request:
    method: POST
    uri: https://api.openai.com/v1/chat/completions
    headers: {{content-type: [application/json]}}
    body: '{{"model": "m", "messages": [{{"role": "user", "content": "{question}"}}]}}'
  response:
    status: {{code: 200, message: OK}}
    headers: {{content-type: [application/json]}}
    body: {{string: '{answer}'}}
version: 1
"""


def rules(*texts: str, **more: Any) -> str:
    """A rules file with a rule for each text, which it answers to itself in capitals."""
    lines = [f"  - {{last_user: {text}, scripts: [{text.upper()}]}}\n" for text in texts]
    return "rules:\n" + "".join(lines) + "".join(f"{name}: {value}\n" for name, value in more.items())


class Served:
    """A server of files, and what its reloader reported."""

    def __init__(self, server: FakeProviderServer, files: ServedFiles) -> None:
        self.server = server
        self.reports: queue.Queue[Reload] = queue.Queue()
        self.reloader = Reloader(files, self.apply, self.reports.put)
        self.apply(files.load())

    def apply(self, state: State) -> None:
        """Put a state in place."""
        self.server.sessions.set_up(state.settings, state.setups)

    def ask(self, text: str, session: str = "default") -> str:
        """The answer to a message."""
        body = {"model": "m", "messages": [{"role": "user", "content": text}]}
        response = httpx2.post(f"{self.server.url}/s/{session}/v1/chat/completions", json=body)
        return str(response.json()["choices"][0]["message"]["content"])

    def check(self) -> Reload:
        """What became of the changes."""
        found = self.reloader.check()
        assert found is not None
        return found


@pytest.fixture(scope="module")
def server() -> Iterator[FakeProviderServer]:
    """A server on a free port."""
    with FakeProviderServer() as running:
        yield running


@pytest.fixture
def serve(server: FakeProviderServer) -> Iterator[Callable[..., Served]]:
    """Serves files."""

    def start(*paths: Path, **options: Any) -> Served:
        return Served(server, ServedFiles(paths, read=load_recordings, **options))

    yield start
    server.delete_session("default")


def write(path: Path, text: str) -> None:
    """Save a file as editors do: a new one, then a rename."""
    other = path.with_name(f".{path.name}.tmp")
    other.write_text(text)
    other.replace(path)


def test_a_change_is_served(tmp_path: Path, serve: Callable[..., Served]) -> None:
    """After a save the rules, settings, sessions and cassettes of the files are the new ones."""
    file, cassette = tmp_path / "rules.yaml", tmp_path / "one.yaml"
    file.write_text(rules("hello", settings="{seed: 1}"))
    cassette.write_text(CASSETTE.format(question="q", answer='{"choices": [{"message": {"content": "old"}}]}'))
    served = serve(tmp_path)
    assert (served.ask("hello"), served.ask("q")) == ("HELLO", "old")
    assert served.reloader.check() is None
    write(file, rules("bye", settings="{seed: 2}", sessions="{a: {queue: [queued]}}"))
    cassette.write_text(CASSETTE.format(question="q", answer='{"choices": [{"message": {"content": "new one"}}]}'))
    assert served.check() == Reload(True, "1 rule, 1 recording, 1 cassette", [str(cassette), str(file)])
    assert (served.ask("bye"), served.ask("q"), served.ask("x", "a")) == ("BYE", "new one", "queued")
    assert served.ask("hello") != "HELLO"
    assert served.server.default.settings.seed == 2


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("rules:\n  - {last_user: x, scripts: [x}\n", "rules.yaml:2:31: not YAML: did not find expected ',' or ']'"),
        ("rules:\n  - contian: x\n    scripts: [x]\n", "rules.yaml:2:5: rules[0].contian: unknown field `contian`"),
        ("", "the file is empty"),
        ("interactions: [\n", "not YAML"),
    ],
)
def test_a_broken_edit_keeps_the_last_good_state(
    broken: str, message: str, tmp_path: Path, serve: Callable[..., Served]
) -> None:
    """All that was served before still is, and the report names the file and the line; a fix is served."""
    file, other = tmp_path / "rules.yaml", tmp_path / "more.yaml"
    file.write_text(rules("hello"))
    other.write_text(rules("more"))
    served = serve(tmp_path)
    write(file, broken)
    write(other, rules("other"))
    found = served.check()
    assert (found.ok, found.files) == (False, [str(other), str(file)])
    assert message in found.message
    assert served.reloader.check() is None
    assert (served.ask("hello"), served.ask("more")) == ("HELLO", "MORE")
    write(file, rules("fixed"))
    assert served.check().ok
    assert (served.ask("fixed"), served.ask("other")) == ("FIXED", "OTHER")


def test_files_come_and_go(tmp_path: Path, serve: Callable[..., Served]) -> None:
    """A new file in a folder is served, one that is deleted no longer; the only file that is gone keeps its state."""
    file, more = tmp_path / "rules.yaml", tmp_path / "deep" / "more.toml"
    file.write_text(rules("hello"))
    served = serve(tmp_path)
    more.parent.mkdir()
    more.write_text('[[rules]]\nlast_user = "more"\nscripts = ["MORE"]\n')
    assert served.check().ok
    assert (served.ask("hello"), served.ask("more")) == ("HELLO", "MORE")
    file.unlink()
    assert served.check().ok
    assert served.ask("hello") != "HELLO"
    more.unlink()
    found = served.check()
    assert (found.ok, found.files) == (False, [str(more)])
    assert served.ask("more") == "MORE"


def test_a_cassette_that_never_could_be_read_is_no_broken_edit(tmp_path: Path, serve: Callable[..., Served]) -> None:
    """A new file that is no cassette and no rules file is skipped; the other changes are served."""
    file = tmp_path / "rules.yaml"
    file.write_text(rules("hello"))
    served = serve(tmp_path)
    (tmp_path / "compose.yaml").write_text("services: {}\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "rules.yaml").write_text("rules: 5\n")
    write(file, rules("bye"))
    assert served.check().ok
    assert served.ask("bye") == "BYE"


def test_what_was_added_at_run_time_stays(tmp_path: Path, serve: Callable[..., Served]) -> None:
    """A rule and a queue item of the control API survive a reload, which does not fill the queue of the file again."""
    file = tmp_path / "rules.yaml"
    file.write_text(rules("hello", queue="[first]"))
    served = serve(file)
    api = f"{served.server.url}/_tokentape/sessions/default"
    httpx2.post(f"{api}/rules", json={"last_user": "api", "scripts": ["API"]})
    assert served.ask("x") == "first"
    httpx2.post(f"{api}/queue", json={"items": ["pushed"]})
    write(file, rules("bye", queue="[first]"))
    assert served.check().ok
    assert [served.ask(text) for text in ("x", "bye", "api")] == ["pushed", "BYE", "API"]


def test_options_win_over_the_file(tmp_path: Path, serve: Callable[..., Served]) -> None:
    """What the command line sets is set in every session, before and after a reload; the file's other settings hold."""
    file = tmp_path / "rules.yaml"
    text = rules("hello", settings="{seed: 5, strict: true}", sessions="{a: {settings: {seed: 6, strict: true}}}")
    file.write_text(text)
    served = serve(file, options={"seed": 9})
    write(file, text.replace("seed: 5", "seed: 7"))
    assert served.check().ok
    for name in ("default", "a"):
        settings = served.server.session(name).settings
        assert (settings.seed, settings.strict) == (9, True)
    served.server.delete_session("a")


def test_a_running_stream_goes_on_with_the_old_state(tmp_path: Path, serve: Callable[..., Served]) -> None:
    """A stream that began before a reload ends as it began; the next request sees the new state."""
    file = tmp_path / "rules.yaml"
    file.write_text(rules("hello", settings="{timing: stepped}"))
    served = serve(file)
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hello"}]}
    with httpx2.stream("POST", f"{served.server.url}/v1/chat/completions", json=body) as response:
        stream = served.server.default.streams.next(10)
        stream.step()
        write(file, rules("hello").replace("HELLO", "NEW") + "settings: {timing: instant}\n")
        assert served.check().ok
        assert served.ask("hello") == "NEW"
        stream.finish()
        text = "".join(response.iter_text())
    assert '"content":"HE' in text.replace('"content": "', '"content":"')
    assert text.rstrip().endswith("data: [DONE]")


def test_no_request_sees_half_a_state(tmp_path: Path, serve: Callable[..., Served]) -> None:
    """While a file alternates between two states, each of 240 answers and more belongs wholly to one of them.

    Of one state every rule, the usage and the faults differ from those of the other, in both sessions.
    """
    file, states = tmp_path / "rules.yaml", {"old": 1, "new": 2}

    def save(state: str) -> None:
        number = states[state]
        texts = [f"{{last_user: q{question}, scripts: [{state} {question}]}}" for question in range(4)]
        setup = f"{{settings: {{usage: {{output: {number}}}, faults: ['http_error@times=1,after=9{number}']}},"
        setup += f" rules: [{', '.join(texts)}]}}"
        write(file, f"{setup[:-1]}, sessions: {{other: {setup}}}}}")

    save("old")
    served = serve(file)
    answers = list[tuple[str, int]]()
    stop = threading.Event()

    def ask(question: int) -> None:
        path = "/s/other/v1/chat/completions" if question % 2 else "/v1/chat/completions"
        with httpx2.Client(base_url=served.server.url) as client:
            body = {"model": "m", "messages": [{"role": "user", "content": f"q{question}"}]}
            while not stop.is_set() or len(answers) < 240:
                response = client.post(path, json=body)
                if response.status_code == 200:
                    reply = response.json()
                    answers.append((reply["choices"][0]["message"]["content"], reply["usage"]["completion_tokens"]))

    threads = [threading.Thread(target=ask, args=(question,)) for question in range(4)]
    for thread in threads:
        thread.start()
    try:
        with served.reloader:
            for state in ("new", "old") * 4:
                save(state)
                assert served.reports.get(timeout=30).ok
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert {(text.partition(" ")[0], usage) for text, usage in answers} == set(states.items())
    assert len(answers) >= 240
    served.server.delete_session("other")


def test_a_folder_that_is_gone_and_comes_again(tmp_path: Path, serve: Callable[..., Served]) -> None:
    """A folder that is deleted is reported, and when it is back its files are served again, also those below it."""
    folder = tmp_path / "served"
    (folder / "deep").mkdir(parents=True)
    (folder / "rules.yaml").write_text(rules("hello"))
    served = serve(folder)
    with served.reloader:
        shutil.rmtree(folder)
        assert not served.reports.get(timeout=30).ok
        assert served.ask("hello") == "HELLO"
        (folder / "new").mkdir(parents=True)
        (folder / "new" / "rules.yaml").write_text(rules("again"))
        while not served.reports.get(timeout=30).ok:
            pass
        assert served.ask("again") == "AGAIN"
        write(folder / "new" / "rules.yaml", rules("more"))
        assert served.reports.get(timeout=30).ok
    assert served.ask("more") == "MORE"


def test_each_reload_is_on_the_terminal_and_in_the_feed(
    tmp_path: Path,
    server: FakeProviderServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both a reload and a broken edit are one event of the feed, and lines on the terminal."""
    file = tmp_path / "rules.yaml"
    file.write_text(rules("hello"))
    files = ServedFiles([file], read=load_recordings)
    files.load()
    events = list[tuple[str, Any]]()
    monkeypatch.setattr(server, "publish", lambda kind, data: events.append((kind, data)))
    watching = reloader(files, server)
    for text in (rules("bye"), "rules: 5\n"):
        write(file, text)
        found = watching.check()
        assert found is not None
        watching.report(found)
    output = capsys.readouterr()
    assert output.out == f"tokentape: reloaded {file}: 1 rule\n"
    assert output.err.splitlines() == [
        f"tokentape: {file}:1:8: rules: `rules` is 5, but must be a list: write a list",
        f"tokentape: {file} changed, but can't be used: what was served before is still served",
    ]
    assert [(kind, data.ok, data.files) for kind, data in events] == [
        ("reload", True, [str(file)]),
        ("reload", False, [str(file)]),
    ]
