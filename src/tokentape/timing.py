"""When the tokens of a stream came."""

from __future__ import annotations

import msgspec


class StreamTiming(msgspec.Struct, frozen=True):
    """The times of one stream, in s.

    `time_to_first_token` counts from the request, or from the first read where the request is not known; it is `None`
    until there is text. `inter_token_latencies` are the times between chunks with text, of which those of one read
    came together. `total` lasts to the end of the stream, or to now.
    """

    time_to_first_token: float | None
    inter_token_latencies: tuple[float, ...]
    total: float
