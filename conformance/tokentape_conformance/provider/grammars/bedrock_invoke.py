"""Amazon Bedrock, InvokeModelWithResponseStream: chunks that wrap a model's own stream, here Anthropic's.

Amazon Bedrock API reference: InvokeModelWithResponseStream; Anthropic Claude Messages API.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from tokentape_conformance.provider.framing import invoked
from tokentape_conformance.provider.grammar import STREAM
from tokentape_conformance.provider.grammar_event import GrammarEvent, ResponseContent
from tokentape_conformance.provider.grammars import anthropic_messages as anthropic
from tokentape_conformance.provider.request_format import Body, RequestFormat
from tokentape_conformance.provider.scenario import Scenario
from tokentape_conformance.provider.sdks import Sdk, bedrock_client

_EXCEPTIONS = dict.fromkeys(
    ("internalServerException", "modelStreamErrorException", "modelTimeoutException", "throttlingException"), "failed"
)
_MACHINE = msgspec.structs.replace(
    anthropic.STREAM_MACHINE,
    table={state: {**row, **_EXCEPTIONS} for state, row in anthropic.STREAM_MACHINE.table.items()},
)


def _request_body(scenario: Scenario, model: str, stream: bool) -> Body:
    del model, stream
    return {"anthropic_version": "bedrock-2023-05-31", **anthropic.claude_body(scenario)}


def _read_sdk(boto3: Any, url: str, key: str, body: Body, stream: bool, model: str) -> ResponseContent:
    client = bedrock_client(boto3, url, key)
    try:
        request = {"modelId": model, "body": json.dumps(body), "contentType": "application/json"}
        if not stream:
            return anthropic.read_whole(json.loads(client.invoke_model(**request)["body"].read()))
        chunks = [event["chunk"]["bytes"] for event in client.invoke_model_with_response_stream(**request)["body"]]
        # boto3 returns the documents unread: read them as Anthropic's.
        return anthropic.read(
            [GrammarEvent(number, "", chunk.decode(), json.loads(chunk)) for number, chunk in enumerate(chunks)]
        )
    finally:
        client.close()


GRAMMAR = msgspec.structs.replace(
    anthropic.GRAMMAR,
    wire="bedrock_invoke",
    source="Amazon Bedrock API reference: InvokeModelWithResponseStream",
    framing="aws",
    content_type="application/vnd.amazon.eventstream",
    machines={**anthropic.GRAMMAR.machines, STREAM: _MACHINE},
    named=lambda _: None,
    open=invoked,
    request=RequestFormat(
        "/model/{model}/invoke-with-response-stream", "/model/{model}/invoke", _request_body, "messages"
    ),
    sdk=Sdk("boto3", "botocore.exceptions.ClientError", _read_sdk),
)
