"""Two calls of the official openai SDK, traced by one instrumentation, and its export as a file.

python traced_openai.py EXPORTER URL FILE
"""

from __future__ import annotations

import base64
import copy
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

EXPORTER, URL, FILE = sys.argv[1:]
# The instrumentations read these when they are imported.
os.environ |= {
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY" if EXPORTER == "otel" else "true",
    "LANGSMITH_TRACING": "true",
    "LANGFUSE_PUBLIC_KEY": "pk-lf-1",
    "LANGFUSE_SECRET_KEY": "sk-lf-1",
    "LANGFUSE_HOST": "http://127.0.0.1:9",
}
if EXPORTER == "otel":
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental"

import openai  # noqa: E402
from google.protobuf.json_format import MessageToDict  # noqa: E402
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs  # noqa: E402
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans  # noqa: E402
from opentelemetry.sdk._logs import LoggerProvider  # noqa: E402
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor  # noqa: E402
from opentelemetry.sdk.trace import TracerProvider  # noqa: E402
from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: E402
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: E402

SCHEMA = {"type": "object", "properties": {"of": {"type": "string"}}}
TOOLS = [{"type": "function", "function": {"name": "depth", "description": "How deep", "parameters": SCHEMA}}]


def calls(wrap: Callable[[Any], Any] = lambda client: client) -> None:
    """A call that the model answers with a tool call, and one that it answers with a streamed text."""
    client = wrap(openai.OpenAI(base_url=f"{URL}/v1", api_key="sk-traced-0123456789abcdef"))
    messages: list[Any] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "How deep is the sea?"},
    ]
    create = client.chat.completions.create
    answer = create(model="gpt-4o-mini", messages=messages, tools=TOOLS, temperature=0.5, max_tokens=100)
    (call,) = answer.choices[0].message.tool_calls
    messages.append({"role": "assistant", "tool_calls": [call.model_dump()]})
    messages.append({"role": "tool", "tool_call_id": call.id, "content": "11 km"})
    usage = {"include_usage": True}
    for _ in create(model="gpt-4o-mini", messages=messages, tools=TOOLS, stream=True, stream_options=usage):
        pass


spans, logs = InMemorySpanExporter(), InMemoryLogRecordExporter()
tracers, loggers = TracerProvider(), LoggerProvider()
if EXPORTER != "langfuse":
    tracers.add_span_processor(SimpleSpanProcessor(spans))
loggers.add_log_record_processor(SimpleLogRecordProcessor(logs))
if EXPORTER.startswith("otel"):
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=tracers, logger_provider=loggers)
    calls()
elif EXPORTER == "openinference":
    from openinference.instrumentation.openai import OpenAIInstrumentor as Inference

    Inference().instrument(tracer_provider=tracers)
    calls()
elif EXPORTER == "openllmetry":
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor as OpenLLMetry

    OpenLLMetry().instrument(tracer_provider=tracers)
    calls()
elif EXPORTER.startswith("logfire"):
    import logfire

    processors = [SimpleSpanProcessor(spans)]
    logfire.configure(send_to_logfire=False, console=False, additional_span_processors=processors)
    logfire.instrument_openai(version=int(EXPORTER.removeprefix("logfire")))
    calls()
elif EXPORTER == "langfuse":
    from langfuse import Langfuse

    Langfuse(tracer_provider=tracers, span_exporter=spans)
    import langfuse.openai  # noqa: F401

    calls()
    tracers.force_flush()
elif EXPORTER == "langsmith":
    from langsmith import Client
    from langsmith.wrappers import wrap_openai

    runs: dict[str, dict[str, Any]] = {}

    class Kept(Client):
        """Keeps the runs that it would send."""

        def create_run(self, name: str, inputs: Any, run_type: Any, **fields: Any) -> None:
            # The caller changes its list of messages later.
            inputs = copy.deepcopy(inputs)
            runs[str(fields["id"])] = {"name": name, "inputs": inputs, "run_type": run_type, **fields}

        def update_run(self, run_id: Any, **fields: Any) -> None:
            runs[str(run_id)].update({name: value for name, value in fields.items() if value is not None})

    client = Kept(api_key="x", api_url="http://127.0.0.1:9", auto_batch_tracing=False)
    calls(lambda sdk: wrap_openai(sdk, tracing_extra={"client": client}))
    with Path(FILE).open("w") as file:
        json.dump([*runs.values()], file, default=str)
    sys.exit()


def plain(value: Any) -> Any:
    """OTLP JSON has ids in hexadecimal, which protobuf's JSON has in base64."""
    if isinstance(value, dict):
        ids = ("traceId", "spanId", "parentSpanId")
        return {k: base64.b64decode(v).hex() if k in ids else plain(v) for k, v in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


with Path(FILE).open("w") as file:
    print(json.dumps(plain(MessageToDict(encode_spans(spans.get_finished_spans())))), file=file)
    if logs.get_finished_logs():
        print(json.dumps(plain(MessageToDict(encode_logs(logs.get_finished_logs())))), file=file)
