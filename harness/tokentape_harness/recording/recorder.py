"""Recorder: replays or records each request of an open cassette, and keeps recordings in the order of requests."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final

from vcr.cassette import Cassette
from vcr.errors import CannotOverwriteExistingCassetteException, UnhandledHTTPRequestError
from vcr.record_mode import RecordMode
from vcr.request import Request

from tokentape_fake_provider.sessions.matching.request_comparison import message_difference
from tokentape_fake_provider.sessions.variation import current_variation
from tokentape_fake_provider.tape import SWITCHING_PROTOCOLS, WebSocket
from tokentape_harness.cassettes.model import Response
from tokentape_harness.errors import CassetteWarning, HarnessError
from tokentape_harness.recording.body_matcher import BodyMatcher, Level, json_body
from tokentape_harness.recording.clock import RecordingClock
from tokentape_harness.recording.explanation import explained
from tokentape_harness.recording.own_request import OwnRequest
from tokentape_harness.recording.playback import Playback, response_of, vcr_response
from tokentape_harness.recording.redactor import Redactor
from tokentape_harness.recording.response_recorder import ResponseRecorder
from tokentape_harness.redaction.placeholders import (
    placeholders_of,
    with_response_placeholders,
    with_response_values,
)
from tokentape_harness.redaction.websocket_placeholders import (
    message_values,
    with_websocket_placeholders,
    with_websocket_values,
)

_NOT_IN_PROCESS: Final = "WebSockets are recorded and replayed by tokentape record, not in process"


class MismatchError(HarnessError, CannotOverwriteExistingCassetteException):  # type: ignore[misc]
    """No recording matches a request, and the record mode adds none: the nearest one, and the fields that differ."""

    def __init__(
        self,
        cassette: Cassette,
        failed_request: Request,
        nearest: str,
        advice: str,
        explain: Callable[[], list[str]] = list,
    ) -> None:
        CannotOverwriteExistingCassetteException.__init__(self, cassette=cassette, failed_request=failed_request)
        request = f"{failed_request.method} {failed_request.uri}"
        self.summary = nearest or f"No recording for {request}" + ("" if len(cassette) else ", nor for anything else")
        """The first line, without the advice."""
        self.explain = explain
        """Returns a line for each field that differs from the nearest recording, with the flag that would help."""
        self.args = (f"{self.summary} ({advice})\n\n{self.args[0]}",)


class Recorder:
    """Replays requests from a cassette of vcrpy, or records them into it, in the order in which they were sent.

    It may be used from any thread.
    """

    def __init__(
        self,
        cassette: Cassette,
        *,
        redactor: Redactor,
        clock: RecordingClock,
        speed: float | None = None,
        allow_truncated: bool = False,
        body_matcher: BodyMatcher,
        matches_bodies: bool = True,
        lifetime: timedelta | None = None,
        advice: str = "",
    ) -> None:
        self.cassette = cassette
        self._redactor = redactor
        self.clock = clock
        self.speed = speed
        self._allow_truncated = allow_truncated
        self._body_matcher = body_matcher
        self._lifetime = lifetime
        self._matches_bodies = matches_bodies
        self._advice = advice
        self._lock = threading.RLock()
        self._pending: list[ResponseRecorder] = []
        self._next_seq = len(cassette)
        self._sealed = False

    def answer(self, request: Request) -> Playback | ResponseRecorder | None:
        """A playback; or a recorder to fill from the real response; or `None` for a request to pass through.

        Raises `MismatchError` if no recording matches and the record mode adds none.
        """
        if _begins_websocket(request):
            self._pass_on(request)
            return None
        with self._lock:
            own = OwnRequest(request, self._body_matcher.normaliser, self._redactor.rules)
            played = self._played(own)
            if played is not None:
                source = f"{self.cassette.path}: {request.method} {self._shown(request)}"
                response = response_of(played, source)
                if placeholders_of(response):
                    response = with_response_values(response, own.values.all)
                playback = Playback(
                    response,
                    clock=self.clock,
                    speed=self.speed,
                    allow_truncated=self._allow_truncated,
                    source=source,
                )
                if (vary := current_variation()) is not None:
                    playback.vary(vary, own.recorded)
                return playback
            return self.record(request)

    def record(self, request: Request) -> ResponseRecorder | None:
        """A recorder to fill from the real response; `None` for a request to pass through.

        Raises `MismatchError` if the record mode adds none.
        """
        with self._lock:
            filtered = self.cassette.filter_request(request)
            if not filtered or self._sealed:
                return None
            own = OwnRequest(request, self._body_matcher.normaliser, self._redactor.rules)
            if self.cassette.write_protected:
                filtered = self.cassette.filter_request(own.recorded)
                nearest, explain = self._nearest(filtered)
                raise MismatchError(self.cassette, filtered, nearest, self._advice, explain)
            recording = ResponseRecorder(own, self._next_seq, self.clock, self._finished, self._lifetime)
            self._next_seq += 1
            self._pending.append(recording)
            return recording

    def websockets(self, request: Request) -> dict[int, Response]:
        """The recorded responses to this handshake that were not played, by number. Raises `CassetteError`."""
        with self._lock:
            if not self.cassette.can_play_response_for(request):
                return {}
            alike = {id(response) for response in self.cassette.responses_of(request)}
            source, cassette = f"{self.cassette.path}: {self._shown(request)}", self.cassette
            found = {
                number: response_of(response, source)
                for number, response in enumerate(cassette.responses)
                if id(response) in alike and not cassette.play_counts[number]
            }
            # A file of plain vcrpy can have a handshake without what followed.
            return {n: one for n, one in found.items() if one.status != SWITCHING_PROTOCOLS or one.stream is not None}

    def take_websocket(self, number: int) -> bool:
        """Count a recording as played, unless it was."""
        with self._lock:
            free = not self.cassette.play_counts[number]
            self.cassette.play_counts[number] = 1
            return free

    def message_difference(self, request: Request, recorded: str | bytes, messages: Sequence[str | bytes]) -> str:
        """How the last message of a client differs from the recorded one; empty if it does not. `request` began it."""
        received = self._redactor.message(request, messages[-1])
        return message_difference(recorded, received, self._body_matcher.normaliser, messages)

    def fitted_websocket(self, response: Response, messages: Sequence[str | bytes]) -> Response:
        """A recorded response with the values of a client that has sent these messages."""
        if not placeholders_of(response):
            return response
        return with_websocket_values(response, message_values(messages, self._body_matcher.normaliser).all)

    def save(self) -> None:
        """Write the recordings that have ended, if there are new ones. Raises `CassetteWriteError`."""
        with self._lock:
            self.cassette._save()

    def seal(self) -> None:
        """End the recordings that are still open, before the cassette is saved."""
        with self._lock:
            self._sealed = True
            for recording in list(self._pending):
                if not recording.has_head:
                    recording.abandon()
                else:
                    recording.left_open()

    def _pass_on(self, request: Request) -> None:
        """Let a WebSocket of a client in this process pass, with a warning; where nothing may be sent, refuse it."""
        filtered = self.cassette.filter_request(request)
        if filtered and self.cassette.write_protected:
            raise MismatchError(self.cassette, filtered, f"{filtered.uri} is a WebSocket", _NOT_IN_PROCESS)
        uri = filtered.uri if filtered else "the WebSocket"
        warnings.warn(f"{self.cassette.path}: {uri} is not recorded: {_NOT_IN_PROCESS}", CassetteWarning, stacklevel=2)

    def _played(self, own: OwnRequest) -> dict[str, Any] | None:
        cassette = self.cassette
        if cassette.record_mode == RecordMode.ALL or not (cassette.rewound or cassette.allow_playback_repeats):
            return None  # vcrpy comes to this only after a search
        if not self._matches_bodies:
            return self._play(own.sent)
        for level in self._body_matcher.levels:  # the strictest first
            with self._body_matcher.searching(level):
                # As it was sent first: a cassette may hold no placeholders.
                played = None if level is Level.NORMAL else self._play(own.sent)
                if played is None and (level is Level.NORMAL or own.recorded is not own.sent):
                    played = self._play(own.recorded)
            if played is not None:
                return played
        return None

    def _play(self, request: Request) -> dict[str, Any] | None:
        if not self.cassette.filter_request(request):
            return None
        try:  # without `can_play_response_for`, which searches as well
            played: dict[str, Any] = self.cassette.play_response(request)
        except UnhandledHTTPRequestError:
            return None
        return played

    def _finished(self) -> None:
        """Add the finished recordings to the cassette, up to the first that is still open."""
        with self._lock:
            while self._pending and self._pending[0].stream_end is not None:
                first = self._pending.pop(0)
                if not first.abandoned:
                    own, response = first.request, first.response()
                    if response.stream is not None and response.stream.websocket is not None:
                        own = self._own_websocket(own.sent, response.stream.websocket)
                        response = with_websocket_placeholders(response, self._body_matcher.normaliser)
                    else:
                        response = with_response_placeholders(response, own.values.all)
                    response = self._redactor.response(own.recorded, response)
                    self.cassette.append(own.recorded, vcr_response(response))

    def _own_websocket(self, request: Request, websocket: WebSocket) -> OwnRequest:
        messages = [frame.data for frame in websocket.frames if frame.sender == "client"]
        return OwnRequest(request, self._body_matcher.normaliser, self._redactor.rules, messages)

    def _shown(self, request: Request) -> str:
        filtered = self.cassette.filter_request(request)
        return str(filtered.uri) if filtered else ""

    def _nearest(self, request: Request) -> tuple[str, Callable[[], list[str]]]:
        """The recorded request that differs least, with the matchers and the body fields in which it differs.

        And a function that returns a line for each of these fields.
        """
        similar = self.cassette.find_requests_with_most_matches(request)
        if not similar:
            return "", list
        if not similar[0][2]:
            return f"Played already: every recording that answers {request.method} {request.uri}", list
        nearest, _, failed = min(similar, key=lambda found: self._body_matcher.distance(request, found[0]))
        number = next((index for index, stored in enumerate(self.cassette.requests) if stored is nearest), None)
        reasons = "; ".join(f"{name}: {message}" if message else str(name) for name, message in failed)
        summary = f"Nearest recording: interaction {number} ({nearest.method} {nearest.uri}), where {reasons}"
        bodies = json_body(nearest), json_body(request)
        return summary, partial(explained, *bodies, self._body_matcher.normaliser)


def _begins_websocket(request: Request) -> bool:
    return str(request.headers.get("upgrade", "")).lower() == "websocket"
