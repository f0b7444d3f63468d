"""Samples: one conversation as each exporter writes it.

A system message and a question; the model calls a tool; with its result the model writes a text, which is streamed. The
first call takes 200 ms; the second has its first chunk after 120 ms and ends after 420 ms. The shapes are those that
the exporters of November 2026 write (`tests/clients/test_traces.py` runs them).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

SYSTEM, QUESTION, ANSWER = "Be brief.", "How deep is the sea?", "The sea is eleven kilometres deep."
ARGUMENTS = {"of": "sea"}
RESULT = "11 km"
MODEL = "gpt-4o-mini"
SCHEMA = {"type": "object", "properties": {"of": {"type": "string"}}}
TOOLS = [{"type": "function", "function": {"name": "depth", "description": "How deep", "parameters": SCHEMA}}]
CALL = {"id": "call_1", "type": "function", "function": {"name": "depth", "arguments": json.dumps(ARGUMENTS)}}
MESSAGES: list[dict[str, Any]] = [
    {"role": "system", "content": SYSTEM},
    {"role": "user", "content": QUESTION},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": RESULT},
]
FIRST_BODY = {"model": MODEL, "messages": MESSAGES[:2], "tools": TOOLS, "temperature": 0.5, "max_tokens": 100}
SECOND_BODY = {
    "model": MODEL,
    "messages": MESSAGES,
    "tools": TOOLS,
    "stream": True,
    "stream_options": {"include_usage": True},
}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
SAID = {"role": "assistant", "content": ANSWER}
USAGES: tuple[Mapping[str, Any], ...] = (
    {"prompt_tokens": 40, "completion_tokens": 9, "total_tokens": 49, "prompt_tokens_details": {"cached_tokens": 5}},
    {"prompt_tokens": 60, "completion_tokens": 7, "total_tokens": 67},
)
START: Final = datetime(2026, 11, 30, 12, tzinfo=UTC)
SPANS: Final = ((0, None, 200), (1000, 120, 420))
"""The start of each call, its first chunk and its end after the start, in ms."""


def _at(ms: float) -> datetime:
    return START + timedelta(milliseconds=ms)


def _nano(ms: float) -> str:
    return str(int(_at(ms).timestamp() * 1000) * 1_000_000)


def _value(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list():
            return {"arrayValue": {"values": [_value(item) for item in value]}}
        case dict():
            return {"kvlistValue": {"values": _attributes(value)}}
        case _:
            return {"stringValue": value}


def _attributes(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in fields.items() if value is not None]


def otlp(*attributes: Mapping[str, Any], events: tuple[Any, ...] = ((), ()), name: str = "chat gpt-4o-mini") -> bytes:
    """The two calls as spans with these attributes and events (name, ms after the start, attributes)."""
    spans = []
    for number, (fields, (start, _, end)) in enumerate(zip(attributes, SPANS, strict=True)):
        spans.append(
            {
                "traceId": "5b8efff798038103d269b633813fc60c",
                "spanId": f"eee19b7ec3c1b17{number}",
                "name": name,
                "kind": 3,
                "startTimeUnixNano": _nano(start),
                "endTimeUnixNano": _nano(start + end),
                "attributes": _attributes(fields),
                "events": [
                    {"name": event, "timeUnixNano": _nano(start + at), "attributes": _attributes(held)}
                    for event, at, held in events[number]
                ],
                "status": {},
            }
        )
    agent = {"spanId": "a", "name": "agent", "attributes": _attributes({"gen_ai.operation.name": "invoke_agent"})}
    resource = {"attributes": _attributes({"service.name": "app"})}
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [agent, *spans]}]}]}).encode()


def _gen_ai(number: int, provider: str = "gen_ai.provider.name") -> dict[str, Any]:
    usage = USAGES[number]
    first = {"gen_ai.request.temperature": 0.5, "gen_ai.request.max_tokens": 100}
    return {
        "gen_ai.operation.name": "chat",
        provider: "openai",
        "gen_ai.request.model": MODEL,
        "gen_ai.request.stream": bool(number),
        "gen_ai.response.finish_reasons": ["stop" if number else "tool_calls"],
        "gen_ai.usage.input_tokens": usage["prompt_tokens"],
        "gen_ai.usage.output_tokens": usage["completion_tokens"],
        "gen_ai.response.time_to_first_chunk": 0.12 if number else None,
        "gen_ai.tool.definitions": json.dumps(TOOLS),
        **({} if number else {"gen_ai.usage.cache_read.input_tokens": 5, **first}),
    }


def _part_messages(number: int) -> list[Any]:
    call = {"type": "tool_call", "id": "call_1", "name": "depth", "arguments": ARGUMENTS}
    result = {"type": "tool_call_response", "id": "call_1", "response": RESULT}
    found = [
        {"role": "user", "parts": [{"type": "text", "content": QUESTION}]},
        {"role": "assistant", "parts": [call]},
        {"role": "tool", "parts": [result]},
    ]
    return found if number else found[:1]


def _part_answer(number: int) -> list[Any]:
    call = {"type": "tool_call", "id": "call_1", "name": "depth", "arguments": ARGUMENTS}
    part = {"type": "text", "content": ANSWER} if number else call
    return [{"role": "assistant", "parts": [part], "finish_reason": "stop" if number else "tool_call"}]


def _genai_attributes(number: int, encode: Callable[[Any], Any]) -> dict[str, Any]:
    return {
        **_gen_ai(number),
        "gen_ai.system_instructions": encode([{"type": "text", "content": SYSTEM}]),
        "gen_ai.input.messages": encode(_part_messages(number)),
        "gen_ai.output.messages": encode(_part_answer(number)),
    }


def _event_of(message: Mapping[str, Any]) -> tuple[str, int, dict[str, Any]]:
    fields = {name: value for name, value in message.items() if name != "role" and value is not None}
    if message["role"] == "tool":
        fields["id"] = fields.pop("tool_call_id")
    return f"gen_ai.{message['role']}.message", 0, fields


def _choice_event(number: int) -> tuple[str, int, dict[str, Any]]:
    message = {name: value for name, value in (SAID if number else CALLED).items() if value is not None}
    return "gen_ai.choice", 100, {"index": 0, "finish_reason": "stop" if number else "tool_calls", "message": message}


def _span_events(number: int, encode: Callable[[Any], Any] = json.dumps) -> list[Any]:
    messages = MESSAGES if number else MESSAGES[:2]
    found = [*map(_event_of, messages), _choice_event(number)]
    # Attributes of events are plain values: objects and lists are JSON.
    return [(n, at, {k: encode(v) if isinstance(v, list | dict) else v for k, v in f.items()}) for n, at, f in found]


def otlp_logs() -> bytes:
    """The content as log records on a line of their own, after the spans."""
    records = [
        {"eventName": name, "spanId": f"eee19b7ec3c1b17{number}", "body": _value(fields)}
        for number in (0, 1)
        for name, _, fields in [*map(_event_of, MESSAGES if number else MESSAGES[:2]), _choice_event(number)]
    ]
    logs = {"resourceLogs": [{"resource": {}, "scopeLogs": [{"logRecords": records}]}]}
    return otlp(_gen_ai(0, "gen_ai.system"), _gen_ai(1, "gen_ai.system")) + b"\n" + json.dumps(logs).encode()


def otlp_details() -> bytes:
    """The content in an event of the newer conventions, as a log record."""
    records = [
        {
            "eventName": "gen_ai.client.inference.operation.details",
            "spanId": f"eee19b7ec3c1b17{number}",
            "attributes": _attributes(_genai_attributes(number, lambda value: value)),
        }
        for number in (0, 1)
    ]
    logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}
    return otlp(_gen_ai(0), _gen_ai(1)) + b"\n" + json.dumps(logs).encode()


def openllmetry() -> bytes:
    """A field each, as OpenLLMetry wrote until 2026."""

    def of(number: int) -> dict[str, Any]:
        found: dict[str, Any] = {
            "llm.request.type": "chat",
            "gen_ai.system": "openai",
            "gen_ai.request.model": MODEL,
            "llm.is_streaming": bool(number),
            "gen_ai.request.temperature": None if number else 0.5,
            "gen_ai.request.max_tokens": None if number else 100,
            "gen_ai.usage.prompt_tokens": USAGES[number]["prompt_tokens"],
            "gen_ai.usage.completion_tokens": USAGES[number]["completion_tokens"],
            "gen_ai.usage.cache_read_input_tokens": None if number else 5,
            "llm.request.functions.0.name": "depth",
            "llm.request.functions.0.description": "How deep",
            "llm.request.functions.0.parameters": json.dumps(SCHEMA),
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.finish_reason": "stop" if number else "tool_calls",
        }
        for index, message in enumerate(MESSAGES if number else MESSAGES[:2]):
            found |= _flat_message(f"gen_ai.prompt.{index}", message)
        return found | _flat_message("gen_ai.completion.0", SAID if number else CALLED)

    return otlp(of(0), of(1), events=((), (("llm.content.completion.chunk", 120, {}),)), name="openai.chat")


def _flat_message(prefix: str, message: Mapping[str, Any]) -> dict[str, Any]:
    found = {f"{prefix}.{n}": v for n, v in message.items() if n != "tool_calls" and v is not None}
    if "tool_calls" in message:
        found[f"{prefix}.tool_calls.0.id"] = "call_1"
        found[f"{prefix}.tool_calls.0.name"] = "depth"
        found[f"{prefix}.tool_calls.0.arguments"] = json.dumps(ARGUMENTS)
    return found


def openinference(*, bodies: bool) -> bytes:
    """OpenInference, with the body of the request as `input.value` or without."""

    def of(number: int) -> dict[str, Any]:
        body = SECOND_BODY if number else FIRST_BODY
        parameters = {k: v for k, v in body.items() if k not in ("messages", "tools")}
        found: dict[str, Any] = {
            "openinference.span.kind": "LLM",
            "llm.system": "openai",
            "llm.model_name": MODEL,
            "llm.invocation_parameters": json.dumps(parameters),
            "llm.tools.0.tool.json_schema": json.dumps(TOOLS[0]),
            "llm.token_count.prompt": USAGES[number]["prompt_tokens"],
            "llm.token_count.completion": USAGES[number]["completion_tokens"],
            "llm.token_count.prompt_details.cache_read": None if number else 5,
        }
        for index, message in enumerate(MESSAGES if number else MESSAGES[:2]):
            found |= _inference_message(f"llm.input_messages.{index}.message", message)
        found |= _inference_message("llm.output_messages.0.message", SAID if number else CALLED)
        if bodies:
            choice = {"index": 0, "message": SAID if number else CALLED, "finish_reason": _word(number)}
            found |= {"input.value": json.dumps(body), "output.value": json.dumps({"choices": [choice]})}
        return found

    return otlp(of(0), of(1), events=((), (("First Token Stream Event", 120, {}),)), name="ChatCompletion")


def _inference_message(prefix: str, message: Mapping[str, Any]) -> dict[str, Any]:
    found = {f"{prefix}.{n}": v for n, v in message.items() if n != "tool_calls" and v is not None}
    if "tool_calls" in message:
        found[f"{prefix}.tool_calls.0.tool_call.id"] = "call_1"
        found[f"{prefix}.tool_calls.0.tool_call.function.name"] = "depth"
        found[f"{prefix}.tool_calls.0.tool_call.function.arguments"] = json.dumps(ARGUMENTS)
    return found


def _word(number: int) -> str:
    return "stop" if number else "tool_calls"


def vercel() -> bytes:
    """The spans of Vercel's AI SDK, in a document as Tempo gives it."""

    def of(number: int) -> dict[str, Any]:
        call = {"toolCallId": "call_1", "toolName": "depth", "input": ARGUMENTS}
        result = {"toolCallId": "call_1", "toolName": "depth", "output": {"type": "text", "value": RESULT}}
        messages: list[Any] = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": [{"type": "text", "text": QUESTION}]},
            {"role": "assistant", "content": [{"type": "tool-call", **call}]},
            {"role": "tool", "content": [{"type": "tool-result", **result}]},
        ]
        tool = {"type": "function", "name": "depth", "description": "How deep", "inputSchema": SCHEMA}
        called = {"ai.response.toolCalls": json.dumps([call]), "ai.response.finishReason": "tool-calls"}
        answered = {"ai.response.text": ANSWER, "ai.response.finishReason": "stop", "ai.response.msToFirstChunk": 120.0}
        given = {k: v for k, v in _gen_ai(number, "gen_ai.system").items() if v is not None}
        for name in ("gen_ai.tool.definitions", "gen_ai.request.stream", "gen_ai.response.time_to_first_chunk"):
            given.pop(name, None)
        del given["gen_ai.operation.name"]
        return {
            **given,
            "gen_ai.system": "openai.chat",
            "ai.operationId": "ai.streamText.doStream" if number else "ai.generateText.doGenerate",
            "ai.prompt.messages": json.dumps(messages if number else messages[:2]),
            "ai.prompt.tools": [json.dumps(tool)],
            **(answered if number else called),
        }

    return otlp(of(0), of(1), name="ai.streamText.doStream").replace(b'"resourceSpans"', b'"batches"')


def litellm() -> bytes:
    """The lines of LiteLLM's logging payload: the fields of the request beside the response."""
    lines = []
    for number, (start, first, end) in enumerate(SPANS):
        began = _at(start).timestamp()
        parameters = {"tools": TOOLS, **({"stream": True} if number else {"temperature": 0.5, "max_tokens": 100})}
        line = {
            "model": MODEL,
            "custom_llm_provider": "openai",
            "messages": MESSAGES if number else MESSAGES[:2],
            "model_parameters": parameters,
            "response": document(number),
            "startTime": began,
            "endTime": began + end / 1000,
            "completionStartTime": began + (first or end) / 1000,
        }
        lines.append(json.dumps(line))
    return "\n".join(lines).encode()


def sdk_json() -> bytes:
    """Spans as the SDK's console exporter prints them, a list of them."""
    spans = []
    for number, (start, _, end) in enumerate(SPANS):
        spans.append(
            {
                "name": "chat gpt-4o-mini",
                "context": {"trace_id": "0x5b8e", "span_id": f"0xee{number}", "trace_state": "[]"},
                "start_time": _at(start).isoformat().replace("+00:00", "Z"),
                "end_time": _at(start + end).isoformat().replace("+00:00", "Z"),
                "status": {"status_code": "UNSET"},
                "attributes": {k: v for k, v in _genai_attributes(number, json.dumps).items() if v is not None},
                "events": [],
            }
        )
    return json.dumps(spans).encode()


def logfire(*, version: int, columns: bool = False) -> bytes:
    """Rows of Logfire's records: the streamed answer is a row of its own."""
    rows: list[dict[str, Any]] = []
    for number, (start, first, end) in enumerate(SPANS):
        body = SECOND_BODY if number else FIRST_BODY
        usage = USAGES[number]
        common: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": MODEL,
            "request_data": body if version == 1 else {"model": MODEL},
            "gen_ai.tool.definitions": json.dumps(TOOLS),
            "logfire.msg_template": "Chat Completion with {request_data[model]!r}",
        }
        if version == 2:
            system = {"role": "system", "parts": [{"type": "text", "content": SYSTEM}]}
            common["gen_ai.input.messages"] = [system, *_part_messages(number)]
            common |= {"gen_ai.request.temperature": 0.5, "gen_ai.request.max_tokens": 100} if not number else {}
        answer: dict[str, Any] = {
            "gen_ai.response.finish_reasons": [_word(number)],
            "gen_ai.usage.input_tokens": usage["prompt_tokens"],
            "gen_ai.usage.output_tokens": usage["completion_tokens"],
            "gen_ai.usage.cache_read.input_tokens": None if number else 5,
        }
        answer |= (
            {"gen_ai.output.messages": _part_answer(number)}
            if version == 2
            else {"response_data": {"message": SAID if number else CALLED, "usage": usage}}
        )
        row = {
            "span_name": "Chat Completion with {request_data[model]!r}",
            "span_id": f"b{number}",
            "trace_id": "1",
            "start_timestamp": _at(start).isoformat(),
            "end_timestamp": _at(start + (first or end)).isoformat(),
            "attributes": {**common, **({} if number else answer)},
            "otel_scope_name": "logfire.openai",
        }
        rows.append(row)
        if number:
            end_of_stream = _at(start + end).isoformat()
            name = "streaming response from {request_data[model]!r} took {duration:.2f}s"
            attributes = {**common, **answer, "duration": 0.3}
            rows.append({**row, "span_id": "b9", "span_name": name, "attributes": attributes})
            rows[-1] |= {"start_timestamp": end_of_stream, "end_timestamp": end_of_stream}
    rows = [{**row, "attributes": {k: v for k, v in row["attributes"].items() if v is not None}} for row in rows]
    if columns:
        return json.dumps({"columns": [{"name": n, "values": [row[n] for row in rows]} for n in rows[0]]}).encode()
    return "\n".join(map(json.dumps, rows)).encode()


def langfuse(*, blob: bool) -> bytes:
    """Observations: a page of the API, or the lines of an export to blob storage."""
    observations: list[dict[str, Any]] = [{"id": "o0", "traceId": "t", "type": "SPAN", "name": "agent"}]
    for number, (start, first, end) in enumerate(SPANS):
        defaults = {"temperature": 1, "max_tokens": "Infinity", "top_p": 1, "frequency_penalty": 0}
        observations.append(
            {
                "id": f"o{number + 1}",
                "traceId": "t",
                "type": "GENERATION",
                "name": "OpenAI-generation",
                "startTime": _at(start).isoformat().replace("+00:00", "Z"),
                "completionStartTime": None if first is None else _at(start + first).isoformat(),
                "endTime": _at(start + end).isoformat().replace("+00:00", "Z"),
                "model": MODEL,
                "modelParameters": defaults if number else {**defaults, "temperature": 0.5, "max_tokens": 100},
                "input": {"messages": MESSAGES if number else MESSAGES[:2], "tools": TOOLS},
                "output": SAID if number else CALLED,
                "usageDetails": USAGES[number],
                "level": "DEFAULT",
            }
        )
    if not blob:
        return json.dumps({"data": observations, "meta": {"page": 1}}).encode()
    names = {"traceId": "trace_id", "startTime": "start_time", "endTime": "end_time", "usageDetails": "usage_details"}
    names |= {"completionStartTime": "completion_start_time", "modelParameters": "model_parameters"}
    names |= {"model": "provided_model_name"}
    lines = []
    for observation in observations:
        fields = {names.get(name, name): value for name, value in observation.items()}
        for name in ("input", "output"):
            fields |= {name: json.dumps(fields[name])} if name in fields else {}
        for name in ("start_time", "end_time", "completion_start_time"):
            if text := fields.get(name):
                fields[name] = text.replace("T", " ").removesuffix("Z").removesuffix("+00:00")
        lines.append(json.dumps(fields))
    return "\n".join(lines).encode()


def langsmith(*, chain: bool) -> bytes:
    """Runs: of the SDK's wrapper, a line each; or of LangChain, inside the run of a chain."""
    runs = []
    for number, (start, first, end) in enumerate(SPANS):
        usage = USAGES[number]
        counts = {
            "input_tokens": usage["prompt_tokens"],
            "output_tokens": usage["completion_tokens"],
            "total_tokens": usage["total_tokens"],
            "input_token_details": {} if number else {"cache_read": 5},
        }
        message = SAID if number else CALLED
        run: dict[str, Any] = {
            "id": f"r{number}",
            "name": "ChatOpenAI",
            "run_type": "llm",
            "start_time": _at(start).isoformat(),
            "end_time": _at(start + end).isoformat(),
            "events": [] if first is None else [{"name": "new_token", "time": _at(start + first).isoformat()}],
            "extra": {"metadata": {"ls_provider": "openai", "ls_model_name": MODEL}},
            "inputs": SECOND_BODY if number else FIRST_BODY,
            "outputs": {
                "choices": [{"index": 0, "message": message, "finish_reason": _word(number)}],
                "usage_metadata": counts,
            },
        }
        if chain:
            parameters = {"model": MODEL, "_type": "openai-chat", "stream": bool(number), "tools": TOOLS}
            if not number:
                run["extra"]["metadata"] |= {"ls_temperature": 0.5, "ls_max_tokens": 100}
            run["extra"]["invocation_params"] = parameters
            run["inputs"] = {"messages": [[_langchain(m) for m in (MESSAGES if number else MESSAGES[:2])]]}
            generated = _langchain(message)
            generated["kwargs"]["usage_metadata"] = counts
            info = {"finish_reason": _word(number)}
            run["outputs"] = {"generations": [[{"text": "", "generation_info": info, "message": generated}]]}
        runs.append(run)
    if chain:
        return json.dumps({"id": "c", "run_type": "chain", "name": "agent", "child_runs": runs}).encode()
    return "\n".join(map(json.dumps, runs)).encode()


def _langchain(message: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {"system": "SystemMessage", "user": "HumanMessage", "assistant": "AIMessage", "tool": "ToolMessage"}
    fields: dict[str, Any] = {"content": message["content"] or ""}
    if "tool_calls" in message:
        fields["tool_calls"] = [{"name": "depth", "args": ARGUMENTS, "id": "call_1", "type": "tool_call"}]
    if "tool_call_id" in message:
        fields["tool_call_id"] = "call_1"
    name = ["langchain", "schema", "messages", kinds[message["role"]]]
    return {"lc": 1, "type": "constructor", "id": name, "kwargs": fields}


def sse(text: str) -> str:
    """A stream of OpenAI's with this text, and the usage of the second call."""
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
    chunks: list[dict[str, Any]] = [
        {**head, "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]},
        *({**head, "choices": [{"index": 0, "delta": {"content": f"{word} "}}]} for word in text.split()[:-1]),
        {**head, "choices": [{"index": 0, "delta": {"content": text.split()[-1]}, "finish_reason": None}]},
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {**head, "choices": [], "usage": USAGES[1]},
    ]
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"


def document(number: int) -> dict[str, Any]:
    """A whole response of OpenAI's."""
    choice = {"index": 0, "message": SAID if number else CALLED, "finish_reason": _word(number)}
    head = {"id": "c1", "object": "chat.completion", "created": 1, "model": MODEL}
    return {**head, "choices": [choice], "usage": USAGES[number]}


def request_log(*, nested: bool, streams: bool) -> bytes:
    """Lines with the bodies, flat or in objects; a stream as it was sent, or joined to one document."""
    url = "https://api.openai.com/v1/chat/completions"
    lines = []
    for number, (start, first, end) in enumerate(SPANS):
        request: Any = SECOND_BODY if number else FIRST_BODY
        response: Any = sse(ANSWER) if number and streams else document(number)
        if nested:
            request = {"method": "POST", "url": url, "headers": {"authorization": "Bearer sk-1"}, "body": request}
            kind = "text/event-stream" if number else "application/json"
            response = {"status": 200, "headers": {"Content-Type": kind, "Content-Length": "9"}, "body": response}
        line = {"request": request, "response": response, "timestamp": _at(start).isoformat(), "duration_ms": end}
        line |= {} if nested else {"url": url if streams else "/v1/chat/completions", "status": 200}
        line |= {} if first is None else {"ttft_ms": first}
        lines.append(json.dumps(line))
    return "\n".join(lines).encode()


def har() -> bytes:
    """Entries of a HAR, one of them no call of a model."""
    entries: list[dict[str, Any]] = [
        {"request": {"method": "GET", "url": "https://api.openai.com/logo.png"}, "response": {"status": 200}}
    ]
    for number, (start, first, end) in enumerate(SPANS):
        body = sse(ANSWER) if number else json.dumps(document(0))
        kind = "text/event-stream" if number else "application/json"
        sent = json.dumps(SECOND_BODY if number else FIRST_BODY)
        entry: dict[str, Any] = {
            "startedDateTime": _at(start).isoformat(),
            "request": {
                "method": "POST",
                "url": "https://api.openai.com/v1/chat/completions",
                "headers": [{"name": "authorization", "value": "Bearer sk-proj-Ab0Cd1Ef2Gh3Ij4Kl5Mn6Op7Qr8St9Uv"}],
                "postData": {"mimeType": "application/json", "text": sent},
            },
            "response": {"status": 200, "statusText": "OK", "content": {"mimeType": kind, "text": body}},
            "timings": {"wait": first or end, "receive": end - (first or end)},
        }
        if number:
            events = body.split("\n\n")[:-1]
            step = 300 / (len(events) - 1)
            entry["_eventSourceMessages"] = [
                {"data": event.removeprefix("data: "), "time": _at(start + 120 + step * n).timestamp()}
                for n, event in enumerate(events)
            ]
        entries.append(entry)
    return json.dumps({"log": {"version": "1.2", "entries": entries}}).encode()


def _genai(encode: Callable[[Any], Any]) -> bytes:
    return otlp(_genai_attributes(0, encode), _genai_attributes(1, encode))


def _events() -> bytes:
    return otlp(_gen_ai(0, "gen_ai.system"), _gen_ai(1, "gen_ai.system"), events=(_span_events(0), _span_events(1)))


SAMPLES: Final[Mapping[str, Callable[[], bytes]]] = {
    "otlp-json-attributes": lambda: _genai(json.dumps),
    "otlp-structured-attributes": lambda: _genai(lambda value: value),
    "otlp-span-events": _events,
    "otlp-log-records": otlp_logs,
    "otlp-details-event": otlp_details,
    "otlp-openllmetry": openllmetry,
    "otlp-openinference": lambda: openinference(bodies=False),
    "otlp-openinference-bodies": lambda: openinference(bodies=True),
    "otlp-sdk-json": sdk_json,
    "otlp-vercel": vercel,
    "logfire-1": lambda: logfire(version=1),
    "logfire-2": lambda: logfire(version=2),
    "logfire-columns": lambda: logfire(version=2, columns=True),
    "langfuse-api": lambda: langfuse(blob=False),
    "langfuse-blob": lambda: langfuse(blob=True),
    "langsmith-wrapper": lambda: langsmith(chain=False),
    "langsmith-langchain": lambda: langsmith(chain=True),
    "log-flat": lambda: request_log(nested=False, streams=True),
    "log-nested": lambda: request_log(nested=True, streams=True),
    "log-joined": lambda: request_log(nested=False, streams=False),
    "log-litellm": litellm,
    "har": har,
}
