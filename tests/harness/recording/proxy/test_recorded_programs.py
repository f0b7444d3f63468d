"""`tokentape record` around programs with the official SDKs, unmodified, each a process of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.clients import environments
from tests.harness.recording.proxy.processes import (
    KEYS,
    PIECES,
    SDKS,
    complaints,
    environment,
    printed,
    program,
    record,
    running,
    tape,
)
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.tape import Tape
from tokentape_fake_provider.timing import Recorded
from tokentape_fake_provider.timing.clock import ControlledClock
from tokentape_harness import read_cassette
from tokentape_harness.testing.recordings import load_recordings
from tokentape_harness.testing.sdk_environment import sdk_environment

pytestmark = pytest.mark.slow


@pytest.fixture
def clock() -> ControlledClock:
    """The time of the upstream."""
    return ControlledClock()


@pytest.fixture
def upstream(clock: ControlledClock) -> Iterator[FakeProviderServer]:
    """A provider that sends each frame when the test lets it."""
    with FakeProviderServer(clock=clock) as server:
        server.default.configure(timing=Recorded())
        yield server


def streams_live(
    command: Sequence[str], upstream: FakeProviderServer, clock: ControlledClock, wire: str, **options: Any
) -> Tape:
    """Run a command that prints the deltas: each must be out before the next frame leaves. Gives what was sent."""
    sent = tape(wire)
    upstream.default.push(sent)
    with running(command, environment(**KEYS), **options) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        waiting = list(PIECES)
        for frame in sent.frames:
            assert clock.wait_for_deadline(90) == frame.at, process.stderr.read()
            clock.jump(ms=100.0)
            if waiting and msgspec.json.encode(waiting[0]).strip(b'"') in frame.data:
                # To hold anything back is to hang here.
                assert process.stdout.readline().removesuffix("\n") == waiting.pop(0), process.stderr.read()
        assert not waiting
        assert process.stdout.read() == ""
        assert (process.wait(), complaints(process.stderr.read())) == (0, "")
    return sent


def check_recorded(path: Path, uri: str, sent: Tape) -> None:
    """The folder has this cassette alone, and that has what was sent, from this URI, without the keys."""
    assert list(path.parent.iterdir()) == [path]
    assert not [key for name, key in KEYS.items() if "KEY" in name and key in path.read_text()]
    (interaction,) = read_cassette(path)
    stream = interaction.response.stream
    assert stream is not None
    assert interaction.request.uri == uri
    assert interaction.response.body == sent.body
    assert [chunk.size for chunk in stream.chunks] == [len(frame.data) for frame in sent.frames]
    assert all(first.at <= second.at for first, second in pairwise(stream.chunks))
    assert stream.end == "complete"


@pytest.mark.parametrize("name", SDKS)
def test_a_program_streams_live_and_replays(
    name: str, upstream: FakeProviderServer, clock: ControlledClock, tmp_path: Path
) -> None:
    """Each delta is out before the next leaves the provider; the cassette replays by proxy, in Python and served.

    Of each kind of stream (events with and without an end of their own, a binary one) one replays; the test of each
    SDK in one process replays them all.
    """
    sdk = SDKS[name]
    path = tmp_path / "cassettes" / f"{name}.yaml"
    options = ("--cassettes", str(path.parent), "--upstream", f"{name}={upstream.url}{sdk.ending}")
    sent = streams_live(record(*options, command=program(name)), upstream, clock, sdk.wire)
    check_recorded(path, upstream.url + sdk.path, sent)

    if name in ("openai", "gemini", "bedrock"):
        assert printed(record(*options, "--mode", "none", command=program(name)), environment()) == list(PIECES)
    if name == "openai":
        direct = environment(**sdk_environment(upstream.url))
        assert printed([*program(name), str(path)], direct) == list(PIECES)
    assert len(upstream.default.journal.entries) == 1, "the replays sent no request"
    if name != "openai":
        return

    with FakeProviderServer() as served:
        served.default.configure(strict=True)
        served.default.add_recordings(load_recordings(path))
        direct = environment(**sdk_environment(served.url))
        assert printed(program(name), direct) == list(PIECES)
        (entry,) = served.default.journal.entries
        assert (entry.answered_by, entry.wire) == ("recording", sdk.wire)


NODE_PROGRAMS = {
    "openai": """
        import OpenAI from "openai";
        const messages = [{ role: "user", content: "Hello?" }];
        const body = { model: "m", messages, stream: true };
        for await (const chunk of await new OpenAI({ maxRetries: 0 }).chat.completions.create(body)) {
            const text = chunk.choices[0]?.delta.content;
            if (text) process.stdout.write(text + "\\n");
        }
    """,
    "anthropic": """
        import Anthropic from "@anthropic-ai/sdk";
        const messages = [{ role: "user", content: "Hello?" }];
        const body = { model: "m", max_tokens: 99, messages, stream: true };
        for await (const event of await new Anthropic({ maxRetries: 0 }).messages.create(body)) {
            const text = event.type === "content_block_delta" && event.delta.text;
            if (text) process.stdout.write(text + "\\n");
        }
    """,
}


@pytest.mark.clients
@pytest.mark.parametrize("name", NODE_PROGRAMS)
def test_a_program_of_node_streams_live_and_replays(
    name: str, upstream: FakeProviderServer, clock: ControlledClock, tmp_path: Path
) -> None:
    """So does a program of JavaScript, with the official SDKs of that."""
    try:
        node, _ = environments.command(environments.NODE, "node_openai_driver")
    except environments.UnavailableError as error:
        pytest.skip(str(error))
    sdk = SDKS[name]
    # It imports modules from the working directory.
    folder = environments.FOLDER / environments.NODE
    path = tmp_path / "cassettes" / f"{name}.yaml"
    options = ("--cassettes", str(path.parent), "--upstream", f"{name}={upstream.url}{sdk.ending}")
    command = [node, "--input-type=module", "-e", NODE_PROGRAMS[name]]
    sent = streams_live(record(*options, command=command), upstream, clock, sdk.wire, cwd=folder)
    check_recorded(path, upstream.url + sdk.path, sent)
    replayed = printed(record(*options, "--mode", "none", command=command), environment(), cwd=folder)
    assert replayed == list(PIECES)
    assert len(upstream.default.journal.entries) == 1, "the replay sent no request"
