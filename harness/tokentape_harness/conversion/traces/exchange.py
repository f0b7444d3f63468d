"""Exchange: one request to a model and its answer, as far as a trace holds them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from tokentape_fake_provider.script.model import Choice, Usage
from tokentape_harness.cassettes.model import Interaction


class TracedExchange(msgspec.Struct, frozen=True, kw_only=True):
    """A request and its answer in a trace; each reader gives these.

    `request` has the fields of a request body, in the words of any provider; with `exact` it is the body that was sent.
    `choices` are what was generated. `provider` and `wire` are empty where the trace doesn't say; `api` is its word for
    the provider's endpoint. `streamed` is `None` where it doesn't say. Times are in ms since `started`. `error` is the
    provider's message for a failed request, with its `status` if that is known. `recorded` is the whole exchange where
    the trace has its bodies. `missing` is what the trace should hold and does not, a sentence each.
    """

    place: str
    request: Mapping[str, Any] = {}
    exact: bool = False
    choices: tuple[Choice, ...] = ()
    usage: Usage | None = None
    provider: str = ""
    wire: str = ""
    host: str = ""
    model: str = ""
    streamed: bool | None = None
    started: datetime | None = None
    first_ms: float | None = None
    total_ms: float | None = None
    error: str = ""
    status: int | None = None
    recorded: Interaction | None = None
    missing: tuple[str, ...] = ()
