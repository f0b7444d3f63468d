"""The route that reports the server's metrics, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request
from starlette.responses import Response

from tokentape_fake_provider.control.api import METRICS_PATH, Api, Routes
from tokentape_fake_provider.control.operation import operation
from tokentape_fake_provider.control.responses import Refused
from tokentape_fake_provider.errors import MissingExtraError, extra_needed
from tokentape_fake_provider.metrics.metrics import Metrics

if TYPE_CHECKING:
    from prometheus_client import Metric


@operation(media="text/plain")
async def metrics(api: Api, request: Request) -> Response:
    """Show the server's metrics, in the text format of Prometheus."""
    try:
        with extra_needed("metrics", "GET /metrics"):
            from prometheus_client import CollectorRegistry
            from prometheus_client.exposition import choose_encoder
    except MissingExtraError as error:
        what, _, how = str(error).partition(": ")
        raise Refused(501, what, how) from None
    registry = CollectorRegistry()
    registry.register(_Collector(api.config.metrics, sum(session.journal.in_flight for session in api.config.sessions)))
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(registry), headers={"content-type": content_type})


class _Collector:
    """Gives prometheus-client the metrics at this moment."""

    def __init__(self, metrics: Metrics, open_responses: int) -> None:
        self._metrics = metrics
        self._open = open_responses

    def collect(self) -> Iterator[Metric]:
        """Return each metric with its samples; times are in s."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        found, families = self._metrics, []
        with found.lock:
            requests = CounterMetricFamily(
                "tokentape_requests",
                "Requests whose response has ended, by what answered them.",
                labels=("wire", "status", "source", "outcome"),
            )
            for kind, count in found.requests.items():
                requests.add_metric(kind, count)
            faults = CounterMetricFamily("tokentape_faults", "Faults that were applied.", labels=("fault",))
            for fault, count in found.faults.items():
                faults.add_metric((fault,), count)
            frames = CounterMetricFamily("tokentape_frames", "Frames of bodies that were sent.", labels=("wire",))
            for wire, count in found.frames.items():
                frames.add_metric((wire,), count)
            for name, attribute, text in _HISTOGRAMS:
                family: Any = HistogramMetricFamily(f"tokentape_{name}_seconds", text, labels=("wire",))
                for wire, times in found.times.items():
                    histogram = getattr(times, attribute)
                    bounds = [*(str(bound / 1000) for bound in histogram.bounds), "+Inf"]
                    buckets = list(zip(bounds, accumulate(histogram.counts), strict=True))
                    family.add_metric((wire,), buckets, histogram.total / 1000)
                families.append(family)
        yield from (requests, faults, frames, *families)
        yield GaugeMetricFamily("tokentape_open_responses", "Responses that are being sent.", value=self._open)


_HISTOGRAMS: Final = (
    ("time_to_first_token", "to_first_token", "From a request to the first frame of its stream."),
    ("inter_token_latency", "between_tokens", "Between two frames of a paced stream."),
    ("lateness", "lateness", "From the time at which a frame of a paced stream was due until it was sent."),
)

ROUTES: Routes = {METRICS_PATH: {"GET": metrics}}
