"""Requests that come at the same time do not hold up the frames of streams that are sent meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from tests.fake_provider.test_repeated_answers import CHAT, post
from tokentape_fake_provider.app import create_app
from tokentape_fake_provider.config import AppConfig
from tokentape_fake_provider.event_loops.turns import NextTurn, Turns
from tokentape_fake_provider.timing.clock import ControlledClock


async def turns_of(*calls: Callable[[], Awaitable[Any]]) -> list[int]:
    """The turns of the event loop in which these end that begin at the same time, from the first of them."""
    loop, turn = asyncio.get_running_loop(), 0
    ends: list[int] = []

    def count() -> None:
        nonlocal turn
        turn += 1
        loop.call_soon(count)

    async def follow(call: Callable[[], Awaitable[Any]]) -> None:
        await call()
        ends.append(turn)

    count()
    await asyncio.gather(*map(follow, calls))
    return [end - ends[0] for end in ends]


def test_each_task_has_a_turn_of_its_own() -> None:
    """The first waits for none, so that a request that comes alone takes no longer."""
    turns = Turns()
    assert asyncio.run(turns_of(turns.take)) == [0]
    assert asyncio.run(turns_of(turns.take, turns.take, turns.take)) == [0, 2, 3]
    assert asyncio.run(turns_of(turns.take, turns.take, turns.take)) == [0, 2, 3]  # in another event loop


def test_a_task_that_is_cancelled_holds_up_no_other() -> None:
    """Nor does an event loop that ends while tasks wait in it."""
    turns = Turns()

    async def cancel_second() -> None:
        tasks = [asyncio.ensure_future(turns.take()) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.wait_for(asyncio.gather(tasks[0], tasks[2]), 10)

    async def leave() -> None:
        await turns.take()
        waiting = [asyncio.ensure_future(turns.take()) for _ in range(3)]
        await asyncio.sleep(0)
        assert not waiting[-1].done()

    asyncio.run(leave())
    asyncio.run(cancel_second())


def test_callbacks_of_a_turn_are_called_together_in_the_next() -> None:
    """What a callback adds is called in the turn after; one that raises holds up no other."""
    called: list[tuple[str, int]] = []
    turn = 0

    async def run() -> None:
        nonlocal turn
        loop, following = asyncio.get_running_loop(), NextTurn()
        loop.set_exception_handler(lambda *_: called.append(("raised", turn)))

        def call(name: str) -> None:
            called.append((name, turn))
            if name == "a":
                following.call(loop, partial(call, "c"))
            if name == "b":
                raise ValueError

        for name in "abd":
            following.call(loop, partial(call, name))
        for turn in range(4):  # noqa: B007 - the callbacks read it
            await asyncio.sleep(0)

    asyncio.run(run())
    assert called == [("a", 0), ("b", 0), ("raised", 0), ("c", 1), ("d", 1)]


@pytest.mark.parametrize(("timing", "expected"), [("synthetic:ttft=10,tps=10", [0, 2, 3]), (None, [0, 0, 0])])
def test_requests_that_come_at_the_same_time(timing: str | None, expected: list[int]) -> None:
    """While a stream is sent frame by frame they are answered one by one, else in one turn of the event loop."""

    async def run() -> list[int]:
        app = create_app(AppConfig(clock=ControlledClock()))
        session = app.sessions.default
        session.configure(timing=timing or "instant")
        stream = asyncio.ensure_future(post(app, CHAT, "first"))
        for _ in range(20):  # turns of the event loop
            await asyncio.sleep(0)
        assert stream.done() == (timing is None)
        session.configure(timing="instant")
        try:
            return await turns_of(*[lambda: post(app, CHAT, "Hi")] * 3)
        finally:
            stream.cancel()

    assert asyncio.run(run()) == expected
