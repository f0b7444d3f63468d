"""Sink: receives the telemetry of an app, OTLP over HTTP on loopback, as protobuf or JSON, and keeps it in memory.

Only bodies are kept: the headers of an export may have keys.
"""

from __future__ import annotations

import base64
import gzip
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
        self._decode = _protobuf_decoders()
        self._changed = threading.Condition()
        self._exports: list[Export] = []
        self.refused = ""
        try:
            self._server = _Server(("127.0.0.1", port), _Handler)
        except OSError as error:
            raise UsageError(f"the OTLP receiver can't listen on 127.0.0.1:{port}: {error.strerror}") from None
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
            if "json" in content_type:
                fields = msgspec.json.decode(plain)
            else:
                fields = _hexadecimal_ids(self._decode[signal](plain))
            if not isinstance(fields, dict):
                raise TypeError("it is not an object")
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


class _Handler(BaseHTTPRequestHandler):
    """Receives exports under any prefix, as Langfuse's SDK has one; answers whatever else with an empty object."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        """Receive an export."""
        body = b"".join(self._body())
        kind = self.headers.get("content-type", "")
        signal = self.path.partition("?")[0].rstrip("/").rpartition("/v1/")[2]
        error = ""
        if signal in _SIGNALS:
            error = self.server.sink.receive(signal, body, self.headers.get("content-encoding", ""), kind)
        is_json = "json" in kind or signal not in _SIGNALS
        self._answer(400 if error else 200, b"{}" if is_json else b"", "application/json" if is_json else kind)

    def do_GET(self) -> None:
        """Answer what an SDK asks of its own service, such as whether its key is valid."""
        self._answer(200, b"{}", "application/json")

    def _body(self) -> Iterator[bytes]:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            yield self.rfile.read(min(int(self.headers.get("content-length") or 0), _MOST_BYTES))

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Print nothing."""


def _protobuf_decoders() -> dict[str, Callable[[bytes], dict[str, Any]]]:
    try:
        from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
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

    def decoder(request: Any) -> Callable[[bytes], dict[str, Any]]:
        return lambda body: MessageToDict(request.FromString(body))

    return {signal: decoder(request) for signal, request in requests.items()}


def _decompressed(body: bytes, encoding: str) -> bytes:
    match encoding.strip().lower():
        case "gzip":
            return gzip.decompress(body)
        case "deflate":
            return zlib.decompress(body)
        case _:
            return body


def _hexadecimal_ids(value: Any) -> Any:
    """OTLP JSON has ids in hexadecimal, which protobuf's JSON has in base64."""
    if isinstance(value, dict):
        return {
            name: base64.b64decode(held).hex() if name in _IDS else _hexadecimal_ids(held)
            for name, held in value.items()
        }
    return [_hexadecimal_ids(item) for item in value] if isinstance(value, list) else value
