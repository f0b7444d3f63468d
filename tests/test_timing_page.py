"""docs/timing.md: its code runs, its profile is one, its commands work."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from tests.pages import block_with, code_blocks, page_text, run
from tokentape_fake_provider.timing import Instant, Profile, Recorded, Stepped, Synthetic
from tokentape_harness import FakeProvider
from tokentape_harness.cli.run import run as run_command
from tokentape_harness.profiles import read_profile

REPOSITORY = Path(__file__).parents[1]
PAGE = page_text("docs/timing.md")


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """The file that the page shows."""
    (text,) = code_blocks(PAGE, "yaml")
    path = tmp_path / "profile.yaml"
    path.write_text(text)
    return path


def test_the_table_of_timings(fake_provider: FakeProvider, profile: Path) -> None:
    """Each specification of the table is a timing of its kind, and every kind is there."""
    specs = [
        spec for cell in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)[1:] for spec in re.findall("`(.*?)`", cell)
    ]
    kinds = {type(fake_provider.timing(spec.replace("FILE", str(profile)))) for spec in specs}
    assert kinds == {Instant, Recorded, Synthetic, Profile, Stepped}


def test_setting_a_timing(fake_provider: FakeProvider) -> None:
    """The block that sets timings leaves the last of them."""
    run(block_with(PAGE, "the same"), fake_provider=fake_provider)
    assert fake_provider.session.settings.timing == Synthetic(300, 50, 0.2, seed=7)


def test_the_profile_of_the_page(fake_provider: FakeProvider, profile: Path) -> None:
    """The file has every field of a profile, and the block says a part of the same in Python."""
    read = read_profile(profile)
    text = profile.read_text()
    for kind in (Profile, *(type(value) for value in (read.ttft, read.latency, read.pauses, read.load))):
        for field in kind.__struct_fields__:
            assert field == "fitted" or re.search(rf"\b{field}:", text), field
    run(block_with(PAGE, "import FirstToken"), fake_provider=fake_provider)
    applied = fake_provider.session.settings.timing
    assert isinstance(applied, Profile)
    assert (applied.events_per_arrival, applied.pauses) == (read.events_per_arrival, read.pauses)
    assert (applied.latency, applied.ttft.base_ms, applied.load.free) == (
        read.latency,
        read.ttft.base_ms,
        read.load.free,
    )


def commands() -> Iterator[str]:
    """The commands that the page shows."""
    for block in code_blocks(PAGE, "console"):
        yield from (line.removeprefix("$ ") for line in block.splitlines())


def test_the_fit_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`tokentape fit` as the page shows it writes a profile that can be played."""
    (tmp_path / "cassettes").symlink_to(REPOSITORY / "cassettes")
    monkeypatch.chdir(tmp_path)
    fit, serve = commands()
    assert run_command(shlex.split(fit)[1:]) == 0
    assert read_profile(serve.partition("profile:")[2]).ttft.base_ms == pytest.approx(450, rel=0.02)


def test_stepping_as_on_the_page(fake_provider: FakeProvider) -> None:
    """The block that steps works beside a request in a thread of its own."""
    request = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]}
    with ThreadPoolExecutor(1) as pool:

        def ask() -> None:
            asked.append(pool.submit(httpx2.post, f"{fake_provider.url}/v1/chat/completions", json=request))

        asked: list = []
        code = re.sub(r"^\.\.\. .*$", "ask()", block_with(PAGE, "next_stream"), flags=re.MULTILINE)
        assert "ask()" in code
        run(code, fake_provider=fake_provider, ask=ask)
        assert b"deep" in asked[0].result().content
