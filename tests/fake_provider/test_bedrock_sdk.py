"""What boto3, unmodified, reads of `bedrock_converse` and `bedrock_invoke`."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
import pytest
import urllib3
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError
from hypothesis import HealthCheck, given, settings

from tests.script_strategies import scripts
from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.script.model import (
    Choice,
    Error,
    Item,
    Reasoning,
    Refusal,
    Script,
    Text,
    ToolCall,
    Usage,
)
from tokentape_fake_provider.script.usage import resolve_usage
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.timing import Instant
from tokentape_fake_provider.wires import ProviderRequest, wire_for_path
from tokentape_fake_provider.wires.converse_events import FINISH_REASONS

CLAUDE = "us.anthropic.claude-3-5-sonnet-20240620-v1:0"
ARN = "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc"
CONVERSATION: Any = [{"role": "user", "content": [{"text": "Say something nice."}]}]
few = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def client_for(url: str) -> Any:
    """A client of boto3 that retries nothing."""
    config = Config(retries={"total_max_attempts": 1})
    session = boto3.Session(aws_access_key_id="AKIAFAKE", aws_secret_access_key="secret", region_name="us-east-1")
    return session.client("bedrock-runtime", endpoint_url=url, config=config)


class InProcessBedrock:
    """Answers each signed request of a client with `script`, before it reaches the network."""

    def __init__(self) -> None:
        self.script = Script()
        self.ask: ProviderRequest | None = None
        self.client = client_for("http://fake.test")
        self.client.meta.events.register("before-send.bedrock-runtime", self.answer)

    def answer(self, request: Any, **_: Any) -> AWSResponse:
        """The response to a request that is ready to go."""
        assert request.headers["Authorization"].startswith(b"AWS4-HMAC-SHA256")
        path = unquote(urlsplit(request.url).path)
        wire = wire_for_path(path)
        assert wire is not None, path
        self.ask = wire.read(path, json.loads(request.body), created=1_800_000_000, seed="seed")
        tape = encode(self.script, self.ask, Instant())
        headers = dict(tape.headers)
        raw = urllib3.HTTPResponse(io.BytesIO(tape.body), headers, tape.status, preload_content=False)
        return AWSResponse(request.url, tape.status, headers, raw)


fake = InProcessBedrock()


def rebuilt(events: Any) -> dict[str, Any]:
    """What boto3's events of a Converse stream add up to, in the shape of a response that is not streamed."""
    blocks: dict[int, dict[str, Any]] = {}
    end: dict[str, Any] = {}
    open_block: int | None = None
    for event in events:
        ((name, payload),) = event.items()
        if name == "contentBlockStart":
            assert open_block is None
            open_block = payload["contentBlockIndex"]
            blocks[open_block] = {"toolUse": {**payload["start"]["toolUse"], "input": ""}}
        elif name == "contentBlockDelta":
            index, delta = payload["contentBlockIndex"], payload["delta"]
            assert open_block in (None, index)
            open_block = index
            add(blocks.setdefault(index, {}), delta)
        elif name == "contentBlockStop":
            blocks.setdefault(payload["contentBlockIndex"], {})
            open_block = None
        else:
            end |= payload
    content = [blocks[index] for index in sorted(blocks)]
    for block in content:
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"])
    return {"content": content, **end}


def add(block: dict[str, Any], delta: dict[str, Any]) -> None:
    """Add a delta to its block."""
    if "text" in delta:
        block["text"] = block.get("text", "") + delta["text"]
    elif "toolUse" in delta:
        block["toolUse"]["input"] += delta["toolUse"]["input"]
    else:
        reasoning = delta["reasoningContent"]
        if "redactedContent" in reasoning:
            block["reasoningContent"] = reasoning
        else:
            reasoning_so_far = block.setdefault("reasoningContent", {"reasoningText": {}})["reasoningText"]
            for key, value in reasoning.items():
                reasoning_so_far[key] = reasoning_so_far.get(key, "") + value


def check(message: dict[str, Any], script: Script) -> None:
    """The message says what the script says."""
    (choice,) = script.choices
    assert len(message["content"]) == len(choice.items)
    for block, item in zip(message["content"], choice.items, strict=True):
        check_block(block, item)
    assert message["stopReason"] == FINISH_REASONS[choice.ended]
    assert fake.ask is not None
    counts = resolve_usage(script, fake.ask.text, script.choices)
    assert counts is not None
    usage = message["usage"]
    cached, written = usage.get("cacheReadInputTokens", 0), usage.get("cacheWriteInputTokens", 0)
    assert usage["inputTokens"] + cached + written == counts.input
    assert (usage["outputTokens"], usage["totalTokens"]) == (counts.output, counts.total)
    assert (cached, written) == (counts.cached, counts.cache_write)


def check_block(block: dict[str, Any], item: Item) -> None:
    """The block is the item."""
    match item:
        case Text() | Refusal():
            assert block == {"text": item.text}
        case Reasoning(encrypted=""):
            signed = {"signature": item.signature} if item.signature else {}
            assert block == {"reasoningContent": {"reasoningText": {"text": item.text} | signed}}
        case Reasoning():
            assert block == {"reasoningContent": {"redactedContent": base64.b64decode(item.encrypted)}}
        case ToolCall():
            use = block["toolUse"]
            assert (use["name"], use["input"]) == (item.name, json.loads(item.arguments))
            assert use["toolUseId"] == item.id if item.id else use["toolUseId"].startswith("tooluse_")


@few
@given(scripts("bedrock_converse"))
def test_converse_stream_says_every_script(script: Script) -> None:
    """boto3's parsed events add up to the script, with its usage."""
    fake.script = script
    check(rebuilt(fake.client.converse_stream(modelId=CLAUDE, messages=CONVERSATION)["stream"]), script)


@few
@given(scripts("bedrock_converse"))
def test_converse_says_every_script(script: Script) -> None:
    """The same without streaming."""
    fake.script = script
    got = fake.client.converse(modelId=CLAUDE, messages=CONVERSATION)
    check({**got["output"]["message"], **got}, script)


REQUESTS: dict[str, dict[str, Any]] = {
    CLAUDE: {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Hi"}],
    },
    "amazon.nova-lite-v1:0": {"messages": CONVERSATION},
    "amazon.titan-text-lite-v1": {"inputText": "Hi"},
    "meta.llama3-1-70b-instruct-v1:0": {"prompt": "Hi"},
    "mistral.mistral-7b-instruct-v0:2": {"prompt": "Hi"},
    "mistral.mistral-large-2402-v1:0": {"messages": [{"role": "user", "content": "Hi"}]},
    "cohere.command-text-v14": {"prompt": "Hi"},
    "cohere.command-r-v1:0": {"message": "Hi"},
    "openai.gpt-oss-20b-1:0": {"messages": [{"role": "user", "content": "Hi"}]},
}


def invoked(model: str, *, stream: bool) -> list[Any]:
    """The documents that boto3 hands out for InvokeModel."""
    body = json.dumps(REQUESTS[model])
    if not stream:
        return [json.loads(fake.client.invoke_model(modelId=model, body=body)["body"].read())]
    events = fake.client.invoke_model_with_response_stream(modelId=model, body=body)["body"]
    return [json.loads(event["chunk"]["bytes"]) for event in events]


def text_in(document: Any) -> str:
    """The text of a document of any family of models."""
    match document:
        case {"type": "content_block_delta"}:
            return document["delta"].get("text", "")
        case {"content": [*blocks]}:
            return "".join(block["text"] for block in blocks)
        case {"contentBlockDelta": {"delta": {"text": text}}}:
            return text
        case {"output": {"message": {"content": [*blocks]}}}:
            return "".join(block["text"] for block in blocks)
        case {"choices": [*choices]} if choices:
            return choices[0].get("delta", choices[0].get("message", {})).get("content") or ""
        case {"outputText": text} | {"generation": text} | {"text": text}:
            return text
        case {"outputs": [first]} | {"generations": [first]}:
            return first["text"]
        case {"results": [first]}:
            return first["outputText"]
        case _:
            return ""


@pytest.mark.parametrize("model", list(REQUESTS))
@pytest.mark.parametrize("stream", [True, False])
def test_every_family_of_models_says_a_text(model: str, stream: bool) -> None:
    """The documents that boto3 hands out join to the text; the last of a stream has the metrics."""
    fake.script = Script.of("Hello, 世界! ", "How are you?", usage=Usage(input=5, output=9))
    documents = invoked(model, stream=stream)
    assert "".join(map(text_in, documents)) == "Hello, 世界! How are you?"
    if stream:
        metrics = documents[-1]["amazon-bedrock-invocationMetrics"]
        assert (metrics["inputTokenCount"], metrics["outputTokenCount"]) == (5, 9)
        assert not any("amazon-bedrock-invocationMetrics" in document for document in documents[:-1])


def test_claude_is_invoked_with_anthropics_own_events() -> None:
    """Bedrock's ids, no pings, the model's name without vendor and version."""
    fake.script = Script.of(Reasoning("Hm."), "Hi", ToolCall("f"))
    documents = invoked(CLAUDE, stream=True)
    assert [document["type"] for document in documents][:2] == ["message_start", "content_block_start"]
    assert "ping" not in {document["type"] for document in documents}
    message = documents[0]["message"]
    assert message["id"].startswith("msg_bdrk_01")
    assert message["model"] == "claude-3-5-sonnet-20240620"
    (tool,) = [document["content_block"] for document in documents if "tool_use" in str(document.get("content_block"))]
    assert tool["id"].startswith("toolu_bdrk_01")


def test_reasoning_of_open_models_stands_in_tags() -> None:
    """As recorded of gpt-oss."""
    fake.script = Script.of(Reasoning("Hm, well."), "Hi")
    texts = [text for document in invoked("openai.gpt-oss-20b-1:0", stream=True) if (text := text_in(document))]
    assert texts == ["<reasoning>Hm, well.</reasoning>", "Hi"]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "ValidationException"),
        (403, "AccessDeniedException"),
        (404, "ResourceNotFoundException"),
        (408, "ModelTimeoutException"),
        (424, "ModelErrorException"),
        (429, "ThrottlingException"),
        (500, "InternalServerException"),
        (503, "ServiceUnavailableException"),
    ],
)
def test_http_errors_become_boto3s_exceptions(status: int, name: str, stream: bool) -> None:
    """Each status raises the modelled exception with its message."""
    fake.script = Script.of(error=Error(status, "Told so."))
    raised = getattr(fake.client.exceptions, name)
    call = fake.client.converse_stream if stream else fake.client.converse
    with pytest.raises(raised) as caught:
        call(modelId=CLAUDE, messages=CONVERSATION)
    response = caught.value.response
    assert response["Error"] == {"Message": "Told so.", "Code": name}
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert len(response["ResponseMetadata"]["RequestId"]) == 36


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "validationException"),
        (424, "modelStreamErrorException"),
        (429, "throttlingException"),
        (500, "internalServerException"),
        (503, "serviceUnavailableException"),
    ],
)
@pytest.mark.parametrize("invoke", [False, True])
def test_an_error_inside_the_stream_is_raised_after_what_came_before(status: int, name: str, invoke: bool) -> None:
    """The deltas arrive, then boto3 raises for the exception frame."""
    fake.script = Script.of("Half an answ", error=Error(status, "Told so.", in_stream=True))
    if invoke:
        body = json.dumps(REQUESTS[CLAUDE])
        events = fake.client.invoke_model_with_response_stream(modelId=CLAUDE, body=body)["body"]
    else:
        events = fake.client.converse_stream(modelId=CLAUDE, messages=CONVERSATION)["stream"]
    seen: list[Any] = []
    with pytest.raises(EventStreamError, match="Told so") as caught:
        seen.extend(events)
    assert caught.value.response["Error"]["Code"] == name
    documents = [json.loads(event["chunk"]["bytes"]) if invoke else event for event in seen]
    assert "".join(map(text_in, documents)) == "Half an answ"


@pytest.mark.parametrize("reason", list(FINISH_REASONS))
def test_finish_reasons_are_the_providers_words(reason: Any) -> None:
    """Each reason has its word, and a provider's own word goes out as it is."""
    fake.script = Script.of("x", finish_reason=reason)
    got = fake.client.converse(modelId=CLAUDE, messages=CONVERSATION)
    assert got["stopReason"] == FINISH_REASONS[reason]
    fake.script = Script((Choice((Text("x"),), reason, "guardrail_intervened"),))
    got = fake.client.converse(modelId=CLAUDE, messages=CONVERSATION)
    assert got["stopReason"] == "guardrail_intervened"


def test_an_arn_is_a_model_too() -> None:
    """Its slash comes encoded, and the request names the family of the model."""
    fake.script = Script.of("Hi")
    assert fake.client.converse(modelId=ARN, messages=CONVERSATION)["stopReason"] == "end_turn"
    assert fake.ask is not None
    assert fake.ask.model == ARN
    body = json.dumps(REQUESTS[CLAUDE])
    assert json.loads(fake.client.invoke_model(modelId=ARN, body=body)["body"].read())["type"] == "message"


@pytest.mark.parametrize(
    ("model", "body", "message"),
    [
        (CLAUDE, {"max_tokens": 9, "messages": []}, "anthropic_version: Field required"),
        (CLAUDE, {"anthropic_version": "x", "messages": []}, "max_tokens: Field required"),
        ("amazon.titan-text-lite-v1", {}, r"required key \[inputText\] not found"),
        ("amazon.nova-lite-v1:0", {}, "A conversation must start with a user message"),
        ("no-such-model", {}, "The provided model identifier is invalid"),
    ],
)
def test_a_bad_request_is_refused(server: FakeProviderServer, model: str, body: Any, message: str) -> None:
    """What the models refuse is a ValidationException."""
    with pytest.raises(ClientError, match=message) as caught:
        client_for(server.url).invoke_model(modelId=model, body=json.dumps(body))
    assert caught.value.response["Error"]["Code"] == "ValidationException"


@pytest.fixture
def client(server: FakeProviderServer, session: Session) -> Iterator[Any]:
    """A client of boto3 in a session of the running server."""
    client = client_for(server.base_url("bedrock_converse", session.id))
    yield client
    client.close()


def test_the_running_server_answers_boto3(client: Any, session: Session) -> None:
    """Over a socket: the model's id is decoded, the signature let through, streamed and not."""
    session.push(*[Script.of(Reasoning("Hm."), "Hi", ToolCall.of("f", {"a": 1}))] * 2, "Hi", "Hi")
    message = rebuilt(client.converse_stream(modelId=CLAUDE, messages=CONVERSATION)["stream"])
    whole = client.converse(modelId=CLAUDE, messages=CONVERSATION)
    assert [next(iter(block)) for block in message["content"]] == ["reasoningContent", "text", "toolUse"]
    assert [next(iter(block)) for block in whole["output"]["message"]["content"]] == [
        "reasoningContent",
        "text",
        "toolUse",
    ]
    body = json.dumps(REQUESTS[CLAUDE])
    events = client.invoke_model_with_response_stream(modelId=CLAUDE, body=body)["body"]
    assert "".join(text_in(json.loads(event["chunk"]["bytes"])) for event in events) == "Hi"
    response = client.invoke_model(modelId=CLAUDE, body=body)
    assert text_in(json.loads(response["body"].read())) == "Hi"
    assert response["ResponseMetadata"]["HTTPHeaders"]["x-amzn-bedrock-output-token-count"] == "1"
    entries = session.journal.wait()
    assert [entry.wire for entry in entries] == ["bedrock_converse"] * 2 + ["bedrock_invoke"] * 2
    assert entries[0].path == f"/model/{CLAUDE}/converse-stream"
