"""boto3 makes the same of a recorded Bedrock stream that the fake provider serves as of its raw body."""

from __future__ import annotations

import io
from typing import Any

import boto3
import pytest
import urllib3
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from tests.corpus import WIRES, Item, all_items
from tokentape_harness import FakeProvider, Response
from tokentape_harness.recordings import tape_of

STREAMS = [item for item in all_items() if WIRES.get(item.wire_format, "").startswith("bedrock")]
MODEL = "us.anthropic.claude-3-5-sonnet-20240620-v1:0"
BODY = b'{"anthropic_version":"bedrock-2023-05-31","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}'
CONVERSATION: Any = [{"role": "user", "content": [{"text": "Hi"}]}]

SESSION = boto3.Session("AKIAFAKE", "secret", None, "us-east-1")
"""One for all: it reads the service's model from disk once."""


def read(item: Item, url: str, *, raw: bool) -> list[Any]:
    """Everything boto3 yields; an exception is the last of it."""
    config = Config(retries={"total_max_attempts": 1})
    client = SESSION.client("bedrock-runtime", endpoint_url=url, config=config)

    def answer(request: Any, **_: Any) -> AWSResponse:
        headers = {"content-type": item.content_type}
        body = urllib3.HTTPResponse(io.BytesIO(item.body), headers, item.status, preload_content=False)
        return AWSResponse(request.url, item.status, headers, body)

    if raw:
        client.meta.events.register("before-send.bedrock-runtime", answer)
    seen: list[Any] = []
    try:
        if item.wire == "bedrock_converse":
            seen.extend(client.converse_stream(modelId=MODEL, messages=CONVERSATION)["stream"])
        else:
            seen.extend(client.invoke_model_with_response_stream(modelId=MODEL, body=BODY)["body"])
    except Exception as error:
        seen.append((type(error).__name__, str(error)))
    client.close()
    return seen


@pytest.mark.parametrize("item", STREAMS, ids=lambda item: f"{item.wire_format}-{item.id}")
def test_boto3_reads_a_served_tape_as_it_reads_the_raw_body(item: Item, fake_provider: FakeProvider) -> None:
    """Served over a socket, frame by frame, a recording gives boto3 what its raw body gives."""
    expected = read(item, "http://provider.invalid", raw=True)
    assert expected, "boto3 reads something of the raw body"
    headers = (("content-type", item.content_type),)
    fake_provider.script(tape_of(Response(status=item.status, headers=headers, body=item.body)))
    assert read(item, fake_provider.url, raw=False) == expected
    fake_provider.assert_all_played()
