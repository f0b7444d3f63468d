"""What of a request is volatile: two runs of an agent are equal, two requests of different meaning never."""

from __future__ import annotations

import json
import os
from itertools import combinations, islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus import all_items
from tests.fake_provider.matching.agent_requests import HERE, THERE, WIRES, meanings, request, with_option
from tokentape_fake_provider.errors import SettingError
from tokentape_fake_provider.sessions.matching.ignored_parts import CLASSES, IgnoredParts, as_ignored_parts
from tokentape_fake_provider.sessions.matching.machine import Machine
from tokentape_fake_provider.sessions.matching.normaliser import Normaliser
from tokentape_fake_provider.sessions.matching.request_comparison import differences, key_of
from tokentape_fake_provider.sessions.matching.shape import shape_of
from tokentape_fake_provider.sessions.matching.volatile import chosen_patterns, normal_text


def normal(body: Any, machine: Machine = HERE, settings: IgnoredParts = IgnoredParts()) -> Any:  # noqa: B008 - frozen
    """The normal form of a request."""
    return Normaliser(settings, machine).normal(body)


def system(text: str) -> Any:
    """The normal form of a system message."""
    return normal({"messages": [{"role": "system", "content": text}]})["messages"][0]["content"]


def result(text: Any) -> Any:
    """The normal form of a tool's result."""
    return normal({"messages": [{"role": "tool", "content": text}]})["messages"][0]["content"]


@pytest.mark.parametrize("wire", WIRES)
def test_two_runs_of_an_agent_are_equal(wire: str) -> None:
    """Another machine, folder, moment and session leave nothing that differs, and the same shape."""
    one, two = request(wire), request(wire, THERE, 2)
    assert len(differences(one, two)) > 3
    assert differences(normal(one), normal(two, THERE)) == []
    recorded = Normaliser(IgnoredParts(), HERE).with_placeholders(one)
    assert differences(normal(recorded, THERE), normal(two, THERE)) == []
    assert shape_of(one) == shape_of(recorded) == shape_of(two)


def test_no_two_meanings_are_equal() -> None:
    """500 pairs of requests that differ in a number, a file, a result, a rule or a tool stay different."""
    pairs = list(islice(meanings(), 500))
    for number, (one, two) in enumerate(pairs):
        wire = list(WIRES)[number % len(WIRES)]
        recorded, received = normal(request(wire, HERE, 1, **one)), normal(request(wire, THERE, 2, **two), THERE)
        assert key_of(recorded) != key_of(received), (wire, one, two)


@pytest.mark.parametrize("wire", WIRES)
def test_every_option_counts(wire: str) -> None:
    """Nothing outside the texts of programs is ignored: model, sampling, limits, formats."""
    body = request(wire)
    changed = [
        with_option(body, name, value)
        for name, value in (("model", "m2"), ("temperature", 0.2), ("seed", 1764460000), ("stop", "2026-01-01"))
    ]
    keys = [key_of(normal(one)) for one in (body, *changed)]
    assert len(set(keys)) == len(keys)


def test_no_two_requests_of_the_corpus_become_equal() -> None:
    """Of the recorded requests, none is equal to another in its normal form that was different before."""
    requests = [item.meta["request"].get("json") for item in all_items()]
    bodies = [body for body in requests if isinstance(body, dict)]
    if not bodies:
        pytest.skip("no recorded streams: set TOKENTAPE_CORPUS")
    before: dict[bytes, set[bytes]] = {}
    for body in bodies:
        before.setdefault(key_of(normal(body)), set()).add(key_of(body))
    assert [keys for keys in before.values() if len(keys) > 1] == []


SPOKEN = [
    "at 10:30:00 on 2026-11-30",
    "PID 1234, took 0.31s, 512 MB of memory",
    "session id: 5f3a2b1c-1111-2222-3333-444455556666",
    "http://127.0.0.1:8089/ and v1.2.3",
    "<env>date: 2026-11-30</env> what day is it?",
]


@pytest.mark.parametrize("text", SPOKEN)
def test_what_the_user_and_the_model_say_is_not_changed(text: str) -> None:
    """Words of the user and the model keep every date, number and id, in each wire format's places."""
    bodies: list[dict[str, Any]] = [
        {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": text}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]},
        {"input": text},
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": text}]}]},
        {"contents": [{"role": "user", "parts": [{"text": text}]}, {"role": "model", "parts": [{"text": text}]}]},
        {"prompt": text},
        {"message": text, "chat_history": [{"role": "CHATBOT", "message": text}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": text}}]}]},
        {"contents": [{"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"x": text}}}]}]},
        {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "name": "f", "input": {"x": text}}]}]},
    ]
    for body in bodies:
        assert normal(body) == body


VOLATILE = [
    ("dates", "Today's date is 2026-11-30.", "Today's date is 2026-12-02."),
    ("dates", "Today is Monday, November 30, 2026", "Today is Wednesday, December 2, 2026"),
    ("dates", "Today's date: Mon Nov 30 2026", "Today's date: Wed Dec 2 2026"),
    ("dates", "It is Monday, 2026-11-30, 2:00:00 AM", "It is Wednesday, 2026-12-02, 11:59:59 PM"),
    ("dates", "Mon Nov 30 02:11:33 UTC 2026", "Wed Dec  2 14:00:01 CET 2026"),
    ("dates", "now 2026-11-30T02:11:33.123+01:00", "now 2026-12-02T02:11:33Z"),
    ("dates", "11/30/2026, 2:11:33 AM", "12/2/2026, 12:01:00 PM"),
    ("dates", "**Local date:** 2026-11-30 UTC+00:00", "**Local date:** 2026-12-02 UTC+01:00"),
    ("dates", "The time is now 2026-11-30 02:23 UTC+00:00.", "The time is now 2026-12-02 14:01 UTC+00:00."),
    ("durations", "Time elapsed: 1min since", "Time elapsed: 17min since"),
    ("versions", "Platform: Linux-6.8.0-45-x86_64-with-glibc2.36", "Platform: Linux-5.15.0-x86_64-with-glibc2.31"),
    ("dates", "The current month is November 2026.", "The current month is December 2026."),
    ("dates", "started at 1764460000123", "started at 1764632800456"),
    ("dates", "<timezone>Europe/Berlin</timezone>", "<timezone>America/New_York</timezone>"),
    ("cwd", "Primary working directory: /home/bob/x", "Primary working directory: /srv/y"),
    ("cwd", "<cwd>/home/bob/my x</cwd>", "<cwd>/srv/y</cwd>"),
    ("home", "Skills are in /home/bob/.codex/skills", "Skills are in /root/.codex/skills"),
    ("tmp", "Use /tmp/tmpab12cd3x", "Use /tmp/tmpzz98yx7w"),
    ("pids", "Process Group PGID: 4242", "Process Group PGID: 7"),
    ("pids", "Background PIDs: 12, 13", "Background PIDs: 98, 99"),
    ("ids", "Session ID: 5f3a2b1c-1111-2222-3333-444455556666", "Session ID: 00002b1c-1111-2222-3333-444455556666"),
    ("ids", "Chunk ID: 5b11e3", "Chunk ID: a0b1c2"),
    ("ids", "6f3a1b2 Initial commit", "0aa1b2c Initial commit"),
    ("durations", "Wall time: 0.0000 seconds", "Wall time: 1.25 seconds"),
    ("durations", "3 passed in 0.31s", "3 passed in 12.02s"),
    ("durations", "real\t0m0.004s", "real\t1m2.5s"),
    ("memory", "MemFree:  123456 kB", "MemFree:  99 kB"),
    ("memory", "heapUsed: 4.5 MB / 8 MB", "heapUsed: 44.5 MB / 80 MB"),
    ("names", "-rw-r--r-- 1 alice staff 12 a.txt", "-rw-r--r-- 1 root root 12 a.txt"),
    ("names", "User: alice", "User: bob"),
    ("versions", "OS Version: Linux 6.8.0-45-generic", "OS Version: Linux 5.15.0"),
    ("versions", "platform linux -- Python 3.11.7, pytest-9.0.1", "platform linux -- Python 3.13.0, pytest-8.3.2"),
    ("versions", "User-Agent: agent/2.1.3 (linux)", "User-Agent: agent/2.2.0 (linux)"),
    ("durations", "Finished `dev` profile target(s) in 1.23s", "Finished `dev` profile target(s) in 12.3s"),
    ("durations", "added 3 packages in 2s", "added 3 packages in 11s"),
    ("durations", "ready in 300 ms", "ready in 41 ms"),
    ("durations", "--- PASS: TestX (0.00s)", "--- PASS: TestX (1.20s)"),
    ("durations", "ok  \texample.org/a\t0.012s", "ok  \texample.org/a\t1.5s"),
    ("durations", "0.31s call     test_a.py::test_it", "1.02s call     test_a.py::test_it"),
    ("durations", "64 bytes: icmp_seq=1 time=12.3 ms", "64 bytes: icmp_seq=1 time=9.1 ms"),
    ("durations", "  ✓ renders 12 ms", "  ✓ renders 9 ms"),
    ("ids", "commit " + "0a" * 20, "commit " + "0b" * 20),
    ("ids", '"container_id": "' + "0a" * 32, '"container_id": "' + "0b" * 32),
    ("ids", "in /data/" + "0a" * 32 + "/a", "in /data/" + "0b" * 32 + "/a"),
    ("ids", "6f9619ff8b864d01b42d00cf4fc964ff", "16fd27068baf433b82eb8c7fada847da"),
    ("ids", "lc_run-" + "0a" * 16, "lc_run-" + "0b" * 16),
    ("ports", "listening on http://127.0.0.1:41234/", "listening on http://127.0.0.1:5173/"),
]


# A result does not name the working folder, and its names may be what was looked up; the system's times may be rules.
OF_ONE_ROLE = {
    "tool": {one for of, one, _ in VOLATILE if of == "cwd" or one == "User: alice"},
    "system": {one for of, one, _ in VOLATILE if of == "durations" and not one.startswith(("Time", "Wall", "real"))},
}


@pytest.mark.parametrize(("of", "one", "two"), VOLATILE, ids=[f"{of}: {one[:30]}" for of, one, _ in VOLATILE])
def test_a_class_makes_equal_what_it_names(of: Any, one: str, two: str) -> None:
    """In a system message and a tool's result the two are equal, and not once the class is switched off."""
    off = as_ignored_parts({of: False})
    for role in ("system", "tool"):
        bodies = [{"messages": [{"role": role, "content": text}]} for text in (one, two)]
        if one not in OF_ONE_ROLE.get(role, ()):
            assert normal(bodies[0]) == normal(bodies[1])
        assert normal(bodies[0], HERE, off) != normal(bodies[1], HERE, off)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("3 passed, 1 failed", "4 passed, 1 failed"),
        ("a.py:12:34: error", "a.py:12:35: error"),
        ("Version: 1.2.3", "Version: 1.2.4"),
        ("12 KB a.txt", "13 KB a.txt"),
        ("bake for 5 minutes", "bake for 6 minutes"),
        ("mail bob@x.example", "mail eve@x.example"),
        ("call 555-123-4567", "call 555-123-4568"),
        ("exit code 1", "exit code 2"),
        ("see https://x.example/v2/a", "see https://x.example/v3/a"),
        ("10.0.0.1:8080 is up", "10.0.0.1:8081 is up"),
        ("/srv/a.txt", "/srv/b.txt"),
        ("/tmp/report-a.txt", "/tmp/report-b.txt"),
        ("ratio 3:45", "ratio 3:46"),
        ({"count": 3}, {"count": 4}),
        ("chapter 2026", "chapter 2027"),
        ('{"user": "alice"}', '{"user": "bob"}'),
        ("username: alice", "username: bob"),
        ("job 17 failed", "job 18 failed"),
        ("process 5 files", "process 6 files"),
        ("task id: T-1001", "task id: T-1002"),
        ("task id: 123456", "task id: 123457"),
        ("task_frontend2", "task_frontend3"),
        ("/tmp/report-20241130", "/tmp/report-20241201"),
        ("sku ABC-1234567", "sku ABC-1234568"),
        ("order 4711 of 12 items", "order 4712 of 12 items"),
        ("lat 52.52, lon 13.40", "lat 52.52, lon 13.41"),
        ("3.5 kg", "3.6 kg"),
        ("retry after 30 seconds", "retry after 60 seconds"),
        ("balance 1796004355", "balance 1796999999"),
        ("order 1764460000123", "order 1764460000124"),
        ("The meeting is on 2026-11-30.", "The meeting is on 2026-12-05."),
        ("born May 4, 1977", "born May 5, 1977"),
        ('{"due": "30.11.2026"}', '{"due": "30.11.2027"}'),
        ("price 1.5s", "price 2.5s"),
        ("a film of 90.5 seconds", "a film of 91.5 seconds"),
        ("shutter 4 ms", "shutter 8 ms"),
        ("deliver in 5 s", "deliver in 6 s"),
        ("(of 1.5s and more)", "(of 2.5s and more)"),
        ("0cc175b9c0f1b6a831c399e269772661", "92eb5ffee6ae2fec3ad71c777531578f"),
        ("0cc175b9c0f1b6a831c399e269772661  a.txt", "92eb5ffee6ae2fec3ad71c777531578f  a.txt"),
        ("sha256:" + "0a" * 32, "sha256:" + "0b" * 32),
        ("sha1-" + "0a" * 20, "sha1-" + "0b" * 20),
        ("md5 = " + "0a" * 16, "md5 = " + "0b" * 16),
        ("On branch main", "On branch release"),
        (" M a.py\n?? b.py", " M a.py\n?? c.py"),
        ("Status:\n M a.py", "Status:\n M b.py"),
        ("@@ -1 +1 @@\n-a\n+b", "@@ -1 +1 @@\n-a\n+c"),
        (
            "diff --git a/a.py b/a.py\nindex 1a2b3c4..2b3c4d5\n+x = 1",
            "diff --git a/a.py b/a.py\nindex 1a2b3c4..2b3c4d5\n+x = 2",
        ),
    ],
)
def test_other_results_of_tools_differ(one: Any, two: Any) -> None:
    """Counts, places, sizes, versions, addresses and files in a result mean something."""
    assert result(one) != result(two)


CLAUDE = (
    "gitStatus: This is the git status at the start of the conversation.\nCurrent branch: {branch}\n\n"
    "Main branch (you will usually use this for PRs): main\n\nGit user: {user}\n\n"
    "Status:\n{status}\n\nRecent commits:\n{commits}\n\nNever push."
)
LONG = "```git status\nOn branch main\n{lines}\n```\nNever push."
GIT = [
    (
        CLAUDE.format(branch="main", user="alice", status="(clean)", commits="270e6ac Add the notes"),
        CLAUDE.format(
            branch="", user="ci", status=" M a.py\nA  b.py\n?? c/", commits="1b2c3d4 Fix it\n270e6ac Add the notes"
        ),
    ),
    (
        LONG.format(lines="nothing to commit, working tree clean"),
        LONG.format(
            lines="Your branch is ahead of 'origin/main' by 1 commit.\n"
            '  (use "git push" to publish your local commits)'
            '\n\nChanges not staged for commit:\n  (use "git add <file>..." to update what will be committed)\n'
            "\tmodified:   a.py\n\nUntracked files:\n\tb.py\n\nno changes added to commit"
        ).replace("On branch main", "HEAD detached at 270e6ac"),
    ),
    (
        "git: Current branch: main\ngit: Recent commits:\ngit: e71c4cc Add",
        "git: Current branch: x\ngit: Recent commits:",
    ),
    ("<branch>main</branch>", "<branch>feature/a-1</branch>"),
    ("- Branch: main\n- Commit: 270e6ac", "- Branch: fix\n- Commit: 1b2c3d4"),
    ("HEAD: 270e6ac (main) Add the notes", "HEAD: 1b2c3d4 (HEAD, tag: v1) Fix it"),
    ("## Git Status\n```\n## main...origin/main\n M a.py\n```", "## Git Status\n```\n## x\n```"),
]


@pytest.mark.parametrize(("one", "two"), GIT, ids=[one[:30] for one, _ in GIT])
def test_the_state_of_a_repository_is_volatile(one: str, two: str) -> None:
    """Branch, status and commits in a system message are equal, but not without the class, nor in other messages."""
    assert system(one) == system(two)
    bodies = [{"messages": [{"role": "system", "content": text}]} for text in (one, two)]
    off = as_ignored_parts({"git": False})
    assert normal(bodies[0], HERE, off) != normal(bodies[1], HERE, off)
    for role in ("user", "assistant", "tool"):
        requests = [{"messages": [{"role": role, "content": text}]} for text in (one, two)]
        assert normal(requests[0]) != normal(requests[1])
    found = Normaliser(IgnoredParts(), HERE).ignored(bodies[0], differences(bodies[0], bodies[1]))
    assert all("git" in line for line in found)


def test_other_agents_that_run_there_are_volatile() -> None:
    """gptme lists them in a block, which is there or not."""
    block = "\n\n<workspace-agents-warning>\n⚠️  {} other agent(s):\n   PID 7: x up 7s\n</workspace-agents-warning>"
    text = "Working directory: /x{}\nBe brief."
    assert system(text.format(block.format(1))) == system(text.format(block.format(2))) == system(text.format(""))
    assert system(text.format("")) != system(text.format("\nBe long."))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("A tool is at hand.\nD is next.", "A tool is at hand.\nR is next."),
        ("Make small commits.\n1234567 is the number.", "Make small commits.\n7654321 is the number."),
        ("Status codes: 200", "Status codes: 404"),
        ("Never commit to main.", "Never commit to release."),
        ("Report the status:\nEach step is one line.", "Report the status:\nEach step is two lines."),
        ("Answer within 2.5 s.", "Answer within 3.5 s."),
        ("Time out after 30 seconds.", "Time out after 60 seconds."),
        ("Use a memory limit of 512 MB.", "Use a memory limit of 1024 MB."),
        ("Read at most 200 lines.", "Read at most 300 lines."),
        ("Call port 8080 of example.org:8080.", "Call port 8080 of example.org:8081."),
        ("You may edit a.py alone.", "You may edit b.py alone."),
        ("Give 3 reasons.", "Give 4 reasons."),
    ],
)
def test_other_rules_of_the_system_differ(one: str, two: str) -> None:
    """A limit, a number or a file in the words of the system is a rule."""
    assert system(one) != system(two)


def test_paths_below_a_folder_differ() -> None:
    """Only the folder is replaced: the rest of a path, and a folder whose name begins alike, still count."""
    assert system("Working directory: /x/app\n/x/app/a.py /x/app2/a.py /x/app-old /y/x/app") == (
        "Working directory: {{cwd}}\n{{cwd}}/a.py /x/app2/a.py /x/app-old /y/x/app"
    )


def test_equal_ids_stay_equal() -> None:
    """Ids are numbered, so that it still counts which result belongs to which call."""

    def body(first: str, second: str) -> dict[str, Any]:
        calls = [{"id": name, "function": {"name": "f", "arguments": name}} for name in ("call_a1b2c3", "call_d4e5f6")]
        results = [{"role": "tool", "tool_call_id": name, "content": "x"} for name in (first, second)]
        return {"messages": [{"role": "assistant", "tool_calls": calls}, *results]}

    one, two = body("call_a1b2c3", "call_d4e5f6"), body("call_d4e5f6", "call_a1b2c3")
    assert normal(one) != normal(two)
    renamed = json.loads(json.dumps(one).replace("call_a1b2c3", "call_x9y8z7"))
    assert normal(one) == normal(renamed)


def test_numbers_in_results_are_volatile_by_their_name() -> None:
    """`{"duration_ms": 12}` in a structured result is a duration; other numbers count."""

    def body(**fields: Any) -> Any:
        parts = [{"functionResponse": {"name": "f", "response": fields}}]
        return normal({"contents": [{"role": "user", "parts": parts}]})

    assert body(duration_ms=12, started_at=1764460000, pid=7, n=1) == body(duration_ms=9, started_at=2, pid=8, n=1)
    assert body(duration_ms=12, n=1) != body(duration_ms=12, n=2)


def test_own_paths_and_texts_are_ignored() -> None:
    """`ignore_path` leaves parts of a request out, `ignore_text` text of any author."""
    settings = as_ignored_parts(True, "$.trace", [r"run \d+"])
    one = {"trace": {"n": 1}, "messages": [{"role": "user", "content": "run 1: hi"}]}
    two = {"trace": {"n": 2}, "messages": [{"role": "user", "content": "run 2: hi"}]}
    assert normal(one, HERE, settings) == normal(two, HERE, settings)
    assert normal(one) != normal(two)
    for path, there in (("input[*].id", {"input": [{}]}), ("..id", {"input": [{}]}), ("input[0]", {"input": []})):
        body = {"input": [{"id": "a1"}], "id": 1} if path == "..id" else {"input": [{"id": "a1"}]}
        assert normal(body, HERE, as_ignored_parts(False, path)) == there


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dats",), "no class 'dats'"),
        (({"dates": 0},), "dates is 0"),
        ((7,), "7 is not true, false"),
        ((True, "a..[", ()), "'a..[' can't be read"),
        ((True, (), "("), "not a regular expression"),
        ((True, 7), "is not a list of texts"),
    ],
)
def test_wrong_settings_are_named(arguments: Any, message: str) -> None:
    """A setting that can't be read is an error that says what to write."""
    with pytest.raises(SettingError, match=message.replace("[", r"\[").replace("..", r"\.\.")):
        as_ignored_parts(*arguments)


def test_forms_of_the_setting() -> None:
    """True, false, a list of classes and a mapping choose the classes."""
    assert as_ignored_parts(True).classes == CLASSES
    assert as_ignored_parts(False).classes == ()
    assert as_ignored_parts(["ids", "dates"]).classes == ("dates", "ids")
    assert as_ignored_parts({"dates": False, "ids": True}).classes == tuple(n for n in CLASSES if n != "dates")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(("messages", "input", "contents", "system", "tools", "x")), json_values))
def test_any_body_has_a_normal_form(body: dict[str, Any]) -> None:
    """Whatever a body holds, its normal form is found, is the same each time, and leaves the body as it is."""
    before = json.dumps(body)
    assert normal(body) == normal(body)
    Normaliser(IgnoredParts(), HERE).values(body)
    assert json.dumps(body) == before


def test_all_classes_off_is_no_change() -> None:
    """With no class and nothing to ignore the normal form is the request."""
    for wire in WIRES:
        body = request(wire)
        assert normal(body, HERE, as_ignored_parts(False)) == body


def test_each_wire_differs_in_each_meaning() -> None:
    """A question, a file, a result and a rule count in every wire format."""
    for wire in WIRES:
        changed: list[dict[str, Any]] = [
            {},
            {"question": "Why?"},
            {"file": "b.py"},
            {"cost": 13},
            {"rule": " Be brief."},
        ]
        keys = [key_of(normal(request(wire, **meaning))) for meaning in changed]
        assert all(one != two for one, two in combinations(keys, 2)), wire


def test_a_way_from_the_folder_to_the_home() -> None:
    """A relative path between two folders of a machine is the same on another one."""
    texts = []
    for machine in (HERE._replace(home="/home/ann"), THERE):
        way = os.path.relpath(machine.home, machine.cwd)
        content = f"Working directory: {machine.cwd}\nContext from: {way}/.agent/a.md"
        body = {"messages": [{"role": "system", "content": content}]}
        assert way not in str(Normaliser(IgnoredParts(), machine).with_placeholders(body))
        texts.append(normal(body, machine))
    assert texts[0] == texts[1]


@given(st.lists(st.sampled_from(sorted({word for _, one, two in VOLATILE for word in (one, two, *one.split())}))))
def test_lines_that_are_left_out_hold_nothing_volatile(words: list[str]) -> None:
    """The fast check of a line leaves out no line that a pattern would change."""
    line = " ".join(words)
    for result in (True, False):
        patterns = chosen_patterns(CLASSES, result=result)
        changed = line
        for pattern, new in patterns:
            changed = pattern.sub(new, changed)
        assert normal_text(line, CLASSES, result=result) == changed


def test_the_usual_folder_for_temporary_files() -> None:
    """A user who writes /tmp means the same on a machine that has another folder for temporary files."""
    body = {"messages": [{"role": "user", "content": "Save it to /tmp/report.txt"}]}
    there = HERE._replace(tmp="/var/folders/a1/b2/T")
    recorded = Normaliser(IgnoredParts(), HERE).with_placeholders(body)
    assert recorded["messages"][0]["content"] == "Save it to {{tmp}}/report.txt"
    assert normal(recorded, there) == normal(body, there)
    assert normal({"messages": [{"role": "user", "content": "Save it to /tmp/other.txt"}]}, there) != normal(
        body, there
    )
