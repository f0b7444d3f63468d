"""Observed requests: what a journal's entry shows of a client's request and of its response."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from tokentape_fake_provider.errors import FaultError
from tokentape_fake_provider.fault_injection.fault_context import FaultContext, context_of
from tokentape_fake_provider.faults import parse_fault
from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.playback.text_search import text_in
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.wires import WIRES
from tokentape_fake_provider.wires.reading.turns import Turn, read_turns

_CUT: Final = frozenset(("dropped", "reset", "server_stopped"))
_PASSING: Final = frozenset((408, 429, 500, 502, 503, 504, 529))
_LASTING: Final = frozenset((400, 401, 402, 403, 404, 405, 406, 410, 411, 413, 414, 415, 422, 501))
_SPENT: Final = re.compile(rb"insufficient_quota|billing_hard_limit|billing_not_active|credit_balance")
_NO_END: Final = frozenset(("clean_end", "half_event", "empty_stream", "fin", "rst"))
_ERROR_TYPES: Final = frozenset(("error", "response.failed"))


class ObservedRequest:
    """A request that a client sent, and what became of it. Times are in ms of the session's clock."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.number = entry.number
        self.arrived = entry.arrived
        self.headers = dict(entry.headers)
        self.key = (entry.method, entry.path, entry.query, entry.raw_body)

    @property
    def ended(self) -> float | None:
        """When its response ended; `None` if it has not."""
        return None if self.entry.ended is None else self.arrived + self.entry.ended

    @property
    def answered(self) -> float:
        """When its client could know that it had failed: by the head of an error, else at the end."""
        entry = self.entry
        known = entry.started if self.refused and entry.started is not None else entry.ended
        return self.arrived + (entry.started or 0.0 if known is None else known)

    @property
    def refused(self) -> bool:
        """Whether it was answered with an error status."""
        return (self.entry.status or 0) >= 400

    @property
    def failed(self) -> bool:
        """Whether a client had reason to send it again."""
        entry = self.entry
        return (
            self.refused
            or entry.outcome in _CUT
            # Some clients close as soon as they have the terminal event.
            or (entry.outcome == "client_left" and entry.frames_sent < entry.frames_planned)
            or any(_breaks(fault) for fault in entry.faults)
        )

    @property
    def lasting(self) -> bool:
        """Whether the same request must fail again."""
        header = self._response_header("x-should-retry")
        return self.refused and (
            self.entry.status in _LASTING or header == "false" or bool(self.body and _SPENT.search(self.body))
        )

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed, and nothing of its response was received."""
        entry = self.entry
        return not self.lasting and (entry.status in _PASSING or (self.nothing_sent and not self.refused))

    @cached_property
    def body(self) -> bytes | None:
        """The bytes of the response that were sent; `None` if the journal has dropped them."""
        return self.entry.sent_body

    @cached_property
    def _context(self) -> FaultContext | None:
        """The events of what was sent; `None` where they can't be read."""
        entry, wire = self.entry, WIRES.get(self.entry.wire or "")
        if wire is None or self.body is None or entry.status != 200 or self._response_header("content-encoding"):
            return None
        return context_of(Tape((Frame(0.0, self.body),), 200, tuple(entry.response_headers)), wire)

    @cached_property
    def complete(self) -> bool | None:
        """Whether the whole answer was sent, with the event that ends it; `None` if that is unknown."""
        entry = self.entry
        if entry.status is None or self.refused or entry.outcome == "pending":
            return False
        if self._context is not None:
            return self._context.ending < len(self._context.events)
        if entry.outcome in _CUT or {fault.partition("@")[0] for fault in entry.faults} & _NO_END:
            return False
        return None

    @property
    def truncated(self) -> bool:
        """Whether the provider ended the response to a stream before the event that ends the answer."""
        entry = self.entry
        return (
            entry.status == 200
            and entry.started is not None
            and self.complete is False
            and (entry.outcome == "complete" or entry.outcome in _CUT)
            and not self._response_header("content-length")
        )

    @cached_property
    def error_event(self) -> bool:
        """Whether an event of its stream reports an error, before the answer is complete or as its end."""
        context = self._context
        if context is None:
            faults = (fault.partition("@")[0] for fault in self.entry.faults)
            return self.entry.status == 200 and "in_band_error" in faults
        if any(map(_is_error, context.documents[: context.ending + 1])):
            return True
        return self.complete is False and b":exception-type" in (self.body or b"")

    @property
    def broken(self) -> bool:
        """Whether its stream was truncated, or had an error event."""
        return self.truncated or (self.error_event and not self.refused)

    @property
    def nothing_sent(self) -> bool:
        """Whether it was answered with an error, or not at all."""
        return self.refused or (self.entry.outcome in _CUT and self.entry.started is None)

    @property
    def failure(self) -> str:
        """How its response failed, in words."""
        entry = self.entry
        if self.refused:
            return f"request {self.number} was answered with {entry.status}"
        if self.nothing_sent:
            return f"request {self.number} was cut off before the first byte"
        what = "had an error event" if self.error_event else "ended without its terminal event"
        return f"the stream of request {self.number} {what} after {entry.frames_sent} frames"

    @cached_property
    def text(self) -> str | None:
        """All text of the response that was sent, reasoning and arguments included; `None` if it is unknown."""
        return None if self.body is None else text_in(self.body)

    @cached_property
    def turns(self) -> Sequence[Turn]:
        """The conversation of the request, without the system's messages."""
        body = self.entry.body
        turns = read_turns(body) if isinstance(body, Mapping) else ()
        return [turn for turn in turns if turn.role != "system"]

    @cached_property
    def prefixes(self) -> Sequence[int]:
        """A hash of each beginning of the conversation, the whole last."""
        found, value = list[int](), 0
        for turn in self.turns:
            value = hash((value, repr(turn)))
            found.append(value)
        return found

    @cached_property
    def references(self) -> Sequence[str]:
        """The ids by which the request names responses, or items of them, that came before (Responses)."""
        body = self.entry.body
        if not isinstance(body, Mapping):
            return ()
        items: Any = body.get("input")
        given = [body.get("previous_response_id")]
        given += [
            item.get("id")
            for item in (items if isinstance(items, list) else ())
            if isinstance(item, Mapping) and item.get("type") == "item_reference"
        ]
        return [one for one in given if isinstance(one, str) and one]

    def _response_header(self, name: str) -> str:
        return next((value for key, value in self.entry.response_headers if key.lower() == name), "")


def _breaks(fault: str) -> bool:
    try:
        return parse_fault(fault).breaks
    except FaultError:  # a fault of another server's own
        return True


def _is_error(document: Any) -> bool:
    return isinstance(document, dict) and (bool(document.get("error")) or document.get("type") in _ERROR_TYPES)
