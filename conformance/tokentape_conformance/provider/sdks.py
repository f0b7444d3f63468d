"""SDKs: what the providers' own Python clients make of a server's streams."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Any

import msgspec

from tokentape_conformance.provider.event import Call, Said
from tokentape_conformance.provider.request import SPEECHES
from tokentape_conformance.provider.scenario import Scenario

Json = dict[str, Any]


class Sdk(msgspec.Struct, frozen=True):
    """An SDK: `read` asks at a URL for a scenario's body and reads the answer; `errors` is its error's base class."""

    distribution: str
    module: str
    errors: str
    read: Callable[[Any, str, str, Json, bool, str], Said]
    base: str = ""
    """What its base URL ends with."""

    def missing(self) -> str | None:
        """Why it can't be asked; None if it is installed."""
        try:
            importlib.import_module(self.module)
        except ImportError as error:
            return f"{self.distribution} is not installed ({error})"
        return None

    def said(self, wire: str, url: str, key: str, scenario: Scenario, model: str, *, stream: bool) -> Said:
        """What it says that the answer says. Raises its own errors."""
        body = SPEECHES[wire].body(scenario, model, stream)
        return self.read(importlib.import_module(self.module), f"{url}{self.base}", key, body, stream, model)

    @property
    def error(self) -> type[Exception]:
        """The base of the errors that it raises for HTTP errors."""
        module, _, name = self.errors.rpartition(".")
        found: type[Exception] = getattr(importlib.import_module(module), name)
        return found


def _usage(value: Any) -> Json | None:
    return None if value is None else value.model_dump(exclude_none=True)


def _openai(openai: Any, url: str, key: str) -> Any:
    return openai.OpenAI(base_url=url, api_key=key, max_retries=0)


def _openai_chat(openai: Any, url: str, key: str, body: Json, stream: bool, model: str) -> Said:
    del model
    with _openai(openai, url, key) as client:
        if not stream:
            whole = client.chat.completions.create(**body)
            first = whole.choices[0]
            told = [Call(c.id, c.function.name, c.function.arguments) for c in first.message.tool_calls or ()]
            return Said(
                first.message.content or "", calls=tuple(told), finish=first.finish_reason, usage=_usage(whole.usage)
            )
        text, finish, usage, calls = "", "", None, dict[int, list[str]]()
        for chunk in client.chat.completions.create(**body):
            usage = _usage(chunk.usage) or usage
            for choice in chunk.choices:
                text += choice.delta.content or ""
                finish = choice.finish_reason or finish
                for call in choice.delta.tool_calls or ():
                    parts = calls.setdefault(call.index, ["", "", ""])
                    parts[0] = call.id or parts[0]
                    if call.function is not None:
                        parts[1] = call.function.name or parts[1]
                        parts[2] += call.function.arguments or ""
        return Said(text, calls=tuple(Call(*parts) for parts in calls.values()), finish=finish, usage=usage)


def _openai_completions(openai: Any, url: str, key: str, body: Json, stream: bool, model: str) -> Said:
    del model
    with _openai(openai, url, key) as client:
        made = client.completions.create(**body)
        chunks = list(made) if stream else [made]
        choices = [choice for chunk in chunks for choice in chunk.choices]
        finish = next((choice.finish_reason for choice in choices if choice.finish_reason), "")
        usage = next((_usage(chunk.usage) for chunk in reversed(chunks) if chunk.usage), None)
        return Said("".join(choice.text for choice in choices), finish=finish, usage=usage)


def _openai_responses(openai: Any, url: str, key: str, body: Json, stream: bool, model: str) -> Said:
    del model
    with _openai(openai, url, key) as client:
        if stream:
            del body["stream"]
            with client.responses.stream(**body) as events:
                text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
                whole = events.get_final_response()
        else:
            whole = client.responses.create(**body)
            text = whole.output_text
        calls = [Call(i.call_id, i.name, i.arguments) for i in whole.output if i.type == "function_call"]
        cut = whole.incomplete_details
        return Said(text, calls=tuple(calls), finish=(cut and cut.reason) or whole.status, usage=_usage(whole.usage))


def _anthropic(anthropic: Any, url: str, key: str, body: Json, stream: bool, model: str) -> Said:
    del model
    with anthropic.Anthropic(base_url=url, api_key=key, max_retries=0) as client:
        if stream:
            del body["stream"]
            with client.messages.stream(**body) as events:
                text = "".join(events.text_stream)
                whole = events.get_final_message()
        else:
            whole = client.messages.create(**body)
            text = "".join(block.text for block in whole.content if block.type == "text")
        calls = [Call(b.id, b.name, json.dumps(b.input)) for b in whole.content if b.type == "tool_use"]
        return Said(text, calls=tuple(calls), finish=whole.stop_reason or "", usage=_usage(whole.usage))


def _genai_client(genai: Any, url: str, key: str) -> Any:
    options = genai.types.HttpOptions(base_url=url, api_version="v1beta")
    return genai.Client(api_key=key, http_options=options)


def _gemini(genai: Any, url: str, key: str, body: Json, stream: bool, model: str) -> Said:
    config = dict(body["generationConfig"])
    config |= {name: body[name] for name in ("tools", "toolConfig") if name in body}
    config["automaticFunctionCalling"] = {"disable": True}
    with _genai_client(genai, url, key) as client:
        ask = client.models.generate_content_stream if stream else client.models.generate_content
        made = ask(model=model, contents=body["contents"], config=config)
        chunks = list(made) if stream else [made]
    candidates = [candidate for chunk in chunks for candidate in chunk.candidates or ()]
    parts = [part for c in candidates if c.content is not None for part in c.content.parts or ()]
    told = [part.function_call for part in parts if part.function_call]
    finish = next((c.finish_reason.value for c in reversed(candidates) if c.finish_reason), "")
    usage = next((chunk.usage_metadata for chunk in reversed(chunks) if chunk.usage_metadata), None)
    return Said(
        "".join(part.text for part in parts if part.text and not part.thought),
        calls=tuple(Call(call.id or "", call.name, json.dumps(call.args or {})) for call in told),
        finish=finish,
        usage=None if usage is None else usage.model_dump(exclude_none=True, by_alias=True, mode="json"),
    )


def _interactions(genai: Any, url: str, key: str, body: Json, stream: bool, model: str) -> Said:
    del model
    with _genai_client(genai, url, key) as client:
        made = client.interactions.create(**body)
        if not stream:
            whole = made.model_dump(mode="json", exclude_none=True)
            steps = whole.get("steps") or whole.get("outputs") or []
            text = "".join(p.get("text", "") for s in steps if s["type"] == "model_output" for p in s["content"])
            calls = [
                Call(s["id"], s["name"], json.dumps(s["arguments"])) for s in steps if s["type"] == "function_call"
            ]
            return Said(text, calls=tuple(calls), finish=whole["status"], usage=whole.get("usage"))
        text, finish, usage, parts = "", "", None, dict[int, list[str]]()
        for event in made:
            told = event.model_dump(mode="json", exclude_none=True)
            step, delta = told.get("step") or {}, told.get("delta") or {}
            if step.get("type") == "function_call":
                parts[told["index"]] = [step["id"], step["name"], ""]
            text += delta.get("text", "") if delta.get("type") == "text" else ""
            if delta.get("type") == "arguments_delta":
                parts[told["index"]][2] += delta.get("arguments") or ""
            if told.get("event_type") == "interaction.completed":
                finish, usage = told["interaction"]["status"], told["interaction"].get("usage")
        return Said(text, calls=tuple(Call(*told) for told in parts.values()), finish=finish, usage=usage)


def _ollama(ollama: Any, url: str, key: str, body: Json, stream: bool, model: str) -> Said:
    del model
    client = ollama.Client(host=url, headers={"authorization": f"Bearer {key}"})
    try:
        made = client.chat(**body)
        chunks = list(made) if stream else [made]
    finally:
        client._client.close()
    last = chunks[-1]
    told = [call.function for chunk in chunks for call in chunk.message.tool_calls or ()]
    return Said(
        "".join(chunk.message.content or "" for chunk in chunks),
        calls=tuple(Call("", call.name, json.dumps(dict(call.arguments))) for call in told),
        finish=last.done_reason or "",
        usage={"prompt_eval_count": last.prompt_eval_count, "eval_count": last.eval_count},
    )


def _cohere(cohere: Any, url: str, key: str, body: Json, stream: bool, model: str) -> Said:
    del model
    import httpx

    del body["stream"]
    with httpx.Client(trust_env=False) as transport:
        client = cohere.ClientV2(api_key=key, base_url=url, httpx_client=transport)
        if not stream:
            whole = client.chat(**body, request_options={"max_retries": 0})
            text = "".join(part.text for part in whole.message.content or () if part.type == "text")
            calls = [Call(c.id, c.function.name, c.function.arguments) for c in whole.message.tool_calls or ()]
            return Said(text, calls=tuple(calls), finish=whole.finish_reason, usage=_cohere_usage(whole.usage))
        text, finish, usage, parts = "", "", None, dict[int, list[str]]()
        for event in client.chat_stream(**body, request_options={"max_retries": 0}):
            if event.type == "content-delta":
                text += event.delta.message.content.text or ""
            elif event.type == "tool-call-start":
                call = event.delta.message.tool_calls
                parts[event.index] = [call.id, call.function.name, call.function.arguments or ""]
            elif event.type == "tool-call-delta":
                parts[event.index][2] += event.delta.message.tool_calls.function.arguments or ""
            elif event.type == "message-end":
                finish, usage = event.delta.finish_reason or "", _cohere_usage(event.delta.usage)
        return Said(text, calls=tuple(Call(*told) for told in parts.values()), finish=finish, usage=usage)


def _cohere_usage(usage: Any) -> Json | None:
    return None if usage is None else usage.dict()


def _bedrock(boto3: Any, url: str, key: str) -> Any:
    from botocore.config import Config  # type: ignore[import-untyped]

    session = boto3.Session(aws_access_key_id=key, aws_secret_access_key=key, region_name="us-east-1")
    return session.client(
        "bedrock-runtime", endpoint_url=url, config=Config(retries={"total_max_attempts": 1}, proxies={})
    )


def _converse(boto3: Any, url: str, key: str, body: Json, stream: bool, model: str) -> Said:
    client = _bedrock(boto3, url, key)
    try:
        if not stream:
            whole = client.converse(modelId=model, **body)
            blocks = whole["output"]["message"]["content"]
            told = [block["toolUse"] for block in blocks if "toolUse" in block]
            calls = [Call(t["toolUseId"], t["name"], json.dumps(t["input"])) for t in told]
            text = "".join(block.get("text", "") for block in blocks)
            return Said(text, calls=tuple(calls), finish=whole["stopReason"], usage=whole["usage"])
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
        return Said(text, calls=tuple(Call(*told) for told in parts.values()), finish=finish, usage=usage)
    finally:
        client.close()


def _invoke(boto3: Any, url: str, key: str, body: Json, stream: bool, model: str) -> Said:
    from tokentape_conformance.provider.event import Event
    from tokentape_conformance.provider.grammars import anthropic_messages

    client = _bedrock(boto3, url, key)
    try:
        told = {"modelId": model, "body": json.dumps(body), "contentType": "application/json"}
        if not stream:
            return anthropic_messages.read_whole(json.loads(client.invoke_model(**told)["body"].read()))
        chunks = [event["chunk"]["bytes"] for event in client.invoke_model_with_response_stream(**told)["body"]]
        # It hands out documents as they are; what they say is read as Anthropic's.
        return anthropic_messages.read(
            [Event(number, "", chunk.decode(), json.loads(chunk)) for number, chunk in enumerate(chunks)]
        )
    finally:
        client.close()


_OPENAI = ("openai", "openai", "openai.APIStatusError")
SDKS: Mapping[str, Sdk] = {
    "openai_chat": Sdk(*_OPENAI, _openai_chat, "/v1"),
    "openai_responses": Sdk(*_OPENAI, _openai_responses, "/v1"),
    "openai_completions": Sdk(*_OPENAI, _openai_completions, "/v1"),
    "anthropic_messages": Sdk("anthropic", "anthropic", "anthropic.APIStatusError", _anthropic),
    "gemini": Sdk("google-genai", "google.genai", "google.genai.errors.APIError", _gemini),
    "gemini_interactions": Sdk(
        "google-genai", "google.genai", "google.genai._gaos.lib.compat_errors.APIError", _interactions
    ),
    "ollama": Sdk("ollama", "ollama", "ollama.ResponseError", _ollama),
    "cohere_chat": Sdk("cohere", "cohere", "cohere.core.api_error.ApiError", _cohere),
    "bedrock_converse": Sdk("boto3", "boto3", "botocore.exceptions.ClientError", _converse),
    "bedrock_invoke": Sdk("boto3", "boto3", "botocore.exceptions.ClientError", _invoke),
}


def sdk_versions() -> dict[str, str]:
    """The SDKs that are installed."""
    found = {}
    for distribution in sorted({sdk.distribution for sdk in SDKS.values()}):
        try:
            found[distribution] = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return found
