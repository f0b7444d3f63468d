"""Amazon Bedrock, ConverseStream: AWS events, blocks one after the other, metadata with the usage at the end.

Amazon Bedrock API reference: ConverseStream.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tokentape_conformance.provider.grammar import (
    COUNT,
    LIST,
    OBJECT,
    STREAM,
    TEXT,
    Fields,
    Grammar,
    Machine,
    Step,
    count_problems,
    exactly,
)
from tokentape_conformance.provider.grammar_event import Call, Document, GrammarEvent, Problem, ResponseContent, at_path
from tokentape_conformance.provider.request_format import TOOL_MEANING, Body, RequestFormat
from tokentape_conformance.provider.scenario import FUNCTION, PARAMETERS, Scenario
from tokentape_conformance.provider.sdks import Sdk, bedrock_client

_BLOCK = {"contentBlockStart": "block", "contentBlockDelta": "block"}
STREAM_MACHINE = Machine(
    {
        "start": {"messageStart": "message", "exception": "failed"},
        "message": {**_BLOCK, "messageStop": "stopped", "exception": "failed"},
        "block": {"contentBlockDelta": "block", "contentBlockStop": "message", "exception": "failed"},
        "stopped": {"metadata": "over", "exception": "failed"},
    },
    ends=frozenset({"over", "failed"}),
    over=frozenset({"over", "failed"}),
)
BLOCK_MACHINE = Machine(
    {
        # A block of text or reasoning begins with its first delta.
        "start": {"toolUse": "tool", "toolResult": "result", "text": "text", "reasoningContent": "reasoning"},
        "tool": {"toolUse": "tool", "stop": "ended"},
        "result": {"toolResult": "result", "stop": "ended"},
        "text": {"text": "text", "citation": "text", "stop": "ended"},
        "reasoning": {"reasoningContent": "reasoning", "stop": "ended"},
    },
    ends=frozenset({"ended"}),
    over=frozenset({"ended"}),
)


def _token(event: GrammarEvent) -> str:
    return "exception" if event.name.endswith("Exception") else event.name


def _steps(event: GrammarEvent) -> Iterator[Step]:
    yield Step(STREAM, _token(event))
    lane = f"block {event.document.get('contentBlockIndex', '?')}"
    for name in ("start", "delta"):
        found = event.document.get(name)
        if isinstance(found, dict):
            yield Step(lane, next(iter(found), "nothing"))
    if event.name == "contentBlockStop":
        yield Step(lane, "stop")


_FIELDS: Mapping[str, Fields] = {
    "messageStart": {"role": exactly("assistant")},
    "contentBlockStart": {"contentBlockIndex": COUNT, "start": OBJECT},
    "contentBlockDelta": {"contentBlockIndex": COUNT, "delta": OBJECT},
    "contentBlockStop": {"contentBlockIndex": COUNT},
    "messageStop": {"stopReason": TEXT},
    "metadata": {
        "usage.inputTokens": COUNT,
        "usage.outputTokens": COUNT,
        "usage.totalTokens": COUNT,
        "metrics.latencyMs": COUNT,
    },
}


def _fields(event: GrammarEvent) -> Fields:
    return _FIELDS.get(event.name, {})


def _read(events: Sequence[GrammarEvent]) -> ResponseContent:
    text = reasoning = finish = ""
    calls: dict[Any, list[str]] = {}
    usage_told = None
    for event in events:
        document, index = event.document, event.document.get("contentBlockIndex")
        start = at_path(document, "start.toolUse")
        if isinstance(start, dict):
            calls[index] = [str(start.get("toolUseId", "")), str(start.get("name", "")), ""]
        text += str(at_path(document, "delta.text") or "")
        reasoning += str(at_path(document, "delta.reasoningContent.text") or "")
        if index in calls:
            calls[index][2] += str(at_path(document, "delta.toolUse.input") or "")
        finish = str(document.get("stopReason") or finish)
        usage_told = document.get("usage") or usage_told
    return ResponseContent(text, reasoning, "", tuple(Call(*parts) for parts in calls.values()), finish, usage_told)


def _read_whole(document: Document) -> ResponseContent:
    blocks = at_path(document, "output.message.content") or ()
    tools = [block["toolUse"] for block in blocks if "toolUse" in block]
    return ResponseContent(
        "".join(block.get("text", "") for block in blocks),
        "".join(at_path(block, "reasoningContent.reasoningText.text") or "" for block in blocks),
        "",
        tuple(Call(tool["toolUseId"], tool["name"], json.dumps(tool["input"])) for tool in tools),
        document.get("stopReason") or "",
        document.get("usage"),
    )


def usage(counts: Document) -> list[Problem]:
    """Cache reads and writes are not part of the input; the total is the sum of all."""
    terms = ["inputTokens", "outputTokens", "cacheReadInputTokens", "cacheWriteInputTokens"]
    return count_problems(counts, {}, ("totalTokens", terms))


def _request_body(scenario: Scenario, model: str, stream: bool) -> Body:
    del model, stream
    body: Body = {
        "messages": [{"role": "user", "content": [{"text": scenario.prompt}]}],
        "inferenceConfig": {"maxTokens": scenario.limit},
    }
    spec = {"name": FUNCTION, "description": TOOL_MEANING, "inputSchema": {"json": dict(PARAMETERS)}}
    tools = {"toolConfig": {"tools": [{"toolSpec": spec}], "toolChoice": {"any": {}}}}
    return body | (tools if scenario.tool else {})


def _read_sdk(boto3: Any, url: str, key: str, body: Body, stream: bool, model: str) -> ResponseContent:
    client = bedrock_client(boto3, url, key)
    try:
        if not stream:
            whole = client.converse(modelId=model, **body)
            blocks = whole["output"]["message"]["content"]
            uses = [block["toolUse"] for block in blocks if "toolUse" in block]
            calls = [Call(t["toolUseId"], t["name"], json.dumps(t["input"])) for t in uses]
            text = "".join(block.get("text", "") for block in blocks)
            return ResponseContent(text, calls=tuple(calls), finish=whole["stopReason"], usage=whole["usage"])
        text, finish, usage, parts = "", "", None, dict[int, list[str]]()
        for event in client.converse_stream(modelId=model, **body)["stream"]:
            start = event.get("contentBlockStart", {})
            block = event.get("contentBlockDelta", {})
            if "toolUse" in start.get("start", {}):
                tool = start["start"]["toolUse"]
                parts[start["contentBlockIndex"]] = [tool["toolUseId"], tool["name"], ""]
            text += block.get("delta", {}).get("text", "")
            if "toolUse" in block.get("delta", {}):
                parts[block["contentBlockIndex"]][2] += block["delta"]["toolUse"]["input"]
            finish = event.get("messageStop", {}).get("stopReason", finish)
            usage = event.get("metadata", {}).get("usage", usage)
        return ResponseContent(text, calls=tuple(Call(*call) for call in parts.values()), finish=finish, usage=usage)
    finally:
        client.close()


GRAMMAR = Grammar(
    "bedrock_converse",
    "Amazon Bedrock API reference: ConverseStream",
    "aws",
    "application/vnd.amazon.eventstream",
    {STREAM: STREAM_MACHINE, "block": BLOCK_MACHINE},
    _steps,
    _fields,
    _read,
    _read_whole,
    usage,
    request=RequestFormat("/model/{model}/converse-stream", "/model/{model}/converse", _request_body, "messages"),
    whole_fields={
        "output.message.role": exactly("assistant"),
        "output.message.content": LIST,
        "stopReason": TEXT,
        "usage.totalTokens": COUNT,
        "metrics.latencyMs": COUNT,
    },
    sdk=Sdk("boto3", "botocore.exceptions.ClientError", _read_sdk),
)
