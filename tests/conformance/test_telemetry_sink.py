"""The OTLP receiver of the telemetry suite, and what is read of its exports."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tokentape_conformance.telemetry.cases.content import position
from tokentape_conformance.telemetry.received import Received, is_cumulative, is_new
from tokentape_conformance.telemetry.sink import Export, Sink
from tokentape_harness.conversion.traces.dialects import error_type, first_chunk, read
from tokentape_harness.conversion.traces.span import Event, Span
from tokentape_harness.conversion.traces.values import moment
from tokentape_harness.errors import UsageError

NOW = 1_800_000_000.0


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A receiver on a free port."""
    running = Sink()
    yield running
    running.close()


def post(url: str, body: bytes, **headers: str) -> int:
    """The status of a POST."""
    request = urllib.request.Request(url, body, {name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def span(name: str = "chat m", **attributes: str) -> dict[str, Any]:
    """A span of a model call as OTLP JSON."""
    attributes = {"gen_ai.operation.name": "chat", **attributes}
    pairs = [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]
    start = str(int((NOW + 1) * 1e9))
    return {"traceId": "ab" * 16, "spanId": "cd" * 8, "name": name, "startTimeUnixNano": start, "attributes": pairs}


def traces(*spans: dict[str, Any]) -> dict[str, Any]:
    """An export of spans."""
    return {"resourceSpans": [{"scopeSpans": [{"scope": {"name": "lib"}, "spans": list(spans)}]}]}


def test_json_and_compressed_protobuf_are_the_same(sink: Sink) -> None:
    """A span that is sent as JSON and one that is sent as compressed protobuf are read alike, ids in hexadecimal."""
    from google.protobuf.json_format import ParseDict
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    fields = traces(span())
    binary = traces({**span(), "traceId": "q" * 22 + "==", "spanId": "zc3Nzc3Nzc0="})
    assert post(f"{sink.url}/v1/traces", json.dumps(fields).encode(), content_type="application/json") == 200
    message = ParseDict(binary, ExportTraceServiceRequest()).SerializeToString()
    headers = {"content_type": "application/x-protobuf", "content_encoding": "gzip"}
    assert post(f"{sink.url}/api/public/otel/v1/traces", gzip.compress(message), **headers) == 200
    spans = Received(sink.exports(), (), NOW).model_spans
    assert [(one.name, one.id, one.scope) for one in spans] == [("chat m", "cd" * 8, "lib")] * 2
    assert sink.wait(lambda exports: len(exports) == 2, 5.0)


def test_an_export_that_is_not_understood(sink: Sink) -> None:
    """It is refused with status 400, and the receiver says why; nothing is kept of it."""
    assert post(f"{sink.url}/v1/traces", b'{"a": [1', content_type="application/json") == 400
    assert sink.refused.startswith("an export of traces (application/json): DecodeError: ")
    assert post(f"{sink.url}/v1/metrics", b"\xff", content_type="application/x-protobuf") == 400
    assert sink.exports() == []


def test_no_header_of_an_export_is_kept(sink: Sink) -> None:
    """An exporter's key is in no export."""
    body = json.dumps(traces(span())).encode()
    post(f"{sink.url}/v1/traces", body, content_type="application/json", authorization="Basic c2VjcmV0")
    assert "c2VjcmV0" not in repr(sink.exports())


def test_a_port_that_is_taken(sink: Sink) -> None:
    """It is a usage error that names the address."""
    port = int(sink.url.rpartition(":")[2])
    with pytest.raises(UsageError, match=f"the OTLP receiver can't listen on 127.0.0.1:{port}"):
        Sink(port)


def sent(sink: Sink, data: bytes) -> None:
    """Send bytes, and read until the receiver closes."""
    with socket.create_connection(("127.0.0.1", int(sink.url.rpartition(":")[2])), timeout=10) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while connection.recv(4096):
                pass


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "an export by gRPC (HTTP/2), which is not received: set OTEL_EXPORTER_OTLP",
        ),
        (
            b"\x16\x03\x01\x02\x00\x01\n",
            "an export over TLS, which is not received: set an endpoint that begins with http:",
        ),
        (
            b"POST /v1/traces HTTP/1.1\r\ncontent-length: 64000001\r\n\r\n",
            "it is larger than 64,000,000 bytes: export small",
        ),
        (b"POST /v1/traces HTTP/1.1\r\ncontent-length: -1\r\n\r\n", "an export to /v1/traces: its size is -1"),
        (
            b"POST /v1/logs HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3d09001\r\n",
            "it is larger than 64,000,000 bytes",
        ),
        (
            b"POST /?key=k HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
            "a POST to /, which is not /v1/traces, /v1/metrics",
        ),
    ],
)
def test_what_is_no_export(sink: Sink, data: bytes, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The receiver says what arrived instead and the remedy; nothing is printed, and no key of a URL is kept."""
    sent(sink, data)
    assert reason in sink.refused
    assert "key" not in sink.refused
    assert (sink.exports(), capsys.readouterr().err) == ([], "")
    assert post(f"{sink.url}/v1/traces", json.dumps(traces(span())).encode(), content_type="application/json") == 200


@pytest.mark.parametrize(
    ("body", "encoding", "reason"),
    [
        (gzip.compress(bytes(64_000_001), 1), "gzip", "larger than 64,000,000 bytes"),
        (gzip.compress(b"{}")[:-4], "gzip", "its gzip is cut off"),
        (b"{}", "br", "the content encoding br is not supported: use gzip or none"),
        (b'{"resourceSpans": 1}', "", "ParseError"),
        (b'{"resourceSpans": [{"scopeSpans": [7]}]}', "", "ParseError"),
        (b"[]", "", "Expected `object`, got `array`"),
    ],
    ids=["bomb", "cut-off", "encoding", "no-list", "no-object", "list"],
)
def test_a_body_that_is_no_export(sink: Sink, body: bytes, encoding: str, reason: str) -> None:
    """An export that is too large, in an unknown encoding or of another shape is refused, with the reason."""
    assert post(f"{sink.url}/v1/traces", body, content_type="application/json", content_encoding=encoding) == 400
    assert reason in sink.refused
    assert sink.exports() == []


def test_a_large_batch(sink: Sink) -> None:
    """A batch of 500 spans with text beyond ASCII arrives whole."""
    body = json.dumps(traces(*[span(f"chat {number} 海🌊", answer="ü" * 50) for number in range(500)])).encode()
    headers = {"content_type": "application/json", "content_encoding": "gzip"}
    assert post(f"{sink.url}/v1/traces", gzip.compress(body, 1), **headers) == 200
    spans = Received(sink.exports(), (), NOW).model_spans
    assert (len(spans), spans[-1].name) == (500, "chat 499 海🌊")


@pytest.mark.parametrize(
    "place",
    [
        'Wie "tief" ist das Südmeer? Bitte genau.',
        'WIE "TIEF" IST DAS SÜDMEER',
        'Wie "tief" ist das Südme...',
        json.dumps([{"content": 'Wie "tief" ist das Südmeer?'}]),
        json.dumps([{"content": 'Wie "tief" ist das Südmeer?'}], ensure_ascii=False),
        json.dumps({"input": json.dumps([{"content": 'Wie "tief" ist das Südmeer?'}])}),
        str([{"content": 'Wie "tief" ist das Südmeer?'}]),
    ],
    ids=["plain", "case", "cut", "escaped", "json", "json-in-json", "repr"],
)
def test_content_is_found_in_every_form(place: str) -> None:
    """A prompt is found whole or cut, in JSON with and without escapes, and in JSON inside JSON."""
    assert position(['Wie "tief" ist das Südmeer? Bitte genau.'], f"chat {place}") >= 0
    assert position(['Wie "tief" ist das Nordmeer? Bitte genau.'], f"chat {place}") == -1


def metrics(temporality: str, count: int, total: float, **attributes: str) -> Export:
    """An export of the metric of durations."""
    pairs = [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]
    point = {"timeUnixNano": str(int(NOW * 1e9)), "count": str(count), "sum": total, "attributes": pairs}
    data = {"aggregationTemporality": temporality, "dataPoints": [point]}
    metric = {"name": "gen_ai.client.operation.duration", "histogram": data}
    return Export("metrics", NOW, {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]})


@pytest.mark.parametrize(
    ("temporality", "before", "after"),
    [
        ("AGGREGATION_TEMPORALITY_CUMULATIVE", [(2, 3.0)], [(3, 4.0), (4, 5.5)]),
        ("AGGREGATION_TEMPORALITY_DELTA", [(2, 3.0)], [(1, 1.0), (1, 1.5)]),
    ],
)
def test_metrics_are_what_changed(
    temporality: str, before: list[tuple[int, float]], after: list[tuple[int, float]]
) -> None:
    """Of cumulative metrics and of differences (delta) the same is counted: what came since the response began."""
    earlier = [metrics(temporality, *values, model="a") for values in before]
    later = [metrics(temporality, *values, model="a") for values in after]
    later.append(metrics(temporality, 1, 0.5, model="b"))
    points = Received(later, earlier, NOW).points
    assert sorted((point.attributes["model"], point.values, point.sum) for _, point in points) == [
        ("a", 2.0, 2.5),
        ("b", 1.0, 0.5),
    ]


def test_which_exports_are_waited_for() -> None:
    """Metrics that repeat at each interval are waited for once; until nothing new arrives counts everything else."""
    cumulative, delta = (metrics(f"AGGREGATION_TEMPORALITY_{kind}", 1, 1.0) for kind in ("CUMULATIVE", "DELTA"))
    gauge = Export("metrics", NOW, {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "g", "gauge": {}}]}]}]})
    exports = (cumulative, delta, gauge, Export("traces", NOW, traces(span())))
    assert [is_new(export) for export in exports] == [False, True, False, True]
    assert [is_cumulative(export) for export in exports] == [True, False, False, False]


def test_a_span_of_an_earlier_response_is_left_out() -> None:
    """A span that began before the response, and arrives late, is not counted."""
    early = {**span(), "startTimeUnixNano": str(int((NOW - 1) * 1e9))}
    assert len(Received([Export("traces", NOW, traces(early, span()))], (), NOW).model_spans) == 1


@pytest.mark.parametrize(
    ("attributes", "field", "value", "convention"),
    [
        ({"gen_ai.usage.input_tokens": 7}, "input_tokens", 7, "OpenTelemetry"),
        ({"gen_ai.usage.prompt_tokens": 7}, "input_tokens", 7, "OpenTelemetry before 1.27"),
        ({"gen_ai.system": "openai"}, "provider", "openai", "OpenTelemetry before 1.37"),
        ({"llm.usage.prompt_tokens": 7}, "input_tokens", 7, "OpenLLMetry"),
        ({"llm.usage.total_tokens": 9}, "total_tokens", 9, "OpenLLMetry"),
        ({"llm.request.model": "m"}, "request_model", "m", "OpenLLMetry"),
        ({"llm.token_count.prompt": 7}, "input_tokens", 7, "OpenInference"),
        ({"llm.invocation_parameters": '{"model": "m"}'}, "request_model", "m", "OpenInference"),
        (
            {"gen_ai.usage.raw": '{"completion_tokens_details": {"reasoning_tokens": 3}}'},
            "reasoning_tokens",
            3,
            "Logfire",
        ),
        ({"langfuse.observation.usage_details": '{"prompt_tokens": 0}'}, "input_tokens", 0, "Langfuse"),
        ({"anthropic.message.stop_reason": "end_turn"}, "finish_reason", "end_turn", "Anthropic SDK"),
    ],
)
def test_each_convention_is_recognised(attributes: dict[str, Any], field: str, value: Any, convention: str) -> None:
    """A fact is read by the name of any convention, which is reported with it; 0 is a value."""
    reported = read(attributes, field)
    assert reported is not None
    assert (reported.value, reported.convention) == (value, convention)


def test_the_first_chunk_and_the_type_of_an_error() -> None:
    """Both are read from attributes, and from events where the convention has events."""
    start, later = moment(NOW), moment(NOW + 0.5)
    event, raised = Event("First Token Stream Event", later, {}), Event("exception", later, {"exception.type": "E"})
    by_event = first_chunk(Span("", "", start, None, {}, (event,)))
    by_time = first_chunk(
        Span("", "", start, None, {"langfuse.observation.completion_start_time": '"2027-01-15T08:00:00.500Z"'})
    )
    assert by_event is not None
    assert by_time is not None
    assert (by_event.value, by_event.convention, by_time.value) == (0.5, "OpenInference", 0.5)
    assert first_chunk(Span("", "", start, None, {})) is None
    found = error_type(Span("", "", start, None, {}, (raised,)))
    assert found is not None
    assert found.value == "E"
