"""Options of the telemetry suite: those of an app, where it exports to, and whether it records content."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from tokentape_conformance.app_target import AppOptions

QUIET: Final = 0.3
"""Longer than the intervals of the exporters that the suite sets (s)."""
QUIET_OF_A_RUNNING_APP: Final = 1.0
CAPABILITIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "metrics": "the app exports metrics of model calls",
        "readers": "the target serves more than one reader at once",
        "leaving": "the target notices that its reader left",
        "tools": "the app offers tools to the model, runs them, and streams the follow-up",
        "content_on": "the app records prompts and responses, as `--content on` sets it",
        "content_off": "the app records neither, as `--content off` sets it",
    }
)
"""What cases need of a target. A target is assumed to have all but those that it visibly lacks."""


class TelemetryOptions(AppOptions, frozen=True, forbid_unknown_fields=True):
    """Those of `AppOptions`, and four more.

    `content` is whether the app is set to record prompts and responses. `otlp_port` is the port of the receiver.
    `delay` is how long telemetry may take to arrive after a response, `quiet` how long nothing more must arrive until
    it counts as complete, both in s; by default `quiet` is longer than the exporters' intervals where the suite sets
    these, and 1 s for a running app.
    """

    content: Literal["on", "off"] = "off"
    otlp_port: int | None = None
    delay: float = 3.0
    quiet: float | None = None


def environment(url: str, content: Literal["on", "off"], own: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables for exporters, which send to `url` soon, and for instrumentations, which record content or not.

    `own` is the environment of the app, which may choose the latest conventions.
    """
    on, latest = content == "on", "gen_ai_latest_experimental" in own.get("OTEL_SEMCONV_STABILITY_OPT_IN", "")
    modes = ("NO_CONTENT", "SPAN_ONLY") if latest else ("false", "true")
    hidden = "false" if on else "true"
    return {
        "OTEL_SDK_DISABLED": "false",
        "OTEL_TRACES_SAMPLER": "always_on",
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        **{
            f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT": f"{url}/v1/{signal.lower()}"
            for signal in ("TRACES", "METRICS", "LOGS")
        },
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_HEADERS": "",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_BLRP_SCHEDULE_DELAY": "100",
        "OTEL_METRIC_EXPORT_INTERVAL": "200",
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": modes[on],
        "TRACELOOP_BASE_URL": url,
        "TRACELOOP_TELEMETRY": "false",
        "TRACELOOP_TRACE_CONTENT": "true" if on else "false",
        "OPENINFERENCE_HIDE_INPUTS": hidden,
        "OPENINFERENCE_HIDE_OUTPUTS": hidden,
        "LOGFIRE_SEND_TO_LOGFIRE": "false",
        "LANGFUSE_BASE_URL": url,
        "LANGFUSE_HOST": url,
        "LANGFUSE_PUBLIC_KEY": "pk-lf-tokentape",
        "LANGFUSE_SECRET_KEY": "sk-lf-tokentape",
        "LANGFUSE_FLUSH_INTERVAL": "0.1",
    }
