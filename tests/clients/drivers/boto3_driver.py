"""boto3's bedrock-runtime: converse, and invoke_model with Claude's bodies."""

import json
from functools import cache

import boto3
from botocore.config import Config
from jobs import PROMPT, TOOLS, below, field, output, parsed, serve


@cache
def client(root):
    """A client that retries nothing."""
    session = boto3.Session(aws_access_key_id="AKIAFAKE", aws_secret_access_key="fake", region_name="us-east-1")
    config = Config(retries={"total_max_attempts": 1})
    return session.client("bedrock-runtime", endpoint_url=below(root), config=config)


def converse(job):
    """converse and converse_stream."""
    asked = {"modelId": job.model, "messages": [{"role": "user", "content": [{"text": PROMPT}]}]}
    if job.tools:
        specs = [
            {"name": tool["name"], "description": tool["description"], "inputSchema": {"json": tool["parameters"]}}
            for tool in TOOLS
        ]
        asked["toolConfig"] = {"tools": [{"toolSpec": spec} for spec in specs]}
    if not job.stream:
        response = client(job.root).converse(**asked)
        blocks = response["output"]["message"]["content"]
        reasoning = [block["reasoningContent"]["reasoningText"] for block in blocks if "reasoningContent" in block]
        return output(
            text="".join(block["text"] for block in blocks if "text" in block),
            reasoning="".join(each["text"] for each in reasoning),
            tool_calls=[(each["toolUse"]["name"], each["toolUse"]["input"]) for each in blocks if "toolUse" in each],
            finish_reason=response["stopReason"],
            usage=usage_of(response["usage"]),
        )
    text, reasoning, finish_reason, usage, calls = "", "", None, None, {}
    for event in client(job.root).converse_stream(**asked)["stream"]:
        match event:
            case {"contentBlockStart": {"contentBlockIndex": index, "start": {"toolUse": call}}}:
                calls[index] = [call["name"], ""]
            case {"contentBlockDelta": {"delta": {"text": delta}}}:
                text += delta
            case {"contentBlockDelta": {"delta": {"reasoningContent": delta}}}:
                reasoning += delta.get("text", "")
            case {"contentBlockDelta": {"contentBlockIndex": index, "delta": {"toolUse": delta}}}:
                calls[index][1] += delta["input"]
            case {"messageStop": stop}:
                finish_reason = stop["stopReason"]
            case {"metadata": metadata}:
                usage = usage_of(metadata["usage"])
    return output(
        text=text,
        reasoning=reasoning,
        tool_calls=[(name, parsed(arguments)) for name, arguments in calls.values()],
        finish_reason=finish_reason,
        usage=usage,
    )


def usage_of(usage):
    """Converse's token counts."""
    return {
        "input": usage["inputTokens"],
        "output": usage["outputTokens"],
        "cached": usage.get("cacheReadInputTokens"),
        "cache_write": usage.get("cacheWriteInputTokens"),
    }


def invoke(job):
    """invoke_model and its stream: documents of Anthropic's messages API."""
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": PROMPT}],
    }
    if job.tools:
        body["tools"] = [{"name": tool["name"], "input_schema": tool["parameters"]} for tool in TOOLS]
    asked = {"modelId": job.model, "body": json.dumps(body)}
    if not job.stream:
        message = json.loads(client(job.root).invoke_model(**asked)["body"].read())
        return of_message(message["content"], message["stop_reason"], message["usage"])
    blocks, stop_reason, usage = [], None, {}
    for event in client(job.root).invoke_model_with_response_stream(**asked)["body"]:
        document = json.loads(event["chunk"]["bytes"])
        match document["type"]:
            case "message_start":
                usage |= document["message"]["usage"]
            case "content_block_start":
                blocks.append(document["content_block"] | {"partial": ""})
            case "content_block_delta":
                block, delta = blocks[document["index"]], document["delta"]
                for name in ("text", "thinking"):
                    if name in delta:
                        block[name] += delta[name]
                block["partial"] += delta.get("partial_json", "")
            case "message_delta":
                stop_reason = document["delta"]["stop_reason"]
                usage |= document["usage"]
    for block in blocks:
        if block["type"] == "tool_use":
            block["input"] = parsed(block["partial"])
    return of_message(blocks, stop_reason, usage)


def of_message(blocks, stop_reason, usage):
    """A finished message."""
    return output(
        text="".join(block["text"] for block in blocks if block["type"] == "text"),
        reasoning="".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
        tool_calls=[(block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"],
        finish_reason=stop_reason,
        usage={
            "input": usage["input_tokens"],
            "output": usage["output_tokens"],
            "cached": usage.get("cache_read_input_tokens"),
            "cache_write": usage.get("cache_creation_input_tokens"),
            "reasoning": field(usage, "output_tokens_details", "thinking_tokens"),
        },
    )


serve({"bedrock_converse": converse, "bedrock_invoke": invoke})
