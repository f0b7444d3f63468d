"""What a stream leaves behind."""

from __future__ import annotations

import asyncio
import gc
import weakref

import msgspec

from tests.fake_provider.test_repeated_answers import CHAT, new_app, post, recording
from tokentape_fake_provider.app import create_app
from tokentape_fake_provider.config import AppConfig
from tokentape_fake_provider.hosting.gc_tuning import settle
from tokentape_fake_provider.playback.player import _Player
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.timing.clock import ControlledClock

MOST_OBJECTS = 60
"""A stream had 51 when this was written; one for each of its frames would be 270 more."""


def test_a_stream_that_has_ended_is_freed_without_the_garbage_collector() -> None:
    """Its frames are in no cycle, since a server that does nothing else hardly ever collects."""
    app = new_app()
    app.sessions.default.configure(timing="synthetic:ttft=10,tps=100", simulation={"words": 20})

    async def run() -> None:
        for _ in range(3):
            await post(app, CHAT, "Hi")

    gc.collect()
    gc.disable()
    try:
        asyncio.run(run())
        left = [1 for one in gc.get_objects() if isinstance(one, _Player)]
    finally:
        gc.enable()
    assert not left
    assert len(app.sessions.default.journal.entries[0].left) > 20


def test_a_recording_at_its_own_pace_is_not_joined() -> None:
    """Its frames are sent as they were recorded, so that a large one is not in memory twice."""
    app = new_app()
    tape = Tape((Frame(0.0, b"o"), Frame(5.0, b"ne")), headers=(("content-type", "text/event-stream"),))
    played = msgspec.structs.replace(recording("one"), tape=tape)
    app.sessions.default.configure(timing="recorded")
    app.sessions.default.add_recordings([played])

    async def run() -> list[bytes]:
        return [await post(app, CHAT, "Hi") for _ in range(3)]

    assert asyncio.run(run()) == [b"one"] * 3
    assert "_joined" not in vars(played.tape)


def test_a_stream_has_few_objects_for_the_garbage_collector() -> None:
    """However many frames it has: a collection of all streams stops them for as long as it takes to visit them."""
    count = 50

    async def run() -> int:
        app = create_app(AppConfig(clock=ControlledClock()))
        app.sessions.default.configure(timing="synthetic:ttft=100,tps=10", simulation={"words": 200})
        streams = [asyncio.ensure_future(post(app, CHAT, "Hi")) for _ in range(3)]  # what is kept for later ones
        sizes = []
        for more in (0, count):
            streams += [asyncio.ensure_future(post(app, CHAT, "Hi")) for _ in range(more)]
            for _ in range(100 + 3 * count):  # turns of the event loop
                await asyncio.sleep(0)
            assert len(app.sessions.default.streams.open) == len(streams)
            gc.collect()
            sizes.append(len(gc.get_objects()))
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
        return sizes[1] - sizes[0]

    assert asyncio.run(run()) <= count * MOST_OBJECTS


class Cycle:
    """An object that only the garbage collector can free."""

    def __init__(self) -> None:
        self.itself = self


def test_a_server_keeps_what_it_loaded_from_collections_and_nothing_else() -> None:
    """What is loaded at the start is never visited again; the cycles of a long run are freed nevertheless."""
    before = gc.get_threshold()
    gc.unfreeze()
    try:
        settle()
        assert gc.get_freeze_count() > 10_000
        assert gc.isenabled()
        cycles = [weakref.ref(Cycle()) for _ in range(1_000)]
        kept = [[number] for number in range(1_000_000)]  # what brings the collector to all generations
        assert not any(cycle() for cycle in cycles)
        del kept
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
