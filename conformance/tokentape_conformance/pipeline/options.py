"""Options of the pipeline suite: those of an app, and what a gateway and an app's reports of errors need."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tokentape_conformance.app_target import AppOptions

CAPABILITIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "text": "the output is text, server-sent events or lines of JSON, from which the response's text can be read",
        "bare_text": "the output has nothing before or after the response's text",
        "flushing": "tokens are forwarded as they arrive",
        "http": "the target answers by HTTP, ASGI or WSGI, and so has headers",
        "proxy_headers": "the response instructs proxies not to buffer it",
        "leaving": "the target notices that its reader left",
        "readers": "the target serves more than one reader at once",
        "errors": "errors are reported to the reader",
        "tools": "the app offers tools to the model, runs them, and streams the follow-up",
        "rejoin": "a reader may come back to a response, with `Last-Event-ID`; `--rejoin` is where",
        "expiry": "a response is kept for `--kept` seconds after its end, which the suite may wait for",
        "restart": "a command serves the target, which can be restarted",
        "relay": "the output is the provider's own wire format",
    }
)
"""What cases need of a target. A target is assumed to have all but those that it visibly lacks (`Pipeline.lack`)."""


class PipelineOptions(AppOptions, frozen=True, forbid_unknown_fields=True):
    """Those of `AppOptions`, and five more.

    `through` means a gateway: the suite itself sends a provider's request, for `model`. `rejoin` is the path or URL at
    which a reader comes back; `{id}` in it and in the request is the id of the response. `kept` is how many s after its
    end a response is kept, at most. `reported_by` is that of `FlushOptions`.
    """

    through: bool = False
    rejoin: str = ""
    kept: float | None = None
    model: str = "tokentape"
    reported_by: str = ""
