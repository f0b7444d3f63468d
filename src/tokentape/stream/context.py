"""The request behind a stream."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from tokentape.message import ChatMessage


class StreamContext(msgspec.Struct):
    """Describes the request behind a stream; the stream's event repeats these fields.

    `request_thread_id` is a new UUID unless it is set. `input` holds the messages that were sent, `configuration`
    the options; `tags` and `metadata` are free for the caller. `requested_at` is when the request was
    sent, in unix time (s), `url` where to, without its query; `None` where that is unknown.
    """

    request_thread_id: str = msgspec.field(default_factory=lambda: str(uuid.uuid4()))
    operation_type: str = "chat"
    provider: str | None = None
    model: str | None = None
    configuration: Mapping[str, Any] = msgspec.field(default_factory=dict)
    input: tuple[ChatMessage, ...] = ()
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    requested_at: float | None = None
    url: str | None = None
