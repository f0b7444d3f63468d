"""Recordings travel: recorded in one folder, they replay in another, on another day and from another session."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.aws_frames import event as aws_event
from tests.fake_provider.matching.agent_requests import HERE, THERE, request
from tokentape_fake_provider.sessions.matching import machine as machine_module
from tokentape_fake_provider.sessions.matching.ignored_parts import IgnoredParts
from tokentape_fake_provider.sessions.matching.machine import Machine, this_machine
from tokentape_fake_provider.sessions.matching.normaliser import Normaliser
from tokentape_fake_provider.sessions.matching.placeholders import values_of
from tokentape_harness import MismatchError, read_cassette, use_cassette
from tokentape_harness.cassettes.chunks import Chunk, split_by_sizes
from tokentape_harness.cassettes.model import Interaction, Request, Response, StreamRecord
from tokentape_harness.errors import UsageError
from tokentape_harness.lint import inspect_cassette
from tokentape_harness.redaction import DEFAULT_RULES
from tokentape_harness.redaction.placeholders import (
    find_personal,
    placeholders_of,
    request_values,
    with_request_placeholders,
    with_response_placeholders,
    with_response_values,
)

URL = "http://provider.test/v1/chat/completions"
VALUES = values_of(HERE)


def event(**delta):
    """An event of a chat stream."""
    return "data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}) + "\n\n"


def arguments_of(body):
    """The tool arguments of a chat stream, joined."""
    events = (json.loads(line[6:]) for line in body.splitlines() if line.startswith("data: {"))
    calls = (event["choices"][0]["delta"].get("tool_calls", []) for event in events)
    return "".join(call["function"]["arguments"] for found in calls for call in found)


def streamed_call(arguments, size=3):
    """A chat stream that calls a tool with these arguments, in pieces."""
    parts = [arguments[at : at + size] for at in range(0, len(arguments), size)]
    deltas = [event(tool_calls=[{"index": 0, "function": {"arguments": part}}]) for part in parts]
    return "".join(deltas) + "data: [DONE]\n\n"


class Agent:
    """An agent in a folder: its prompt names it, and its provider answers with a file there."""

    def __init__(self, folder, monkeypatch, *, session="0a1b2c3d-0000-4000-8000-000000000001", day="2026-11-30"):
        self.folder, self.session, self.day = folder, session, day
        folder.mkdir(parents=True, exist_ok=True)
        monkeypatch.chdir(folder)
        self.calls = 0

    def answer(self, request):
        """What the provider answers."""
        self.calls += 1
        arguments = json.dumps({"path": f"{self.folder}/a.py", "session": self.session})
        headers = {"content-type": "text/event-stream", "content-length": str(len(streamed_call(arguments)))}
        return httpx2.Response(200, text=streamed_call(arguments), headers=headers)

    def ask(self, question="Read a.py", **more):
        """The tool arguments in the answer to one request."""
        system = f"Working directory: {self.folder}\nToday's date is {self.day}. Session ID: {self.session}"
        messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
        body = {"model": "m", "stream": True, "metadata": {"session": self.session}, "messages": messages, **more}
        headers = {"x-session-id": self.session, "x-device-id": "dev-1234", "x-cwd": str(self.folder)}
        with httpx2.Client(transport=httpx2.MockTransport(self.answer)) as client:
            response = client.post(URL, json=body, headers=headers)
        assert response.headers["content-length"] == str(len(response.content))
        return json.loads(arguments_of(response.text))


def test_recorded_in_one_folder_replayed_in_another(tmp_path, monkeypatch):
    """The answer names the folder and the session of the replay, and the cassette neither."""
    path = tmp_path / "c.yaml"
    one = Agent(tmp_path / "one" / "app", monkeypatch)
    with use_cassette(path):
        recorded = one.ask()
    assert recorded == {"path": f"{tmp_path}/one/app/a.py", "session": one.session}
    text = path.read_text()
    assert str(one.folder) not in text
    assert one.session not in text
    assert "dev-1234" not in text
    (interaction,) = read_cassette(path)
    assert json.loads(interaction.request.body)["metadata"] == {"session": "{{id1}}"}
    assert dict(interaction.request.headers)["x-cwd"] == "{{cwd}}"
    assert placeholders_of(interaction.response) == ("cwd", "id1")
    other = "ffffffff-0000-4000-8000-000000000002"
    two = Agent(tmp_path / "two" / "a much longer name", monkeypatch, session=other, day="2026-12-02")
    with use_cassette(path, record_mode="none"):
        assert two.ask() == {"path": f"{two.folder}/a.py", "session": other}
    assert two.calls == 0


def test_exactly_the_same_request_goes_first(tmp_path, monkeypatch):
    """Of two recordings that differ in the date, each request gets that of its own day; another day the first left."""
    path = tmp_path / "c.yaml"
    agent = Agent(tmp_path / "app", monkeypatch)
    with use_cassette(path):
        for day in ("2026-11-30", "2026-12-01"):
            agent.day, agent.folder = day, tmp_path / day
            agent.ask()
    agent.folder = tmp_path / "2026-12-01"
    with use_cassette(path, record_mode="none") as cassette:
        agent.ask()
        assert cassette.play_counts == {1: 1}
        agent.day = "2027-01-01"
        agent.ask()
        assert cassette.play_counts == {0: 1, 1: 1}


@pytest.mark.parametrize(
    "options", [{"normalise": False}, {"normalise": {"dates": False}}, {"normalise": ["cwd", "ids"]}]
)
def test_classes_are_switched_off(options, tmp_path, monkeypatch):
    """Without the class of dates another day is another request, and the error names what is left."""
    path = tmp_path / "c.yaml"
    agent = Agent(tmp_path / "app", monkeypatch)
    with use_cassette(path, **options):
        agent.ask()
    agent.day = "2026-12-02"
    with use_cassette(path, record_mode="none", **options), pytest.raises(MismatchError, match=r"2026-12-02"):
        agent.ask()


def test_with_all_classes_off_nothing_is_replaced(tmp_path, monkeypatch):
    """`normalise=False` records folders and ids as they are."""
    path = tmp_path / "c.yaml"
    agent = Agent(tmp_path / "app", monkeypatch)
    with use_cassette(path, normalise=False):
        agent.ask()
    assert str(agent.folder) in path.read_text()
    assert "{{" not in path.read_text()


def test_what_is_left_is_reported(tmp_path, monkeypatch):
    """The error about another question names the question alone, not the date and the folder."""
    path = tmp_path / "c.yaml"
    with use_cassette(path):
        Agent(tmp_path / "one", monkeypatch).ask()
    agent = Agent(tmp_path / "two", monkeypatch, day="2026-12-02")
    with use_cassette(path, record_mode="none"), pytest.raises(MismatchError) as raised:
        agent.ask("Read b.py")
    assert 'messages[1].content was "Read a.py", now "Read b.py"' in str(raised.value)
    assert "messages[0]" not in raised.value.summary


def test_own_paths_and_texts(tmp_path, monkeypatch):
    """`ignore_path` and `ignore_text` ignore more, as do the project's settings in pyproject.toml."""
    path = tmp_path / "c.yaml"
    agent = Agent(tmp_path / "app", monkeypatch)
    with use_cassette(path):
        agent.ask("run 1: read", trace={"n": 1})
    for options in ({}, {"ignore_path": "$.trace"}, {"ignore_text": [r"run \d"]}):
        with use_cassette(path, record_mode="none", **options), pytest.raises(MismatchError):
            agent.ask("run 2: read", trace={"n": 2})
    with use_cassette(path, record_mode="none", ignore_path=["$.trace"], ignore_text=r"run \d"):
        agent.ask("run 2: read", trace={"n": 2})
    (tmp_path / "pyproject.toml").write_text("[tool.tokentape]\nignore_path = ['$.trace']\nignore_text = ['run \\d']\n")
    with use_cassette(path, record_mode="none"):
        agent.ask("run 2: read", trace={"n": 2})
    for wrong in ("ignore_paths = []", "normalise = 7", "normalise = {dats = false}", "= 1", "ignore_path = ['[']"):
        (tmp_path / "pyproject.toml").write_text(f"[tool.tokentape]\n{wrong}\n")
        with pytest.raises(UsageError), use_cassette(path):
            pass


def test_a_recording_with_the_folder_in_it_still_replays_there(tmp_path, monkeypatch):
    """A cassette from before placeholders replays in its folder as it is, and in another one by its prompt."""
    path = tmp_path / "c.yaml"
    agent = Agent(tmp_path / "app", monkeypatch)
    with use_cassette(path, normalise=False):
        agent.ask()
    with use_cassette(path, record_mode="none"):
        assert agent.ask()["path"] == f"{agent.folder}/a.py"
    two = Agent(tmp_path / "two", monkeypatch)
    with use_cassette(path, record_mode="none"):
        assert two.ask()["path"] == f"{agent.folder}/a.py"


def test_own_text_rules_leave_the_folder_in_tool_arguments(tmp_path, monkeypatch):
    """A rule of the user that matches the folder removes it from the file, and the replay still gets its own."""
    path = tmp_path / "c.yaml"
    agent = Agent(tmp_path / "app", monkeypatch)
    rules = DEFAULT_RULES.adding(text=[re.escape(str(tmp_path)) + r"[^\s\"]*"])
    with use_cassette(path, rules=rules):
        recorded = agent.ask()
    assert str(tmp_path) not in path.read_text()
    with use_cassette(path, record_mode="none", rules=rules):
        assert agent.ask() == recorded
    with use_cassette(path, record_mode="none"):
        assert agent.ask() == recorded


def test_own_text_rules_leave_tool_arguments_usable(tmp_path, monkeypatch):
    """What a rule of the user removes from a request is not in the file, and the replay's own is in its answer."""
    monkeypatch.chdir(tmp_path)
    rules = DEFAULT_RULES.adding(text=[r"ACME-\d+", r"/opt/data/(?P<secret>\w+)"])

    def answer(request):
        (found,) = re.findall(r"ACME-\d+", request.content.decode())
        text = streamed_call(json.dumps({"customer": found, "file": "/opt/data/secret7/x", "other": "ACME-999"}))
        return httpx2.Response(200, text=text, headers={"content-type": "text/event-stream"})

    def ask(customer):
        content = f"Look up {customer} in /opt/data/secret7"
        with httpx2.Client(transport=httpx2.MockTransport(answer)) as client:
            return json.loads(arguments_of(client.post(URL, json={"messages": [{"content": content}]}).text))

    path = tmp_path / "c.yaml"
    with use_cassette(path, rules=rules):
        ask("ACME-123")
    text = path.read_text()
    assert "ACME" not in text
    assert "secret7" not in text
    for customer in ("ACME-123", "ACME-4567"):
        with use_cassette(path, record_mode="none", rules=rules):
            assert ask(customer) == {"customer": customer, "file": "/opt/data/secret7/x", "other": "REDACTED"}


def test_a_recording_without_volatile_parts_is_as_before(tmp_path, monkeypatch):
    """Nothing but the texts of user and model: the file is the same with placeholders on and off."""
    monkeypatch.chdir(tmp_path)
    answer = event(content="Hello, it is {{cwd}} & 10:30") + "data: [DONE]\n\n"
    transport = httpx2.MockTransport(
        lambda _: httpx2.Response(200, text=answer, headers={"content-type": "text/event-stream"})
    )
    files = []
    for name, normalise in (("on", True), ("off", False)):
        with use_cassette(tmp_path / name, normalise=normalise), httpx2.Client(transport=transport) as client:
            body = {"model": "m", "messages": [{"role": "user", "content": "Hi at 10:30, {{home}}"}]}
            client.post(URL, json=body, headers={"user-agent": "x"})
        text = (tmp_path / name).read_text()
        files.append(re.sub(r"(chunks|start|end_at|recorded_at): .*", r"\1", text))
    assert files[0] == files[1]


def response(body, content_type="text/event-stream", sizes=()):
    """A recorded response in chunks of these sizes."""
    chunks = tuple(Chunk(size, float(at)) for at, size in enumerate(sizes or [len(body)]))
    return Response(200, "OK", (("content-type", content_type),), body, StreamRecord(chunks))


pieces = st.lists(
    st.one_of(
        st.text(max_size=5),
        st.sampled_from([value for _, value in VALUES]),
        st.sampled_from(["{{cwd}}", "{{cwd[:3]}}", "/", '"', "\\", "\n"]),
    ),
    max_size=6,
).map("".join)


@given(pieces, st.integers(1, 9), st.booleans(), st.booleans())
def test_out_and_in_again_gives_the_same_stream(text, size, ascii_only, nested):
    """Over any pieces of a stream, in text and in tool arguments: the body and its length are the same again."""
    whole = json.dumps({"x": text}, ensure_ascii=ascii_only) if nested else text
    parts = [whole[at : at + size] for at in range(0, len(whole), size)]
    deltas = [{"choices": [{"index": 0, "delta": {"content": part}}]} for part in parts]
    body = "".join(f"data: {json.dumps(d, ensure_ascii=ascii_only)}\n\n" for d in deltas).encode(
        "utf-8", "surrogatepass"
    )
    recorded = response(body)
    sealed = with_response_placeholders(recorded, VALUES)
    again = with_response_values(sealed, VALUES)
    assert again.body == body
    assert sum(chunk.size for chunk in again.stream.chunks) == len(body)


@pytest.mark.parametrize("there", [HERE, THERE, Machine("/q", "/h", "/t")])
def test_chunks_keep_their_events(there):
    """Chunks that end with an event still do, whatever the length of what is put back."""
    arguments = json.dumps({"path": f"{HERE.cwd}/a.py", "out": f"{HERE.tmp}/x"})
    body = streamed_call(arguments, 5).encode()
    sizes = [len(part) + 2 for part in body.split(b"\n\n")[:-1]]
    recorded = response(body, sizes=sizes)
    replayed = with_response_values(with_response_placeholders(recorded, VALUES), values_of(there))
    found = split_by_sizes(replayed.body, (chunk.size for chunk in replayed.stream.chunks))
    assert len(found) == len(sizes)
    assert all(piece.endswith(b"\n\n") for piece in found)
    assert json.loads(arguments_of(replayed.body.decode())) == {"path": f"{there.cwd}/a.py", "out": f"{there.tmp}/x"}


@pytest.mark.parametrize("content_type", ["application/json", "application/x-ndjson"])
def test_documents_and_lines_of_json(content_type):
    """A whole JSON answer and NDJSON hold placeholders, too, also with escaped slashes."""
    line = json.dumps({"message": {"content": f"{HERE.cwd}/a"}}) + "\n"
    body = (line + line.replace("/", "\\/")).encode()
    sealed = with_response_placeholders(response(body, content_type), VALUES)
    assert HERE.cwd.encode() not in sealed.body
    assert b"alice" not in sealed.body
    assert with_response_values(sealed, VALUES).body == body


def test_frames_of_aws():
    """Frames of an AWS event stream get new lengths and checksums, and are the same again."""
    kind = "application/vnd.amazon.eventstream"
    deltas = [f"{HERE.cwd[:7]}", f"{HERE.cwd[7:]}/a.py", f" {HERE.home}/b"]
    body = b"".join(aws_event("contentBlockDelta", {"delta": {"text": text}}) for text in deltas)
    sealed = with_response_placeholders(response(body, kind), VALUES)
    assert b"{{cwd[:7]}}" in sealed.body
    assert b"/home/alice" not in sealed.body
    assert with_response_values(sealed, VALUES).body == body


def test_a_literal_placeholder_survives():
    """A text that has `{{cwd}}` already keeps it: then the folder's placeholder has another name."""
    body = event(content=f"{{{{cwd}}}} is {HERE.cwd}").encode()
    sealed = with_response_placeholders(response(body), VALUES)
    assert placeholders_of(sealed) == ("cwd_",)
    assert b"{{cwd}} is {{cwd_}}" in sealed.body
    assert with_response_values(sealed, VALUES).body == body


@given(pieces)
def test_a_request_keeps_all_but_the_values(text):
    """A request's JSON differs from the sent one only in its placeholders."""
    body = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
    sent = Request("POST", URL, (("content-type", "application/json"), ("content-length", str(len(body)))), body)
    recorded = with_request_placeholders(sent, VALUES)
    assert dict(recorded.headers)["content-length"] == str(len(recorded.body))
    if not any(value in text for _, value in VALUES):
        assert recorded == sent
    json.loads(recorded.body)


def test_normalising_changes_nothing_that_is_written():
    """What is recorded differs from what was sent by placeholders alone: dates, ids of calls and durations stay."""
    body = request("openai_chat")
    normaliser = Normaliser(IgnoredParts(), HERE)
    sent = Request("POST", URL, (), json.dumps(body).encode())
    recorded = json.loads(with_request_placeholders(sent, normaliser.values(body).own).body)
    assert normaliser.with_placeholders(body) == recorded
    written, before = json.dumps(recorded), json.dumps(body)
    for part in re.findall(r"\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d|\d\.\d\ds|call_\w+|PID: \d+", before):
        assert part in written


def test_what_holds_no_placeholder_is_normalised_too(tmp_path, monkeypatch):
    """A request whose only difference is its date is found, where there is no folder, name or id in it."""
    monkeypatch.chdir(tmp_path)
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, text="ok"))
    for day, mode in (("2026-11-30", "once"), ("2026-12-02", "none")):
        body = {"messages": [{"role": "system", "content": f"Today is {day}"}, {"role": "user", "content": "Hi"}]}
        with use_cassette(tmp_path / "c.yaml", record_mode=mode), httpx2.Client(transport=transport) as client:
            assert client.post(URL, json=body).text == "ok"


def test_check_finds_what_belongs_to_a_machine(tmp_path, monkeypatch):
    """`personal` is what recording would have replaced: nothing in a new recording, folder and ids in an old one."""
    agent = Agent(tmp_path / "app", monkeypatch)
    found = {}
    for normalise in (True, False):
        with use_cassette(tmp_path / f"{normalise}.yaml", normalise=normalise):
            agent.ask()
        cassette = read_cassette(tmp_path / f"{normalise}.yaml")
        problems = inspect_cassette(cassette, now=datetime.now(UTC), machine=this_machine())
        found[normalise] = sorted(one.message.partition(":")[0] for one in problems if one.kind == "personal")
    assert found == {
        True: [],
        False: [
            "the id of a device or session in the request body",
            "the id of a device or session in the request header x-device-id",
            "the id of a device or session in the request header x-session-id",
            "the id of a device or session in the response body",
            "the working folder in the request body",
            "the working folder in the request header x-cwd",
            "the working folder in the response body",
        ],
    }


@pytest.mark.parametrize(
    ("system", "user", "found"),
    [
        ("", "Mail bob@home.test.io from /home/bob/x", []),
        ("Ask support@example.com; files in /home/user/x", "Hi", []),
        ("The user's address is bob@home.io", "Hi", ["an e-mail address"]),
        ("Home: /home/bob", "Hi", ["a home folder"]),
        ("Use /tmp and /root", "Hi", []),
        ("Current branch: main\nGit user: Bob Jones\nStatus:", "Hi", ["the name of an author"]),
        ("Git user: {{author}}", "The git user: Bob is here", []),
    ],
)
def test_what_is_personal(system, user, found):
    """Words of the user are content; so are addresses of examples and the homes of nobody."""
    messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    body = json.dumps({"messages": messages}).encode()
    interaction = Interaction(Request("POST", URL, (), body), response(b"{}", "application/json"))
    assert [one.rule for one in find_personal(interaction, Machine())] == found


def recorded_prompt(machine, system, coding="utf-8"):
    """The system prompt of a request in its recording."""
    body = json.dumps({"messages": [{"role": "system", "content": system}]}).encode(coding)
    headers = (("content-type", f"application/json; charset={coding}"),)
    sent = Request("POST", URL, headers, body)
    values = request_values(sent, Normaliser(IgnoredParts(), machine)).own
    recorded = with_request_placeholders(sent, values).body
    return json.loads(recorded.decode(coding))["messages"][0]["content"]


@pytest.mark.parametrize(
    ("system", "recorded"),
    [
        ("Ask Ann Lee.", "Ask {{author}}."),
        ("Ask Ann Leeson or Bann Lee.", "Ask Ann Leeson or Bann Lee."),
        (
            "Git user: Bob\nAuthor: Bob <b@x.io>; Bob the builder",
            "Git user: {{author}}\nAuthor: {{author}} <{{email1}}>; Bob the builder",
        ),
        ("Hostname: tower\nann@tower:~$ a tower of 3 m", "Hostname: {{host}}\nann@{{host}}:~$ a tower of 3 m"),
    ],
)
def test_names_of_git_and_of_the_machine(system, recorded):
    """A name of two words is always the author's; a word is a name only where one stands."""
    machine = Machine(host="tower", author="Ann Lee")
    assert recorded_prompt(machine, system) == recorded


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-32"])
def test_a_request_in_a_wide_coding_has_placeholders(coding, tmp_path, monkeypatch):
    """Bodies in UTF-16 and UTF-32 hold none of the values either, and replay in another folder."""
    assert recorded_prompt(HERE, f"Working directory: {HERE.cwd}", coding) == "Working directory: {{cwd}}"
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, text="ok"))
    for folder, mode in (("one", "once"), ("two", "none")):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        system = f"Working directory: {tmp_path / folder}"
        body = json.dumps({"messages": [{"role": "system", "content": system}]}).encode(coding)
        with use_cassette(tmp_path / "c.yaml", record_mode=mode), httpx2.Client(transport=transport) as client:
            assert client.post(URL, content=body, headers={"content-type": "application/json"}).text == "ok"
    (interaction,) = read_cassette(tmp_path / "c.yaml")
    assert b"one" not in interaction.request.body.replace(b"\0", b"")


def test_the_author_is_the_one_of_git(tmp_path, monkeypatch):
    """The name of the repository goes before that of the user, and a variable before both."""
    for name in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    home, repository = tmp_path / "home", tmp_path / "app"
    (repository / ".git").mkdir(parents=True)
    home.mkdir()
    monkeypatch.setattr(Path, "home", lambda: home)
    (home / ".gitconfig").write_text("[user]\n\temail = ann@home.io\n\tname = Ann Lee\n")
    assert machine_module._commits_by(str(repository)) == ("ann@home.io", "Ann Lee")
    (repository / ".git" / "config").write_text("[core]\n\tbare = false\n[user]\n\tname = Ann of App\n")
    assert machine_module._commits_by(str(repository)) == ("ann@home.io", "Ann of App")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "CI")
    assert machine_module._commits_by(str(repository)) == ("ann@home.io", "CI")
