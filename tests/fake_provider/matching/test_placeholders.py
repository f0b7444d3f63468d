"""Placeholders: out and in again give the same text, on the same machine and in parts."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from tokentape_fake_provider.sessions.matching.machine import Machine, is_usable, this_machine
from tokentape_fake_provider.sessions.matching.placeholders import (
    Values,
    find_values,
    free_names,
    placeholder_pattern,
    value_of,
    values_of,
    with_placeholders,
    with_values,
)

HERE = Machine("/home/alice/work/app", "/home/alice", "/tmp", "alice", "alice-laptop-7", "alice@own.example")
THERE = Machine("/srv/x", "/root", "/var/tmp/t", "bob", "ci-44", "bob@own.example")
VALUES = values_of(HERE)

names = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters='"\\/{}'), min_size=1, max_size=6)
folders = st.lists(names, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts)).filter(is_usable)
texts = st.lists(
    st.one_of(
        st.text(max_size=6),
        st.sampled_from(
            (*(value for _, value in VALUES), "/", "{{cwd}}", "{{cwd_", "{{home[:2]}}", "}}", " ", "\n", "é")
        ),
    ),
    max_size=8,
).map("".join)


def back(text: str, values: Values, original: str) -> str:
    """A text with its placeholders filled in."""
    return with_values(text, free_names(original, values).values(), values)


@given(texts)
@example("{{cwd}} is not /home/alice/work/app")
@example("/home/alice/.agent/tmp/app/x /tmp/tmp /tmp")
def test_out_and_in_again_is_the_same(text: str) -> None:
    """Whatever a text holds, also placeholders of its own, replacing and filling in gives the same text."""
    assert back(with_placeholders(text, VALUES), VALUES, text) == text


@given(folders, texts, st.sampled_from((str, json.dumps, lambda text: json.dumps(json.dumps(text)))))
def test_any_folder_in_any_json(folder: str, text: str, write: object) -> None:
    """A folder of any name is found in JSON and in JSON inside JSON, with either escapes, and comes back as it was."""
    values = values_of(Machine(folder))
    whole = write(f"see {folder}/a.py {text}")  # type: ignore[operator]
    replaced = with_placeholders(whole, values)
    assert "{{cwd" in replaced
    assert back(replaced, values, whole) == whole


@given(texts)
def test_a_text_without_values_stays(text: str) -> None:
    """A text that holds none of the values is not changed."""
    if not find_values(text, VALUES):
        assert with_placeholders(text, VALUES) == text


@given(folders, folders, st.lists(st.integers(0, 40), max_size=5))
def test_slices_join_to_the_value_of_any_length(here: str, there: str, cuts: list[int]) -> None:
    """Where a value was spread over events, the parts of another machine's value still join to it."""
    values = values_of(Machine(here))
    (found,) = find_values(here, values)
    ends = sorted({min(cut, len(here)) for cut in cuts} | {0, len(here)})
    parts = [found.placeholder({"cwd": "cwd"}, first, last) for first, last in pairwise(ends)]
    pattern = placeholder_pattern(["cwd"])
    for value in (here, there):
        joined = "".join(pattern.sub(lambda match: value_of(match, {"cwd": value}), part) for part in parts)  # noqa: B023
        assert joined == value


@pytest.mark.parametrize(
    ("cwd", "home", "text", "replaced"),
    [
        ("/ci/work/proj", "/ci/home/ann", "from ../../home/ann/.agent/x.md", "from {{home_from_cwd}}/.agent/x.md"),
        ("/srv/proj", "/home/ann", "from ../../home/ann/x.md", "from {{home_from_cwd}}/x.md"),
        ("/home/ann/work/proj", "/home/ann", "from ../../.agent/x.md", "from {{home_from_cwd}}/.agent/x.md"),
        ("/home/ann/proj", "/home/ann", "from ../.agent/x.md", "from {{home_from_cwd}}/.agent/x.md"),
        ("/home/ann/work/proj", "/home/ann", "cd ../.. && ls ../../src ../../../x", None),
        ("/home/ann/proj", "/home/ann", "cd .. && ls ../src and so on...", None),
        ("/home/ann", "/home/ann", "cd ../x; ls ./.agent", None),
        ("/home/ann", "/home/ann/inner", "cd inner/.agent", None),
    ],
)
def test_the_way_from_the_working_folder_to_the_home(cwd: str, home: str, text: str, replaced: str | None) -> None:
    """A relative path to the home depends on both folders: it is replaced as one, and ordinary dots are not."""
    values = values_of(Machine(cwd, home))
    assert with_placeholders(text, values) == (replaced or text)
    assert back(with_placeholders(text, values), values, text) == text


def test_where_a_folder_ends() -> None:
    """A folder is found as a path of its own, not inside another, and by the names that agents give to it."""
    text = (
        "/home/alice/work/app, /home/alice/work/app/a.py, /home/alice/work/app2, /home/alice/work/app.bak, "
        "/home/alice/work/app. /mnt/home/alice/x https://x.example/tmp/y file:///tmp/y -I/tmp/z ~/tmp /tmpfs "
        "/home/alice/.claude/projects/-home-alice-work-app/memory /home/alice/.gemini/tmp/app/x "
        "%2Fhome%2Falice%2Fwork%2Fapp \\/home\\/alice\\/work\\/app user: alice alice@alice-laptop-7 malice"
    )
    assert with_placeholders(text, VALUES) == snapshot(
        "{{cwd}}, {{cwd}}/a.py, {{home}}/work/app2, {{home}}/work/app.bak, {{cwd}}. /mnt/home/{{user}}/x "
        "https://x.example/tmp/y file://{{tmp}}/y -I{{tmp}}/z ~/tmp /tmpfs "
        "{{home}}/.claude/projects/{{cwd:dash}}/memory {{home}}/.gemini/tmp/{{cwd:name}}/x "
        "{{cwd:url}} {{cwd:slash}} user: {{user}} {{user}}@{{host}} malice"
    )


@pytest.mark.parametrize("folder", ["", "/", "relative", "C:\\x", '/a"b', "/a\nb", "/{{cwd}}"])
def test_folders_that_are_never_replaced(folder: str) -> None:
    """The root, and names that JSON escapes or that hold braces, have no placeholder."""
    assert not is_usable(folder)


def test_this_machine() -> None:
    """This process has a working folder, a home and a temporary folder, or leaves out one that can't be searched."""
    found = this_machine()
    assert all(is_usable(folder) or not folder for folder in (found.cwd, found.home, found.tmp))


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("Working directory: /x/y", "/x/y"),
        ("Primary working directory: /x/y\nmore", "/x/y"),
        ("- **Workspace Directories:**\n  - /x/y\n", "/x/y"),
        ("I'm currently working in the directory: /x/y.", "/x/y"),
        ("The current working directory is `/x/y`.", "/x/y"),
        ("<cwd>/x/my y</cwd>", "/x/my y"),
        ('{"cwd": "/x/y"}', "/x/y"),
        ("Current working directory: /x/y\n", "/x/y"),
        ("Workspace root folder: /\nWorking directory: /x/y", "/x/y"),
        ("Stay in the working directory.", ""),
        ("Working directory: {{cwd}}", ""),
    ],
)
def test_the_folder_that_a_prompt_names(text: str, folder: str) -> None:
    """The working folder is the one that the request names, since a server runs in another one."""
    assert Machine().named_in([text]).cwd == folder


def test_a_folder_of_this_machine_may_hold_blanks() -> None:
    """A prompt that names this machine's folder names the whole of it; one whose name begins alike is another."""
    here = Machine("/x/my app")
    assert here.named_in(["Working directory: /x/my app\nmore"]) == here
    assert Machine("/x/app").named_in(["Working directory: /x/app2\nmore"]).cwd == "/x/app2"


def test_tags_are_no_folders() -> None:
    """`</root>` ends an element, and is no home folder."""
    values = values_of(Machine("/x/app", "/root", "/tmp"))
    text = "<root>/x/app</root> <tmp>/tmp</tmp> /root/a"
    assert with_placeholders(text, values) == "<root>{{cwd}}</root> <tmp>{{tmp}}</tmp> {{home}}/a"


def test_only_the_names_that_a_text_has_get_another_one() -> None:
    """A text that has `{{cwd}}` renames that placeholder alone."""
    text = "{{cwd}} is /home/alice/work/app, {{ home }} is /home/alice"
    assert with_placeholders(text, VALUES) == "{{cwd}} is {{cwd_}}, {{ home }} is {{home}}"


@pytest.mark.parametrize(
    ("text", "home", "tmp"),
    [
        ("Skills in /x/home/ann/.codex/skills and /x/home/ann/.config/y", "/x/home/ann", ""),
        ("Working directory: /x/app\nnotes in /x/app/.claude/notes", "", ""),
        ("Use `/x/t/agent` for temporary work", "", "/x/t"),
    ],
)
def test_other_folders_that_a_prompt_names(text: str, home: str, tmp: str) -> None:
    """A home is known by the folders of programs in it, a folder for temporary files by what a prompt says of it."""
    found = Machine().named_in([text])
    assert (found.home, found.tmp) == (home, tmp)
