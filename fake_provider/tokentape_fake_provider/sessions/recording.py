"""Recording: a request that was made once, and the tape of its response."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.tape import Tape
from tokentape_fake_provider.wires import named_in_path


class Recording(msgspec.Struct, frozen=True):
    """What answers a request that is like this one.

    `body` is the request's JSON value, or its bytes where it was not JSON, or `None` for none. `wire` is the
    name of its wire format, `None` where it has none (then the path must be the same to match). `source` (a
    file) and `interaction` (its number in it, from 0) are for messages only.

    A recording that was made with another provider is matched by its `prompt`, all the text of the messages: what a
    client asks beside it says nothing then. Its `script` is encoded for the request, where it has one, in place of
    the tape.

    `read` reads the tape of one that was left on the disk until it is asked for; it raises
    `UnreadableRecordingError`.
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
    read: Callable[[], Tape] | None = None

    @property
    def label(self) -> str:
        """Where it comes from, for messages."""
        place = self.source or f"a recording of {self.method} {self.path}"
        return place if self.interaction is None else f"{place}, interaction {self.interaction}"

    def opened(self) -> Recording:
        """This recording with its tape. Raises `UnreadableRecordingError`."""
        return self if self.read is None else msgspec.structs.replace(self, tape=self.read(), read=None)

    @property
    def model(self) -> str | None:
        """The model that was asked for, where the body or the path names one."""
        model = self.body.get("model") if isinstance(self.body, dict) else None
        if isinstance(model, str):
            return model
        named = named_in_path(self.wire, self.path)
        # The ARN of an inference profile is in two segments.
        return "/".join(named[name] for name in ("arn", "model") if name in named) or None
