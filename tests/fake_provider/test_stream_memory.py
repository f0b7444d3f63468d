"""What a stream leaves behind."""

from __future__ import annotations

import asyncio
import gc

from tests.fake_provider.test_repeated_answers import CHAT, new_app, post
from tokentape_fake_provider.playback.player import _Player


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
