"""Span: a span of OpenTelemetry and its events, whatever file they are from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple


class Event(NamedTuple):
    """An event of a span, or a log record that belongs to it; `body` is a log record's."""

    name: str
    at: datetime | None
    attributes: Mapping[str, Any]
    body: Any = None


class Span(NamedTuple):
    """A span, whatever file it is from; `dropped` counts the attributes and events that the SDK left out.

    `scope` is the instrumentation that created it.
    """

    place: str
    name: str
    start: datetime | None
    end: datetime | None
    attributes: Mapping[str, Any]
    events: tuple[Event, ...] = ()
    error: str = ""
    dropped: int = 0
    id: str = ""
    scope: str = ""
