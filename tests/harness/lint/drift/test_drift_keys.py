"""Drift: the key of a request that is sent again, and where it must not go."""

from __future__ import annotations

import json
import re
import sys

import httpx2
import msgspec
import pytest

from tests.harness.lint.drift.recorded_exchange import HEADERS, KEY, NEW_KEY, REQUESTS, events, record
from tokentape_fake_provider import Script, Text
from tokentape_harness import read_cassette, use_cassette, write_cassette
from tokentape_harness.cassettes.model import Cassette, Interaction
from tokentape_harness.errors import UsageError
from tokentape_harness.recording.proxy.signing import sign


@pytest.mark.parametrize("wire", REQUESTS)
def test_the_key_is_sent_where_the_provider_wants_it(server, drift, tmp_path, wire):
    """The key takes the place of the recorded placeholder; other redacted headers are left out."""
    record(server, tmp_path / "a.yaml", wire)
    drift(tmp_path, "--key-env", REQUESTS[wire][2], "--live")
    ((path, headers, body),) = server.received
    assert (path, body) == REQUESTS[wire][:2]
    name = next(name for name in HEADERS[wire] if KEY in HEADERS[wire][name])
    assert headers[name] == HEADERS[wire][name].replace(KEY, NEW_KEY)
    assert "REDACTED" not in str(headers)
    assert not {"openai-organization", "cookie"} & headers.keys()


@pytest.mark.parametrize("wire", REQUESTS)
def test_a_recording_without_a_key_gets_it_in_the_providers_header(server, drift, tmp_path, wire):
    """Where a filter has removed the header, the key is added as the provider's SDK sends it."""
    record(server, tmp_path / "a.yaml", wire, headers={})
    drift(tmp_path, "--key-env", REQUESTS[wire][2], "--live")
    ((_, headers, _),) = server.received
    name = next(name for name in HEADERS[wire] if KEY in HEADERS[wire][name])
    assert headers[name] == HEADERS[wire][name].replace(KEY, NEW_KEY)


def test_a_key_in_the_query_stays_there(server, drift, tmp_path):
    """A recorded `key=REDACTED` is replaced in the query, and no header is added."""
    path = tmp_path / "a.yaml"
    target, body, _ = REQUESTS["gemini"]
    with use_cassette(path):
        httpx2.post(f"{server.url}{target}&key={KEY}", json=body)
    server.received.clear()
    drift(path, "--key-env", "GEMINI_API_KEY", "--live")
    ((sent, headers, _),) = server.received
    assert sent == f"{target}&key={NEW_KEY}"
    assert "x-goog-api-key" not in headers


def test_a_key_without_a_known_form_reaches_no_file_and_no_output(server, drift, tmp_path, monkeypatch):
    """Whatever the key looks like, it is removed from an answer that repeats it, recorded or printed."""
    key = "plain-words-of-a-gateway"
    monkeypatch.setenv("GATEWAY_KEY", key)
    path = tmp_path / "a.yaml"
    record(server, path, headers={})
    server.script = Script.of(Text(f"Your key is {key}.", pieces=("Your key is plain-words", "-of-a-gateway.")))
    server.change = lambda body: events(body, lambda value: value | {key: "x"})
    done = drift(path, "--key-env", "GATEWAY_KEY", "--live", "--update", "--markdown", tmp_path / "body.md")
    assert (done.code, server.received[0][1]["authorization"]) == (1, f"Bearer {key}")
    assert key not in done.out + done.err + path.read_text() + (tmp_path / "body.md").read_text()
    server.change, server.status = (lambda body: body), 400
    monkeypatch.setattr(server, "answer", lambda *_: (400, [], json.dumps({"error": {"message": key}}).encode()))
    refused = drift(path, "--key-env", "GATEWAY_KEY", "--live")
    assert key not in refused.out + refused.err


def test_a_key_never_leaves_for_another_host(server, drift, tmp_path):
    """A cassette from a host that is no provider's gets no provider's key: it is skipped, and the remedy named."""
    path = tmp_path / "a.yaml"
    record(server, path)
    text = path.read_text().replace(server.url, "https://api.openai.com.example")
    path.write_text(text)
    done = drift(path, "--key-env", "OPENAI_API_KEY", "--live")
    assert (done.code, server.received) == (3, [])
    assert "1 skipped" in done.out
    plan = drift(path, "--key-env", "OPENAI_API_KEY")
    assert "no key for api.openai.com.example: give its variable as --key-env" in plan.out
    named = drift(path, "--key-env", "api.openai.com.example=OPENAI_API_KEY")
    assert "api.openai.com.example: 1 request with the key of OPENAI_API_KEY" in named.out
    path.write_text(text.replace("https://", "http://"))
    plain = drift(path, "--key-env", "api.openai.com.example=OPENAI_API_KEY")
    assert "is not encrypted, so that no key is sent to it" in plain.out


def test_an_upstream_replaces_the_providers_host(server, drift, tmp_path):
    """With --upstream the requests recorded from a provider go to that URL, with the provider's key."""
    path = tmp_path / "a.yaml"
    interaction = record(server, path)
    uri = interaction.request.uri.replace(server.url, "https://api.openai.com")
    request = msgspec.structs.replace(interaction.request, uri=uri)
    write_cassette(path, Cassette((Interaction(request, interaction.response),)))
    done = drift(path, "--key-env", "OPENAI_API_KEY", "--upstream", f"openai={server.url}/v1", "--live", "--update")
    assert (done.code, len(server.received)) == (0, 1)
    assert server.received[0][1]["authorization"] == f"Bearer {NEW_KEY}"
    assert read_cassette(path).interactions[0].request.uri == uri


def test_a_variable_of_no_provider_needs_a_host_among_several(server, drift, tmp_path, monkeypatch):
    """Its key goes to the only host; with two hosts the option must name one."""
    monkeypatch.setenv("GATEWAY_KEY", NEW_KEY)
    record(server, tmp_path / "a.yaml")
    assert drift(tmp_path, "--key-env", "GATEWAY_KEY", "--live").code == 0
    assert server.received[0][1]["authorization"] == f"Bearer {NEW_KEY}"
    text = (tmp_path / "a.yaml").read_text()
    (tmp_path / "b.yaml").write_text(text.replace(server.url, "https://gateway.example"))
    done = drift(tmp_path, "--key-env", "GATEWAY_KEY")
    assert done.code == 2
    assert "say to which host its key goes, as in HOST=GATEWAY_KEY" in done.err


BEDROCK = "/model/amazon.nova-lite-v1%3A0/converse-stream"
PROMPT = {"messages": [{"role": "user", "content": [{"text": "How deep?"}]}], "inferenceConfig": {"maxTokens": 50}}
OLD_SIGNATURE = (
    "AWS4-HMAC-SHA256 Credential=AKIAOLDOLDOLDOLDOLDO/20260101/us-east-1/bedrock/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64
)


def test_a_request_for_bedrock_is_signed(server, drift, tmp_path, monkeypatch):
    """With the credentials of AWS, which no output and no file holds; the recorded signature is not sent."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANEWNEWNEWNEWNEWN")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", NEW_KEY)
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    path = tmp_path / "a.yaml"
    with use_cassette(path):
        headers = {"authorization": OLD_SIGNATURE, "x-amz-date": "20260101T000000Z"}
        httpx2.post(server.url + BEDROCK, json=PROMPT, headers=headers)
    server.received.clear()
    done = drift(path, "--key-env", "AWS_ACCESS_KEY_ID", "--live")
    assert (done.code, done.err) == (0, "")
    ((sent, received, body),) = server.received
    assert (sent, body) == (BEDROCK, PROMPT)
    assert re.match(
        r"AWS4-HMAC-SHA256 Credential=AKIANEWNEWNEWNEWNEWN/\d{8}/[\w-]+/bedrock/aws4_request, "
        r"SignedHeaders=content-type;host;x-amz-date, Signature=[0-9a-f]{64}$",
        received["authorization"],
    )
    assert received["x-amz-date"] != "20260101T000000Z"
    assert NEW_KEY not in path.read_text()


def test_the_region_of_a_signature_is_that_of_the_host(monkeypatch):
    """As the request says; and without botocore the error names the extra."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANEWNEWNEWNEWNEWN")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", NEW_KEY)
    uri = f"https://bedrock-runtime.ap-south-1.amazonaws.com{BEDROCK}"
    assert b"/ap-south-1/bedrock/" in dict(sign("POST", uri, [], b"{}"))[b"authorization"]
    monkeypatch.setitem(sys.modules, "botocore.auth", None)
    with pytest.raises(UsageError, match=r"install tokentape\[bedrock\]"):
        sign("POST", uri, [], b"{}")
