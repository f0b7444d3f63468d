"""Recordings that are killed (`kill -9`) at any moment: every cassette is whole, or what it was, or absent."""

from __future__ import annotations

import os
import random
import shutil
import sys

import pytest

from bench.victims import Order, left_in, victims
from tokentape_fake_provider import FakeProviderServer, Rule, Script
from tokentape_harness.cassettes.atomic_file import remove_abandoned, temporary_path

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")]

KINDS = ("in process", "proxy")
KILLED = -9
NAMES = {"in process": "cassette-0.yaml", "proxy": "openai.yaml"}


@pytest.fixture(scope="module")
def url():
    """A provider that answers all questions."""
    with FakeProviderServer() as server:
        server.default.add_rule(Rule(scripts=(Script.of("One two three four five six seven"),)))
        yield server.url


@pytest.fixture(scope="module")
def forked():
    """Starts the processes that are killed."""
    with victims() as processes:
        yield processes


@pytest.mark.parametrize("kind", KINDS)
def test_killed_within_a_save(kind, url, forked, tmp_path):
    """At each step of writing the file the old cassette is there or the new one, and the next run cleans up."""
    before = tmp_path / "before"
    before.mkdir()
    assert forked.run(Order(kind, str(before), url, 1, rounds=1))["status"] == 0
    assert left_in(before) == ({NAMES[kind]: 2}, 0)

    def killed(number, kill_at):
        folder = tmp_path / f"{number}"
        shutil.copytree(before, folder)
        order = Order(kind, str(folder), url, 2, rounds=1, counted="saving", kill_at=kill_at)
        return folder, forked.run(order)

    folder, report = killed("whole", None)
    assert left_in(folder) == ({NAMES[kind]: 4}, 0)
    calls = report["calls"]
    sizes, cut_short = set(), []
    assert calls > 10
    # A proxy may save once or twice.
    for number in range(calls) if kind == "in process" else range(0, calls, max(1, calls // 15)):
        folder, report = killed(number, number)
        assert report["status"] in (KILLED, 0)
        interactions, temporary = left_in(folder)
        sizes.add(interactions[NAMES[kind]])
        if temporary:
            cut_short.append(folder)
    # A proxy saves each answer when it comes to it.
    assert 2 in sizes
    assert sizes & {3, 4}
    assert sizes <= {2, 3, 4}
    assert cut_short
    assert forked.run(Order(kind, str(cut_short[-1]), url, 3, rounds=1))["status"] == 0
    assert left_in(cut_short[-1])[1] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_any_moment(kind, url, forked, tmp_path):
    """Wherever a recording is killed, all cassettes can be read and none has lost anything."""
    first = forked.run(Order(kind, str(tmp_path), url, 0, rounds=2, counted="all"))
    assert first["status"] == 0
    before, _ = left_in(tmp_path)
    chance = random.Random(kind)
    for number in range(1, 11):
        order = Order(
            kind, str(tmp_path), url, number, rounds=2, counted="all", kill_at=chance.randrange(first["calls"] // 2)
        )
        assert forked.run(order)["status"] in (KILLED, 0)
        found, _ = left_in(tmp_path)
        assert all(found[name] >= count for name, count in before.items())
        before = found


def test_only_dead_writers_are_cleaned_up_after(tmp_path):
    """Temporary files of a living process, of other cassettes and of other programs stay."""
    path = tmp_path / "a.yaml"
    dead = os.posix_spawn(sys.executable, [sys.executable, "-c", ""], {})
    os.waitpid(dead, 0)
    gone = f".a.yaml.{dead}-00000000.tmp"
    stay = [
        temporary_path(path).name,
        f".b.yaml.{dead}-00000000.tmp",
        f".a.yaml.{dead}.tmp",
        f"a.yaml.{dead}-00000000.tmp",
    ]
    for name in (gone, *stay):
        (tmp_path / name).touch()
    remove_abandoned(path)
    assert {found.name for found in tmp_path.iterdir()} == set(stay)
    (old,) = (tmp_path / name for name in stay[:1])
    os.utime(old, (0, 0))
    remove_abandoned(path)
    assert not old.exists()
    remove_abandoned(tmp_path / "absent" / "a.yaml")
