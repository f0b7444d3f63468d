"""A response that is being streamed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

import msgspec

from tokentape.usage import NOTHING

IteratorT = TypeVar("IteratorT")


class StreamedChatResponse(msgspec.Struct, Generic[IteratorT], frozen=True):
    """A successful response whose body is not read yet: `normalized` is the iterator over it.

    `status` and `headers` (lower-case names) are those of the HTTP response.
    """

    normalized: IteratorT
    status: int = 200
    headers: Mapping[str, str] = NOTHING
    request_id: str | None = None
