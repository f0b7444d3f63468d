"""Leaks: secrets planted in every place of a request and its response, and looked for in everything that is written."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import gzip
import json
import logging
import re

import aiohttp
import httpx
import httpx2
import pytest
import requests
import yaml

from tests.aws_frames import chunk, event
from tests.http_server import QuietHandler, serving
from tokentape_harness import read_cassette
from tokentape_harness.recording.use_cassette import use_cassette
from tokentape_harness.redaction import DEFAULT_RULES

# Of forms that are known, and of none: those are only known as the credentials of their own requests.
FORMED = {
    "header": "sk-proj-HeadeR0aB1cD2eF3gH4iJ5kL6mN7",
    "organisation": "org-0rganiSation1aB2cD3eF4gH5",
    "cookie": "s%3ACook1e.aB1cD2eF3gH4iJ5kL6mN7oP8",
    "query": "AIzaSyQuery0aB1cD2eF3gH4iJ5kL6mN7oP8q",
    "userinfo": "us3r1nf0-aB1cD2eF3gH4",
    "body": "sk-ant-api03-B0dy-aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0-AA",
    "member": "0paque member value",
    "binary": "B1nary/aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0uV1w+",
    "answer": "sk-Answ3rAnsw3rAnsw3rAnsw3rAnsw3rAnsw3rAnsw3r12",
    "set-cookie": "S3tC00kie-aB1cD2eF3gH4iJ5kL6",
    "aws": "ASIAY34FZKBOKMUTVV7A",
    "pinecone": "pcsk_2abCd_aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0uV1wX2yZ3aB4cD5eF6",
    "vault": "hvs.CAESIaB1cD2eF3gH4iJ5kL6mN7oP8",
    # By their names alone, in headers, the query and JSON.
    "x-functions-key": "0paque functions words",
    "x-auth": "0paque auth words",
    "accessToken": "0paque access words",
    "pwd": "0paque.query.words",
}
OPAQUE = "7f3Q-opaque-93zzKq"


def _answers(kind: str) -> tuple[str, bytes]:
    """A response with every secret in its text, in one of the framings."""
    text = " ".join([*FORMED.values(), OPAQUE])
    text = text.replace(FORMED["member"], f'{{"password": "{FORMED["member"]}"}}')
    parts = [text[at : at + 5] for at in range(0, len(text), 5)]
    match kind:
        case "sse":
            events = [{"choices": [{"index": 0, "delta": {"content": part}}]} for part in parts]
            body = b"".join(b"data: " + json.dumps(item).encode() + b"\n\n" for item in events)
            return "text/event-stream", body + b"data: [DONE]\n\n"
        case "invoke":
            events = [{"type": "content_block_delta", "index": 0, "delta": {"text": part}} for part in parts]
            return "application/vnd.amazon.eventstream", b"".join(map(chunk, events))
        case "converse":
            events = [event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": part}}) for part in parts]
            return "application/vnd.amazon.eventstream", b"".join(events)
        case "ndjson":
            return "application/x-ndjson", b"".join(
                json.dumps({"message": {"content": part}}).encode() + b"\n" for part in parts
            )
        case _:
            return "application/json", json.dumps({"error": {"message": text}}).encode()


class Provider(QuietHandler):
    """Answers in the framing that the path names, with secrets in its headers too."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        content_type, body = _answers(self.path.split("?")[0].rsplit("/", 1)[-1])
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("set-cookie", f"session={FORMED['set-cookie']}; Path=/; HttpOnly")
        self.send_header("openai-organization", FORMED["organisation"])
        self.send_header("x-echo", f"{OPAQUE} {FORMED['header']}")
        zipped = gzip.compress(body)
        self.send_header("content-encoding", "gzip")
        self.send_header("content-length", str(len(zipped)))
        self.end_headers()
        # In pieces, that the recording has chunks.
        for at in range(0, len(zipped), 97):
            self.wfile.write(zipped[at : at + 97])
            self.wfile.flush()


@pytest.fixture(scope="module")
def provider():
    """The port of the provider."""
    with serving(Provider) as server:
        yield server.server_port


# No authorization: clients make that of the userinfo in the URL.
HEADERS = {
    "api-key": OPAQUE,
    "x-api-key": FORMED["header"],
    "openai-organization": FORMED["organisation"],
    "cookie": f"session={FORMED['cookie']}; theme=dark",
    "x-amz-security-token": FORMED["binary"],
    "x-note": f"see {FORMED['body']} and {FORMED['vault']}",
    "x-functions-key": FORMED["x-functions-key"],
    "x-auth": FORMED["x-auth"],
}
BODY = json.dumps(
    {
        "model": "m",
        "messages": [{"role": "user", "content": f"mine are {FORMED['body']} and {OPAQUE}"}],
        "tools": [{"type": "mcp", "authorization": FORMED["member"]}],
        "aws": FORMED["aws"],
        "accessToken": FORMED["accessToken"],
        "note": [FORMED["pinecone"], FORMED["vault"]],
    }
).encode()


def url(port: int, kind: str) -> str:
    """The URL, with secrets in it."""
    return f"http://me:{FORMED['userinfo']}@127.0.0.1:{port}/v1/{kind}?key={FORMED['query']}&pwd={FORMED['pwd']}&x=1"


def call_httpx2(address):
    with httpx2.Client() as client:
        return client.post(address, headers=HEADERS, content=BODY).content


def call_httpx(address):
    with httpx.Client() as client:
        return client.post(address, headers=HEADERS, content=BODY).content


def call_requests(address):
    """With header values as bytes, which vcrpy writes as !!binary."""
    headers = {name: value.encode() for name, value in HEADERS.items()}
    return requests.post(address, headers=headers, data=BODY, timeout=9).content


def call_aiohttp(address):
    async def call():
        async with (
            aiohttp.ClientSession() as client,
            client.post(address, headers=HEADERS, data=BODY) as response,
        ):
            return await response.read()

    return asyncio.run(call())


CALLS = {"httpx2": call_httpx2, "httpx": call_httpx, "requests": call_requests, "aiohttp": call_aiohttp}
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{8,}={0,2}")


def masked(data: bytes) -> bytes:
    """Everything that can be read out of some bytes: themselves, JSON strings joined, and base64 undone."""
    found = [data]
    for line in data.split(b"\n"):
        with contextlib.suppress(ValueError):
            found.append(b"".join(text.encode() for text in _strings(json.loads(line.removeprefix(b"data: ")))))
    found.append(b"".join(found[1:]))
    joined = []
    for match in _BASE64.finditer(data):
        with contextlib.suppress(binascii.Error):
            inner = base64.b64decode(match.group())
            joined.append(inner)
    if joined:
        found += [masked(inner) for inner in joined]
        texts = (b"".join(text.encode() for text in _json_strings(inner)) for inner in joined)
        found.append(b"".join(texts))
    return b"\n".join(found)


def _json_strings(data: bytes):
    with contextlib.suppress(ValueError):
        yield from _strings(json.loads(data))


def _strings(value):
    match value:
        case str():
            yield value
        case bytes():
            yield value.decode("latin-1")
        case dict():
            for key, item in value.items():
                yield str(key) if key == "password" else ""
                yield from _strings(item)
        case list():
            for item in value:
                yield from _strings(item)


def leaked(data: bytes) -> set[str]:
    """Which secrets can be read out of some bytes."""
    text = masked(data)
    secrets = {**FORMED, "opaque": OPAQUE}
    forms_of = {
        name: (secret, secret.replace("%3A", ":"), secret.replace("/", "%2F")) for name, secret in secrets.items()
    }
    return {name for name, forms in forms_of.items() if any(form.encode() in text for form in forms)}


def deltas(data: bytes) -> bytes:
    """The texts of AWS frames, joined, whatever stands around them."""
    inner = [base64.b64decode(match[1]) for match in re.finditer(rb'"bytes": ?"([^"]+)"', data)] or [data]
    return b"".join(match[1] for piece in inner for match in re.finditer(rb'"text": ?"((?:[^"\\]|\\.)*)"', piece))


@pytest.mark.parametrize(
    ("client", "kind"),
    [
        pytest.param(client, kind, marks=() if client == "httpx2" or kind == "sse" else pytest.mark.slow)
        for client in CALLS
        for kind in ("sse", "ndjson", "json", "invoke", "converse")
    ],
)
def test_nothing_planted_is_found(client, kind, provider, tmp_path, caplog, capfd, run):
    """No secret is in the cassette, our logs, what the commands print, or the text of an error; and it replays."""
    caplog.set_level(logging.DEBUG)
    path, call = tmp_path / "cassette.yaml", CALLS[client]
    with use_cassette(path):
        live = call(url(provider, kind))
    assert leaked(live + deltas(live)) >= FORMED.keys() - {"member"}, "the provider must say what is looked for"
    with use_cassette(path, record_mode="none"):
        replayed = call(url(provider, kind))
    with use_cassette(path, record_mode="none"), pytest.raises(Exception, match=r"(?s).+") as caught:
        call(url(provider, kind).replace("x=1", "x=2"))
    assert not leaked(str(caught.value).encode())

    data = path.read_bytes()
    assert not leaked(data)
    document = yaml.safe_load(data)
    for value in _strings(document):
        assert not leaked(value.encode())
    bodies = [item["response"]["body"]["string"] for item in document["interactions"]]
    for body in (*bodies, replayed):
        raw = body.encode() if isinstance(body, str) else body
        assert not leaked(raw)
        assert not leaked(deltas(raw))
        assert b"REDACTED" in raw + deltas(raw)

    ours = [
        record
        for record in caplog.records
        if record.name.partition(".")[0] in ("tokentape", "tokentape_harness", "vcr")
    ]
    assert [record.getMessage() for record in ours if leaked(record.getMessage().encode())] == []
    for arguments in (("check", path), ("show", path), ("show", path, "--json"), ("diff", path, path)):
        done = run(*arguments)
        assert not leaked((done.out + done.err).encode()), arguments
        if arguments[0] == "check":
            assert ": secret: " not in done.out
    record = read_cassette(path).interactions[0].response
    assert sum(chunk.size for chunk in record.stream.chunks) == len(record.body)


@pytest.mark.parametrize("client", CALLS)
def test_the_search_finds_what_is_not_redacted(client, provider, tmp_path):
    """Without redaction the same search finds every secret in the file."""
    path = tmp_path / "cassette.yaml"
    rules = type(DEFAULT_RULES)()
    with use_cassette(path, rules=rules):
        for kind in ("sse", "json", "invoke"):
            CALLS[client](url(provider, kind))
    texts = [text.encode() for text in _strings(yaml.safe_load(path.read_bytes()))]
    found = leaked(b"\n".join([*texts, *map(deltas, texts)]))
    assert found >= FORMED.keys() - {"userinfo"}
    assert "opaque" in found


NO_BODY = f"""
interactions:
- request: {{method: GET, uri: h, body: {{"{FORMED["header"]}": 1}}}}
  response: {{status: {{code: 200, message: OK}}, headers: {{}}, body: {{string: x}}}}
version: 1
"""


def test_errors_of_reading_show_no_secret(tmp_path, run):
    """The error of a damaged cassette shows no secret of its text."""
    for number, text in enumerate(
        (
            f"interactions:\n- request: {{uri: 'http://h/?key={FORMED['query']}', body: [",
            f"interactions:\n- request:\n    uri: !!python/object:{FORMED['header']} x\nversion: 1\n",
            f"interactions:\n- {FORMED['header']}\nversion: 1\n",
            NO_BODY,
        )
    ):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        for command in (("check", path), ("show", path)):
            done = run(*command)
            assert done.code == 1
            assert not leaked((done.out + done.err).encode()), text


def test_the_search_sees_through_wrapping():
    """The search itself sees through JSON, base64 and both together."""
    secret = FORMED["body"].encode()
    wrapped = json.dumps({"bytes": base64.b64encode(json.dumps({"t": secret.decode()}).encode()).decode()}).encode()
    assert leaked(wrapped) == {"body"}
    assert leaked(secret) == {"body"}
    assert leaked(b"nothing") == set()
