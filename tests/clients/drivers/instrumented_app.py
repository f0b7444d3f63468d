"""An app that streams by an official SDK, traced by one instrumentation, which exports as the environment says.

python instrumented_app.py INSTRUMENTATION[+INSTRUMENTATION] PORT    serves on this port
python instrumented_app.py --fork FD                                 imports the SDKs once, and forks for each message

A message over the socket FD is `{"instrumentation": ..., "environment": {...}}` as JSON, with a listening socket; the
reply is the process's id.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

QUESTION = "How deep is the sea at its deepest place?"
SCHEMA = {"type": "object", "properties": {"sea": {"type": "string"}}, "required": ["sea"]}
DESCRIPTION = "How deep a sea is, in m."


def instrument(instrumentation: str) -> None:
    """Set up OpenTelemetry as its documentation shows, and the instrumentation."""
    if instrumentation == "langfuse":
        from langfuse import Langfuse

        # It has no switch for content: what is recorded can be masked.
        Langfuse(mask=None if os.environ["TRACELOOP_TRACE_CONTENT"] == "true" else lambda *, data, **_: None)
        import langfuse.openai  # noqa: F401 - replaces the SDK's methods

        return
    if instrumentation == "logfire":
        import logfire

        logfire.configure(send_to_logfire=False, console=False)
        logfire.instrument_openai()
        return
    from opentelemetry import metrics, trace
    from opentelemetry._logs import set_logger_provider
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    tracers, loggers = TracerProvider(), LoggerProvider()
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    loggers.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    trace.set_tracer_provider(tracers)
    set_logger_provider(loggers)
    metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())]))
    for name in instrumentation.split("+"):
        match name:
            case "opentelemetry":
                from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
            case "openllmetry":
                from opentelemetry.instrumentation.openai import OpenAIInstrumentor
            case "openinference":
                from openinference.instrumentation.openai import OpenAIInstrumentor
            case _:
                return  # Anthropic's SDK traces itself
        OpenAIInstrumentor().instrument()


def openai_stream(client: Any, messages: list[Any]) -> Iterator[str]:
    """The texts of an answer; a call of the tool is answered, and the follow-up streamed."""
    tools = [{"type": "function", "function": {"name": "measure", "description": DESCRIPTION, "parameters": SCHEMA}}]
    calls: dict[int, dict[str, Any]] = {}
    options = {"include_usage": True}
    with client.chat.completions.create(
        model="gpt-4o-mini", messages=messages, tools=tools, stream=True, stream_options=options
    ) as stream:
        for chunk in stream:
            for choice in chunk.choices:
                for part in choice.delta.tool_calls or ():
                    call = calls.setdefault(part.index, {"id": part.id, "name": part.function.name, "arguments": ""})
                    call["arguments"] += part.function.arguments or ""
                if choice.delta.content:
                    yield choice.delta.content
    if calls:
        functions = [
            {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}}
            for call in calls.values()
        ]
        results = [{"role": "tool", "tool_call_id": call["id"], "content": "3,800"} for call in calls.values()]
        yield from openai_stream(client, [*messages, {"role": "assistant", "tool_calls": functions}, *results])


def anthropic_stream(client: Any, messages: list[Any]) -> Iterator[str]:
    """The same with the Messages API."""
    tools = [{"name": "measure", "description": DESCRIPTION, "input_schema": SCHEMA}]
    calls: list[dict[str, Any]] = []
    with client.messages.create(
        model="claude-sonnet-4-5", messages=messages, tools=tools, max_tokens=1000, stream=True
    ) as stream:
        for event in stream:
            if event.type == "content_block_start" and event.content_block.type == "tool_use":
                calls.append({"type": "tool_use", "id": event.content_block.id, "name": "measure", "input": ""})
            elif event.type == "content_block_delta" and event.delta.type == "input_json_delta":
                calls[-1]["input"] += event.delta.partial_json
            elif event.type == "content_block_delta" and event.delta.type == "text_delta":
                yield event.delta.text
    if calls:
        uses = [{**call, "input": json.loads(call["input"] or "{}")} for call in calls]
        results = [{"type": "tool_result", "tool_use_id": call["id"], "content": "3,800"} for call in calls]
        yield from anthropic_stream(
            client, [*messages, {"role": "assistant", "content": uses}, {"role": "user", "content": results}]
        )


class Handler(BaseHTTPRequestHandler):
    """Answers every request with the server's stream of text, which an error breaks off."""

    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        """Stream an answer."""
        texts = self.server.texts([{"role": "user", "content": QUESTION}])
        try:
            first = next(texts, "")
        except Exception as error:
            self.send_error(502, type(error).__name__)
            return
        self.send_response(200)
        self.send_header("content-type", "text/plain; charset=utf-8")
        self.end_headers()
        try:
            self.wfile.write(first.encode())
            for text in texts:
                self.wfile.write(text.encode())
        except Exception as error:
            self.wfile.write(f"\nerror: {type(error).__name__}".encode())
        finally:
            texts.close()

    def log_message(self, *_: object) -> None:
        """Be quiet."""


class Server(ThreadingHTTPServer):
    """Serves on a socket that listens already."""

    def __init__(self, listener: socket.socket, texts: Callable[[list[Any]], Iterator[str]]) -> None:
        super().__init__(listener.getsockname(), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket, self.texts = listener, texts


def serve(instrumentation: str, listener: socket.socket) -> None:
    """Instrument, create the client, and serve."""
    os.environ.setdefault("OPENAI_API_KEY", "none")
    instrument(instrumentation)
    if instrumentation == "anthropic":
        import anthropic

        texts = partial(anthropic_stream, anthropic.Anthropic(max_retries=1))
    else:
        import openai

        texts = partial(openai_stream, openai.OpenAI(max_retries=1))
    Server(listener, texts).serve_forever()


def fork(control: socket.socket) -> None:
    """Serve in a process for each message, until the socket closes; in the end stop them all."""
    import anthropic  # noqa: F401
    import openai  # noqa: F401
    from opentelemetry.exporter.otlp.proto.http import metric_exporter, trace_exporter  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    children = []
    while (received := socket.recv_fds(control, 1 << 16, 1))[0]:
        message, (listener, *_), *_ = received
        child = os.fork()
        if child == 0:
            control.close()
            os.environ.update(json.loads(message)["environment"])
            serve(json.loads(message)["instrumentation"], socket.socket(fileno=listener))
        os.close(listener)
        children.append(child)
        control.send(str(child).encode())
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


if sys.argv[1] == "--fork":
    fork(socket.socket(fileno=int(sys.argv[2])))
else:
    serve(sys.argv[1], socket.create_server(("127.0.0.1", int(sys.argv[2]))))
