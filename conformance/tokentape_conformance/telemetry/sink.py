"""Sink: receives the telemetry of an app, OTLP over HTTP on loopback, as protobuf or JSON, and keeps it in memory.

Only bodies are kept: the headers of an export may have keys.
"""

from __future__ import annotations

import base64
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple

import msgspec

from tokentape_harness.errors import UsageError

# The port of OTLP over HTTP, for which an app that runs already is configured.
OTLP_PORT: Final = 4318
_MOST_BYTES: Final = 64_000_000
_TOO_LARGE: Final = f"it is larger than {_MOST_BYTES:,} bytes: export smaller batches"
# How requests begin that are not HTTP/1, what they are, and the remedy.
_OTHERS: Final = (
    (b"PRI * HTTP/2", "an export by gRPC (HTTP/2)", "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, or use its exporter"),
    (b"\x16\x03", "an export over TLS", "an endpoint that begins with http:"),
)
_IDS: Final = ("traceId", "spanId", "parentSpanId")
_SIGNALS: Final = ("traces", "metrics", "logs")


class Export(NamedTuple):
    """One export: its signal (`traces`, `metrics` or `logs`), when it was received (unix time in s), as OTLP JSON."""

    signal: str
    at: float
    fields: Mapping[str, Any]


class Sink:
    """An OTLP receiver on `port` of loopback (0 chooses a free one); `refused` says why an export was not understood.

    Raises `UsageError` if the port is taken, or if the extra for protobuf is missing.
    """

    def __init__(self, port: int = 0) -> None:
        self._decoders = _protobuf_decoders()
        self._changed = threading.Condition()
        self._exports: list[Export] = []
        self.refused = ""
        try:
            self._server = _Server(("127.0.0.1", port), _Handler)
        except OSError as error:
            raise UsageError(
                f"the OTLP receiver can't listen on 127.0.0.1:{port}: {error.strerror}; give --otlp-port another, and "
                "the app's exporter too"
            ) from None
        self._server.sink = self
        threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="tokentape-otlp-sink", daemon=True
        ).start()

    @property
    def url(self) -> str:
        """What `OTEL_EXPORTER_OTLP_ENDPOINT` must be."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def exports(self, since: int = 0) -> list[Export]:
        """What was received, from this number on."""
        with self._changed:
            return self._exports[since:]

    def wait(self, done: Callable[[list[Export]], bool], seconds: float, since: int = 0) -> bool:
        """Wait until `done` is true of the exports from this number on; whether it was in time."""
        with self._changed:
            return self._changed.wait_for(lambda: done(self._exports[since:]), seconds)

    def receive(self, signal: str, body: bytes, encoding: str, content_type: str) -> str:
        """Keep an export; returns why it can't be understood, else nothing."""
        try:
            plain = _decompressed(body, encoding)
            decode = self._decoders[signal]
            if "json" in content_type:
                fields = msgspec.json.decode(plain, type=dict[str, Any])
                decode.check(fields)
            else:
                fields = _hexadecimal_ids(decode.read(plain))
        except Exception as error:
            self.refused = (
                f"an export of {signal} ({content_type or 'without a type'}): {type(error).__name__}: {error}"
            )
            return self.refused
        with self._changed:
            self._exports.append(Export(signal, time.time(), fields))
            self._changed.notify_all()
        return ""

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    sink: Sink

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing of an exporter that is gone."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Receives exports under any prefix, as Langfuse's SDK has one; answers whatever else with an empty object."""

    protocol_version = "HTTP/1.1"
    server: _Server
    raw_requestline: bytes

    def parse_request(self) -> bool:
        """Note what is not a request of HTTP/1."""
        for start, what, instead in _OTHERS:
            if self.raw_requestline.startswith(start):
                self.server.sink.refused = f"{what}, which is not received: set {instead}"
                self.close_connection = True
                return False
        return super().parse_request()

    def do_POST(self) -> None:
        """Receive an export."""
        sink, kind = self.server.sink, self.headers.get("content-type", "")
        path = self.path.partition("?")[0]
        signal = path.rstrip("/").rpartition("/v1/")[2]
        try:
            body = b"".join(self._body())
        except ValueError as invalid:
            sink.refused = f"an export to {path}: {invalid}"
            self.close_connection = True
            self._answer(400, b"", "text/plain")
            return
        error = ""
        if signal in _SIGNALS:
            error = sink.receive(signal, body, self.headers.get("content-encoding", ""), kind)
        elif not sink.exports():
            sink.refused = f"a POST to {path}, which is not /v1/traces, /v1/metrics or /v1/logs"
        is_json = "json" in kind or signal not in _SIGNALS
        self._answer(400 if error else 200, b"{}" if is_json else b"", "application/json" if is_json else kind)

    def do_GET(self) -> None:
        """Answer what an SDK asks of its own service, such as whether its key is valid."""
        self._answer(200, b"{}", "application/json")

    def _body(self) -> Iterator[bytes]:
        """The parts of the body. Raises `ValueError` if it is not framed well, or too large."""
        left = _MOST_BYTES
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            while size := _size(self.rfile.readline(100).partition(b";")[0], 16, left):
                left -= size
                yield self.rfile.read(size)
                self.rfile.readline(100)
            self.rfile.readline(100)
        else:
            yield self.rfile.read(_size(self.headers.get("content-length") or "0", 10, left))

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Print nothing."""


def _size(digits: str | bytes, base: int, most: int) -> int:
    size = int(digits, base)
    if size < 0:
        raise ValueError(f"its size is {size}")
    if size > most:
        raise ValueError(_TOO_LARGE)
    return size


class _Decoder(NamedTuple):
    """Reads protobuf as JSON, and checks JSON. Both raise what protobuf raises."""

    read: Callable[[bytes], dict[str, Any]]
    check: Callable[[Any], object]


def _protobuf_decoders() -> dict[str, _Decoder]:
    try:
        from google.protobuf.json_format import MessageToDict, ParseDict  # type: ignore[import-untyped]
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    except ImportError:
        raise UsageError("OTLP is decoded by the package opentelemetry-proto: pip install 'tokentape[otlp]'") from None
    requests: dict[str, Any] = {
        "traces": ExportTraceServiceRequest,
        "metrics": ExportMetricsServiceRequest,
        "logs": ExportLogsServiceRequest,
    }

    def decoder(request: Any) -> _Decoder:
        return _Decoder(
            lambda body: MessageToDict(request.FromString(body)),
            # Ids in hexadecimal pass as base64.
            lambda fields: ParseDict(fields, request(), ignore_unknown_fields=True),
        )

    return {signal: decoder(request) for signal, request in requests.items()}


def _decompressed(body: bytes, encoding: str) -> bytes:
    """The body. Raises `ValueError` for an unknown encoding, or for one that is too large."""
    match encoding.strip().lower():
        case "" | "identity":
            return body
        case "gzip" | "deflate":
            decompressor = zlib.decompressobj(wbits=47)  # either
            plain = decompressor.decompress(body, _MOST_BYTES + 1)
            if len(plain) > _MOST_BYTES:
                raise ValueError(_TOO_LARGE)
            if not decompressor.eof:
                raise ValueError(f"its {encoding} is cut off")
            return plain
        case _:
            raise ValueError(f"the content encoding {encoding} is not supported: use gzip or none")


def _hexadecimal_ids(value: Any) -> Any:
    """OTLP JSON has ids in hexadecimal, which protobuf's JSON has in base64."""
    if isinstance(value, dict):
        return {
            name: base64.b64decode(held).hex() if name in _IDS else _hexadecimal_ids(held)
            for name, held in value.items()
        }
    return [_hexadecimal_ids(item) for item in value] if isinstance(value, list) else value
