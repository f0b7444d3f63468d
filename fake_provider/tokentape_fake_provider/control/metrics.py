"""The route that reports the server's metrics, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request
from starlette.responses import Response

from tokentape_fake_provider.control.api import METRICS_PATH, Api, Routes
from tokentape_fake_provider.control.operation import operation
from tokentape_fake_provider.control.responses import Refused
from tokentape_fake_provider.errors import MissingExtraError, extra_needed
from tokentape_fake_provider.playback.metrics.metrics import (
    BETWEEN,
    BOUNDS,
    FAULTS,
    FRAMES,
    LATENESS,
    OPEN,
    REQUESTS,
    TO_FIRST,
)
from tokentape_fake_provider.playback.metrics.numbers import Name

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
    registry.register(_Collector(api.config.metrics.totals()))
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(registry), headers={"content-type": content_type})


class _Collector:
    """Gives prometheus-client these totals."""

    def __init__(self, totals: Mapping[Name, Sequence[float]]) -> None:
        self._totals = totals

    def collect(self) -> Iterator[Metric]:
        """Return each metric with its samples; times are in s."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        for kind, text, labels in _COUNTERS:
            counter = CounterMetricFamily(f"tokentape_{kind}", text, labels=labels)
            for values, (count,) in self._of(kind):
                counter.add_metric(values, count)
            yield counter
        for name, kind, text in _HISTOGRAMS:
            histogram: Any = HistogramMetricFamily(f"tokentape_{name}_seconds", text, labels=("wire",))
            bounds = [*(str(bound / 1000) for bound in BOUNDS[kind]), "+Inf"]
            for values, (*counts, total) in self._of(kind):
                histogram.add_metric(values, list(zip(bounds, accumulate(counts), strict=True)), total / 1000)
            yield histogram
        is_open = self._totals[(OPEN,)][0]
        yield GaugeMetricFamily("tokentape_open_responses", "Responses that are being sent.", value=is_open)

    def _of(self, kind: str) -> list[tuple[Name, Sequence[float]]]:
        """The labels and the numbers of each group of a kind."""
        return [(name[1:], numbers) for name, numbers in self._totals.items() if name[0] == kind]


_COUNTERS: Final = (
    (REQUESTS, "Requests whose response has ended, by what answered them.", ("wire", "status", "source", "outcome")),
    (FAULTS, "Faults that were applied.", ("fault",)),
    (FRAMES, "Frames of bodies that were sent.", ("wire",)),
)
_HISTOGRAMS: Final = (
    ("time_to_first_token", TO_FIRST, "From a request to the first frame of its stream."),
    ("inter_token_latency", BETWEEN, "Between two frames of a paced stream."),
    ("lateness", LATENESS, "From the time at which a frame of a paced stream was due until it was sent."),
)

ROUTES: Routes = {METRICS_PATH: {"GET": metrics}}
