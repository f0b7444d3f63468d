"""The event loop without a thread: whoever waits for a result runs it, and never waits for what is there."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from tokentape_fake_provider.event_loops.driven_loop import DrivenLoop


@pytest.mark.timeout(20)
def test_a_result_that_came_before_the_turn_is_not_waited_for() -> None:
    """A result that another's turn brought, after this one looked for it and before its own turn, ends the wait."""
    loop = DrivenLoop()

    class Overtaken(Future[None]):
        looked = False

        def done(self) -> bool:
            if self.looked:
                return super().done()
            self.looked = True
            other: Future[None] = Future()
            for future in (self, other):
                loop.call_soon_threadsafe(future.set_result, None)
            loop.drive(other)
            return False

    future = Overtaken()
    loop.drive(future)
    assert future.result() is None
    loop.shut_down()
