"""The clients for Bedrock: what they request and sign, and what they make of the answers."""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import boto3
import botocore.auth
import httpx2
import pytest
from botocore.config import Config

from tokentape import (
    AuthenticationError,
    ChatMessage,
    ConfigurationError,
    NotFoundError,
    RateLimitError,
    ReasoningPart,
    ToolCall,
    stream_response,
    wrap,
)
from tokentape.providers import BedrockConverse, BedrockInvoke, Tool
from tokentape_fake_provider.script.model import Error, Reasoning, Script, Usage
from tokentape_fake_provider.script.model import ToolCall as Call
from tokentape_harness import FakeProvider

CLAUDE = "us.anthropic.claude-3-5-sonnet-20240620-v1:0"
ARN = "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc"
SECRET = "the-secret-of-all-secrets"
KEYS = {"aws_access_key_id": "AKIAFAKE", "aws_secret_access_key": SECRET, "region": "us-east-1"}
LOOK = Tool("look", "Looks something up.", {"type": "object", "properties": {"q": {"type": "string"}}})
ITEMS = (
    Reasoning("Hm.", "c2ln"),
    "Hello!",
    Call.of("look", {"q": "x"}, id="t1"),
)


@pytest.fixture(autouse=True)
def no_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """A machine that knows of no AWS account."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.fixture
def converse(fake_provider: FakeProvider) -> Iterator[BedrockConverse]:
    """A client in a session of its own."""
    with BedrockConverse(CLAUDE, base_url=fake_provider.base_url("bedrock_converse"), **KEYS) as client:
        yield client


def last_request(fake_provider: FakeProvider) -> Any:
    """The body of the last request."""
    return json.loads(fake_provider.journal.wait()[-1].raw_body)


def check(output: Any) -> None:
    """The output has the content of ITEMS."""
    message = output.message
    assert (message.reasoning, message.text, message.finish_reason) == ("Hm.", "Hello!", "tool_calls")
    assert message.parts[0] == ReasoningPart("Hm.", "c2ln")
    assert message.tool_calls == (ToolCall("t1", "look", {"q": "x"}, '{"q":"x"}'),)
    assert (output.usage.input, output.usage.output, output.usage.cached) == (12, 9, 5)


@pytest.mark.parametrize("client_class", [BedrockConverse, BedrockInvoke])
def test_chat_streamed_and_not(client_class: Any, fake_provider: FakeProvider) -> None:
    """Both give the same output: reasoning, text, calls, end, usage."""
    script = Script.of(*ITEMS, usage=Usage(input=12, output=9, cached=5))
    fake_provider.script(script)
    fake_provider.script(script)
    base_url = fake_provider.base_url(client_class.wire)
    with client_class(CLAUDE, base_url=base_url, **KEYS) as client:
        check(client.chat("Hi", tools=[LOOK]))
        response = client.chat("Hi", stream=True, tools=[LOOK])
        assert "".join(message.text for message in response.normalized) == "Hello!"
        check(response.normalized.get_chat_output())
    assert response.headers["content-type"] == "application/vnd.amazon.eventstream"
    assert response.request_id == response.headers["x-amzn-requestid"]
    assert response.normalized.context.model == CLAUDE
    operations = [entry.path.rpartition("/")[2] for entry in fake_provider.journal.wait()]
    assert operations == [client_class.operation, client_class.streaming_operation]


@pytest.mark.asyncio
async def test_achat_streamed_and_not(fake_provider: FakeProvider) -> None:
    """The async twin."""
    script = Script.of(*ITEMS, usage=Usage(input=12, output=9, cached=5))
    fake_provider.script(script)
    fake_provider.script(script)
    async with BedrockConverse(CLAUDE, base_url=fake_provider.base_url("bedrock_converse"), **KEYS) as client:
        check(await client.achat("Hi"))
        response = await client.achat("Hi", stream=True)
        assert "".join([message.text async for message in response.normalized]) == "Hello!"
        check(response.normalized.get_chat_output())


@pytest.mark.asyncio
async def test_counts_that_come_in_headers_alone(fake_provider: FakeProvider) -> None:
    """Mistral's own body has no usage: the headers have it, for `chat` and its async twin."""
    for _ in range(2):
        fake_provider.script("Hello!", usage=Usage(input=12, output=9))
    base_url = fake_provider.base_url("bedrock_invoke")
    async with BedrockInvoke("mistral.mistral-large-2402-v1:0", base_url=base_url, **KEYS) as client:
        for usage in (client.chat("Hi").usage, (await client.achat("Hi")).usage):
            assert (usage.input, usage.output, usage.total) == (12, 9, 21)


def test_a_conversation_as_converse_takes_it(converse: BedrockConverse, fake_provider: FakeProvider) -> None:
    """System messages go to the top, results of parallel calls into one message, reasoning goes back signed."""
    fake_provider.script(Script.of(*ITEMS))
    fake_provider.script("Hello!")
    answer = converse.chat("Hi").message
    converse.chat(
        [
            ChatMessage.system("Be brief."),
            ChatMessage.user("Hi"),
            answer,
            ChatMessage.tool("sunny", tool_call_id="t1"),
            ChatMessage.tool("no", tool_call_id="t2", metadata={"is_error": True}),
            {"role": "user", "content": [{"text": "raw"}]},
        ],
        tools=[LOOK, {"cachePoint": {"type": "default"}}],
        toolConfig={"toolChoice": {"any": {}}},
        inferenceConfig={"maxTokens": 50},
        system="First.",
    )
    assert last_request(fake_provider) == {
        "messages": [
            {"role": "user", "content": [{"text": "Hi"}]},
            {
                "role": "assistant",
                "content": [
                    {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}},
                    {"text": "Hello!"},
                    {"toolUse": {"toolUseId": "t1", "name": "look", "input": {"q": "x"}}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"toolResult": {"toolUseId": "t1", "content": [{"text": "sunny"}]}},
                    {"toolResult": {"toolUseId": "t2", "content": [{"text": "no"}], "status": "error"}},
                ],
            },
            {"role": "user", "content": [{"text": "raw"}]},
        ],
        "inferenceConfig": {"maxTokens": 50},
        "toolConfig": {
            "toolChoice": {"any": {}},
            "tools": [
                {
                    "toolSpec": {
                        "name": "look",
                        "inputSchema": {"json": LOOK.parameters},
                        "description": "Looks something up.",
                    }
                },
                {"cachePoint": {"type": "default"}},
            ],
        },
        "system": [{"text": "First."}, {"text": "Be brief."}],
    }


@pytest.mark.parametrize(
    ("model", "settings", "body"),
    [
        (
            CLAUDE,
            {},
            {
                "anthropic_version": "bedrock-2023-05-31",
                "max_tokens": 4096,
                "messages": [{"role": "user", "content": "Hi"}],
                "system": "Be brief.",
                "temperature": 0,
            },
        ),
        (
            "eu.amazon.nova-lite-v1:0",
            {},
            {
                "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
                "system": [{"text": "Be brief."}],
                "temperature": 0,
            },
        ),
        (
            "openai.gpt-oss-20b-1:0",
            {},
            {
                "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
                "temperature": 0,
            },
        ),
        (
            ARN,
            {"family": "amazon"},
            {
                "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
                "system": [{"text": "Be brief."}],
                "temperature": 0,
            },
        ),
    ],
)
def test_invoke_sends_the_models_own_body(model: str, settings: Any, body: Any, fake_provider: FakeProvider) -> None:
    """The model's id or `family` decides the body."""
    seen: list[Any] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(json.loads(request.content))
        return httpx2.Response(200, json={"generation": "Hello", "stop_reason": "stop"})

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    client = BedrockInvoke(model, http_client=http, temperature=0, **KEYS, **settings)
    assert client.chat([ChatMessage.system("Be brief."), ChatMessage.user("Hi")]).text == "Hello"
    assert seen == [body]


@pytest.mark.parametrize("model", ["amazon.titan-text-lite-v1", "meta.llama3-8b-instruct-v1:0", ARN])
def test_invoke_refuses_a_model_with_an_unknown_body_format(model: str) -> None:
    """The error names the alternatives."""
    with pytest.raises(ConfigurationError, match="use BedrockConverse, which has one body for every model"):
        BedrockInvoke(model, **KEYS)


@pytest.mark.parametrize("model", [CLAUDE, ARN])
@pytest.mark.parametrize("token", [None, "a-session-token"])
@pytest.mark.parametrize("stream", [False, True])
def test_the_signature_is_boto3s(model: str, token: str | None, stream: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same request at the same time has the same URL and signature, percent-encoded model id included."""
    monkeypatch.setattr(
        botocore.auth,
        "get_current_datetime",
        lambda: dt.datetime(2026, 11, 22, 11, 2, 16),  # noqa: DTZ001
    )
    ours: list[httpx2.Request] = []
    theirs: list[Any] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        ours.append(request)
        return httpx2.Response(500, json={})

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    client = BedrockConverse(model, base_url="http://fake.test/s/1", http_client=http, aws_session_token=token, **KEYS)
    with pytest.raises(Exception, match="500"):
        client.chat("Hi", stream=stream)
    (mine,) = ours

    def take(request: Any, **_: Any) -> None:
        theirs.append(request)
        raise InterruptedError

    session = boto3.Session("AKIAFAKE", SECRET, token, "us-east-1")
    config = Config(retries={"total_max_attempts": 1})
    sdk = session.client("bedrock-runtime", endpoint_url="http://fake.test/s/1", config=config)
    sdk.meta.events.register("before-send.bedrock-runtime", take)
    call = sdk.converse_stream if stream else sdk.converse
    with pytest.raises(InterruptedError):
        call(modelId=model, messages=[{"role": "user", "content": [{"text": "Hi"}]}])
    (their,) = theirs
    assert str(mine.url) == their.url
    # boto3 puts spaces into its JSON; what is signed is the body as it goes.
    signer = botocore.auth.SigV4Auth(session.get_credentials(), "bedrock", "us-east-1")
    request = botocore.awsrequest.AWSRequest(
        "POST", their.url, data=mine.content, headers={"content-type": "application/json", "host": "fake.test"}
    )
    signer.add_auth(request)
    assert mine.headers["authorization"] == request.headers["Authorization"]
    shape = their.headers["Authorization"].decode().partition("Signature=")[0]
    assert mine.headers["authorization"].startswith(shape)
    assert mine.headers.get("x-amz-security-token") == token


def test_an_api_key_needs_no_signature(fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_BEARER_TOKEN_BEDROCK is sent as it is, and botocore is not needed."""
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bedrock-api-key-123")
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", fake_provider.base_url("bedrock_converse"))
    fake_provider.script("Hello")
    with BedrockConverse(CLAUDE) as client:
        assert client.chat("Hi").text == "Hello"


def test_without_botocore_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the package to install in one line."""
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'tokentape\[bedrock\]', or pass api_key="):
        BedrockConverse(CLAUDE, **KEYS)


@pytest.mark.parametrize(
    ("environment", "settings", "problem"),
    [
        ({}, {}, "no AWS region for bedrock: set AWS_DEFAULT_REGION, or pass region="),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, {}, "no AWS credentials for bedrock: set AWS_ACCESS_KEY_ID"),
        ({}, {"aws_access_key_id": "A"}, "pass aws_access_key_id= and aws_secret_access_key= together"),
        ({}, {"profile": "nobody"}, r"the AWS configuration can't be used: .*nobody"),
        ({"AWS_BEARER_TOKEN_BEDROCK": "a b\n"}, {}, "the API key for bedrock contains spaces"),
    ],
)
def test_what_is_missing_is_named(
    environment: dict[str, str], settings: dict[str, Any], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Region, credentials, half a pair of keys, an unknown profile, a broken API key."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=problem):
        BedrockConverse(CLAUDE, **settings)


def test_credentials_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, fake_provider: FakeProvider) -> None:
    """As boto3 reads them, region and endpoint too."""
    for name, value in {"ACCESS_KEY_ID": "AKIAENV", "SECRET_ACCESS_KEY": SECRET, "DEFAULT_REGION": "eu-west-3"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", fake_provider.base_url("bedrock_converse"))
    fake_provider.script("Hello")
    with BedrockConverse(CLAUDE) as client:
        assert client.chat("Hi").text == "Hello"
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert "bedrock-runtime.eu-west-3.amazonaws.com" in repr(BedrockConverse(CLAUDE))


@pytest.mark.parametrize("stream", [False, True])
def test_errors_have_type_and_request_id(converse: BedrockConverse, fake_provider: FakeProvider, stream: bool) -> None:
    """AWS sends error types in headers; no error contains the secret."""
    for status, kind, raised in (
        (429, "ThrottlingException", RateLimitError),
        (404, "ResourceNotFoundException", NotFoundError),
        (401, "UnrecognizedClientException", AuthenticationError),
    ):
        fake_provider.script(Script.of(error=Error(status, f"No {SECRET}.")))
        with pytest.raises(raised, match=rf"{status} \({kind}\): No \[redacted\]\.") as caught:
            converse.chat("Hi", stream=stream)
        assert (caught.value.status, caught.value.type) == (status, kind)
        assert len(caught.value.request_id or "") == 36


def test_an_exception_inside_the_stream_is_raised_in_the_loop(
    converse: BedrockConverse, fake_provider: FakeProvider
) -> None:
    """After what came before it."""
    fake_provider.script(Script.of("Half an answ", error=Error(429, "Slow down.", in_stream=True)))
    stream = converse.chat("Hi", stream=True).normalized
    with pytest.raises(RateLimitError, match="Slow down"):
        list(stream)
    assert stream.get_chat_output().text == "Half an answ"


@pytest.mark.parametrize("wire", ["bedrock_converse", "bedrock_invoke"])
def test_boto3s_stream_can_be_wrapped(wire: str, fake_provider: FakeProvider) -> None:
    """The format is seen in its first event."""
    fake_provider.script(Script.of(*ITEMS, usage=Usage(input=12, output=9, cached=5)))
    session = boto3.Session("AKIAFAKE", SECRET, None, "us-east-1")
    sdk = session.client("bedrock-runtime", endpoint_url=fake_provider.base_url(wire))
    if wire == "bedrock_converse":
        stream = sdk.converse_stream(modelId=CLAUDE, messages=[{"role": "user", "content": [{"text": "Hi"}]}])["stream"]
    else:
        body = {"anthropic_version": "x", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
        stream = sdk.invoke_model_with_response_stream(modelId=CLAUDE, body=json.dumps(body))["body"]
    wrapped = wrap(stream)
    assert "".join(message.text for message in wrapped) == "Hello!"
    check(wrapped.get_chat_output())
    sdk.close()


def test_the_url_of_an_open_response_determines_its_format(fake_provider: FakeProvider) -> None:
    """An unsigned request of one's own, streamed."""
    fake_provider.script("Hello")
    url = f"{fake_provider.base_url('bedrock_converse')}/model/m%3A0/converse-stream"
    body = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
    with httpx2.Client() as http, http.stream("POST", url, json=body) as response:
        assert "".join(message.text for message in stream_response(response)) == "Hello"
