"""The status of a stream, from pending to its end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.tokentape.driver import SYNC, Plain, both
from tokentape import (
    post_streaming_response,
)


@both
async def test_status_goes_from_pending_to_complete(drive: Plain) -> None:
    """Pending before the first next, streaming while chunks come, complete when listeners and callbacks run."""
    stream = drive.stream("a", "b")
    seen = [stream.status]
    stream.add_callback(lambda message: seen.append(stream.status))
    events: Callable[..., None] = lambda sender, event: seen.append(stream.status)  # noqa: E731
    with post_streaming_response.connected_to(events):
        async for _ in drive.loop(stream):
            seen.append(stream.status)
    assert [*seen, stream.status] == ["pending", "streaming", "streaming", "complete", "complete", "complete"]


@both
async def test_status_is_complete_while_a_follow_up_streams(drive: Plain) -> None:
    """The follow-up has a status of its own."""
    stream, follow_up = drive.stream("a"), drive.stream("b")
    stream.add_callback(lambda message: follow_up)
    seen = [(chunk.text, stream.status, follow_up.status) async for chunk in drive.loop(stream)]
    assert seen == [("a", "streaming", "pending"), ("b", "complete", "streaming")]
    assert follow_up.status == "complete"


@both
async def test_status_is_failed_after_an_error(drive: Plain) -> None:
    """Failed, and the error is kept."""
    stream = drive.stream("a", error := OSError("gone"))
    with pytest.raises(OSError, match="gone"):
        await drive.read(stream)
    assert (stream.status, stream.error, stream.get_chat_output().error) == ("failed", error, error)
    with pytest.raises(OSError, match="gone"):
        stream.get_chat_output().raise_for_error()


def test_an_output_without_an_error_raises_none() -> None:
    """`raise_for_error` returns the output of a complete stream."""
    output = SYNC.stream("a").get_chat_output()
    assert output.raise_for_error() is output
