"""A recorded request and the tape of its response."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.sessions.matching.placeholders import Values
from tokentape_fake_provider.tape import Tape
from tokentape_fake_provider.wires import endpoint_for_path, named_in_path

WEBSOCKET: Final = "WEBSOCKET"
"""The method of a recorded handshake, which no request of HTTP has."""


class Recording(msgspec.Struct, frozen=True):
    """A recorded response, and the request that it answers.

    `body` is the request's JSON value, its bytes if it was not JSON, or `None` without a body. `wire` is the name of
    its wire format or endpoint; where there is none, only requests with the same path match. `source` (a file) and
    `interaction` (its number in the file, from 0) are for messages only.

    With a `prompt`, all the text of the messages, the recording answers any request with that text: so recordings of
    one provider answer for another. If it has a `script`, that is encoded for the request in place of the tape.

    `read` reads the whole recording, whose tape stays on the disk until it is needed; it raises
    `UnreadableRecordingError`. `fill` gives the tape with a request's own values in place of its placeholders.
    """

    tape: Tape
    path: str
    body: Any = None
    method: str = "POST"
    wire: str | None = None
    source: str = ""
    interaction: int | None = None
    prompt: str | None = None
    script: Script | None = None
    read: Callable[[], Recording] | None = None
    fill: Callable[[Values], Tape] | None = None

    def __post_init__(self) -> None:
        if self.wire is None and (endpoint := endpoint_for_path(self.path)) is not None:
            msgspec.structs.force_setattr(self, "wire", endpoint.name)

    @property
    def label(self) -> str:
        """Where the recording comes from, for messages."""
        place = self.source or f"a recording of {self.method} {self.path}"
        return place if self.interaction is None else f"{place}, interaction {self.interaction}"

    def opened(self) -> Recording:
        """This recording with its tape. Raises `UnreadableRecordingError`."""
        if self.read is None:
            return self
        whole = self.read()
        return msgspec.structs.replace(self, tape=whole.tape, fill=whole.fill, read=None)

    @property
    def model(self) -> str | None:
        """The requested model, if the body or the path names one."""
        return requested_model(self.wire, self.path, self.body)


def requested_model(wire: str | None, path: str, body: Any) -> str | None:
    """The model that a request names in its body or its path."""
    model = body.get("model") if isinstance(body, dict) else None
    if isinstance(model, str):
        return model
    named = named_in_path(wire, path)
    # The ARN of an inference profile has two path segments.
    return "/".join(named[name] for name in ("arn", "model") if name in named) or None
