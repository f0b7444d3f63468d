"""Redaction of headers and URIs, and of a request's own credentials wherever they stand."""

# ruff: noqa: E501 - planted secrets are long

from __future__ import annotations

import base64

import pytest
from inline_snapshot import snapshot

from tests.harness.redaction.secrets_in_bodies import pieces_of, sse, streamed, text_of
from tokentape_harness.cassettes.chunks import Chunk
from tokentape_harness.cassettes.model import Interaction, RecordedError, Request, Response, StreamRecord
from tokentape_harness.redaction import (
    credentials_of,
    redact,
    redact_all,
    redact_uri,
)


def test_headers_cookies_and_organisations():
    """Secret headers of both sides keep their names and schemes, cookies their names, and other headers stay."""
    request = Request(
        "POST",
        "https://api.openai.com/v1/chat/completions",
        (
            ("Authorization", "Bearer abc"),
            ("X-Api-Key", "k"),
            ("api-key", "k"),
            ("x-goog-api-key", "k"),
            ("OpenAI-Organization", "org-1"),
            ("OpenAI-Project", "proj_1"),
            ("Cookie", "session=abc; theme=dark"),
            ("x-my-access-token", "t"),
            ("user-agent", "openai"),
            ("max-tokens", "5"),
        ),
    )
    response = Response(
        headers=(
            ("set-cookie", "__cf_bm=abc.def; path=/; HttpOnly; Expires=Wed, 21 Oct 2026 07:28:00 GMT"),
            ("anthropic-organization-id", "4c6cf5f5"),
            ("openai-organization", "user-x"),
            ("x-ratelimit-remaining-tokens", "99"),
            ("access-control-allow-credentials", "true"),
            ("location", "https://me:pw@files.example.com/x?sig=s1&part=2"),
        )
    )
    clean = redact(Interaction(request, response))
    assert clean.request.headers == snapshot(
        (
            ("Authorization", "Bearer REDACTED"),
            ("X-Api-Key", "REDACTED"),
            ("api-key", "REDACTED"),
            ("x-goog-api-key", "REDACTED"),
            ("OpenAI-Organization", "REDACTED"),
            ("OpenAI-Project", "REDACTED"),
            ("Cookie", "session=REDACTED; theme=REDACTED"),
            ("x-my-access-token", "REDACTED"),
            ("user-agent", "openai"),
            ("max-tokens", "5"),
        )
    )
    assert clean.response.headers == snapshot(
        (
            ("set-cookie", "__cf_bm=REDACTED; path=/; HttpOnly; Expires=Wed, 21 Oct 2026 07:28:00 GMT"),
            ("anthropic-organization-id", "REDACTED"),
            ("openai-organization", "REDACTED"),
            ("x-ratelimit-remaining-tokens", "99"),
            ("access-control-allow-credentials", "true"),
            ("location", "https://REDACTED@files.example.com/x?sig=REDACTED&part=2"),
        )
    )


def test_uris_keep_everything_but_the_secret():
    """A URI keeps its order, its escapes and its other parameters."""
    uri = "https://me:p%40ss@h.example:8443/v1beta/models/m:streamGenerateContent?alt=sse&Key=a%2Fb&empty=&x=%20y#frag"
    assert redact_uri(uri) == (
        "https://REDACTED@h.example:8443/v1beta/models/m:streamGenerateContent?alt=sse&Key=REDACTED&empty=&x=%20y#frag"
    )
    assert redact_uri("http://h/a@b?email=a@b") == "http://h/a@b?email=a@b"
    assert redact_uri("//a\"b'c:d@e@h/x") == "//REDACTED@h/x"


def test_sigv4_in_headers_and_query():
    """A signature goes from the header, a presigned URL and the security token; region and signed headers are not missed."""
    key, signature = "AKIAIOSFODNN7EXAMPLE", "fe5f80f77d5fa3beca038a248ff027d0445342fe2855ddc963176630326f1024"
    header = f"AWS4-HMAC-SHA256 Credential={key}/20261122/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature={signature}"
    request = Request(
        "POST",
        f"https://b.example/model/m/invoke?X-Amz-Credential={key}%2F20261122&X-Amz-Signature={signature}&X-Amz-Date=20261122T0000Z",
        (("Authorization", header), ("X-Amz-Security-Token", "IQoJb3JpZ2luX2Vj")),
        f'{{"echo": "{signature}"}}'.encode(),
    )
    clean = redact(Interaction(request, Response(body=f"the signature {signature} does not match".encode())))
    assert clean.request.headers == (
        ("Authorization", "AWS4-HMAC-SHA256 REDACTED"),
        ("X-Amz-Security-Token", "REDACTED"),
    )
    assert clean.request.uri == (
        "https://b.example/model/m/invoke?X-Amz-Credential=REDACTED&X-Amz-Signature=REDACTED&X-Amz-Date=20261122T0000Z"
    )
    assert clean.request.body == b'{"echo": "REDACTED"}'
    assert clean.response.body == b"the signature REDACTED does not match"


def test_own_credentials_go_wherever_they_stand():
    """A key of no known form goes from the answer that echoes it, as do the parts of Basic and of userinfo."""
    basic = base64.b64encode(b"alice:correct horse battery").decode()
    request = Request(
        "POST", "https://bob:hunter2hunter2@h/", (("authorization", f"Basic {basic}"), ("x-api-key", "4fQ7zzPl0m"))
    )
    body = b'{"error": "key 4fQ7zzPl0m, password correct horse battery, or hunter2hunter2"}'
    fault = RecordedError("connect", "ConnectError", "cannot reach https://bob:hunter2hunter2@h/")
    record = StreamRecord((Chunk(len(body), 1.0),), error=fault)
    clean = redact(Interaction(request, Response(401, "no 4fQ7zzPl0m", (("x-echo", "4fQ7zzPl0m"),), body, record)))
    assert clean.response.body == b'{"error": "key REDACTED, password REDACTED, or REDACTED"}'
    assert clean.response.headers == (("x-echo", "REDACTED"),)
    assert clean.response.message == "no REDACTED"
    assert clean.response.stream.error.message == "cannot reach https://REDACTED@h/"


@pytest.mark.parametrize("before", ["", "x", "ab", "user:"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode], ids=["standard", "urlsafe"])
def test_the_base64_of_an_own_credential_goes_too(encode, before):
    """A model may encode the key of its request, alone or inside a text; a stream may cut the base64 anywhere."""
    key = "a?>4fQ7zzPl0mXw?>"
    for after in ("", "!", "\n\n"):
        written = encode(f"{before}{key}{after}".encode()).decode()
        request = Request("POST", "https://h/v1/chat/completions", (("x-api-key", key),))
        response = streamed(sse(*pieces_of(f"It is {written}, encoded", (9, 17)))).response
        text = text_of(redact(Interaction(request, response)).response.body)
        assert "REDACTED" in text
        assert text.startswith("It is ")
        assert text.endswith(", encoded")
        assert all(written[at : at + 6] not in text for at in range(len(encode(before.encode())), len(written) - 8))


@pytest.mark.parametrize("key", ["ollama", "EMPTY", "lm-studio", "not-needed", "REDACTED"])
def test_a_dummy_key_is_not_looked_for_elsewhere(key):
    """A dummy key that is also a word stays in texts."""
    request = Request("POST", "http://h/", (("authorization", f"Bearer {key}"),), f'{{"model": "{key}"}}'.encode())
    clean = redact(Interaction(request, Response()))
    assert clean.request.headers == (("authorization", "Bearer REDACTED"),)
    assert clean.request.body == request.body
    assert credentials_of(Interaction(request, Response())) == ()


def test_a_credential_of_one_interaction_goes_from_all():
    """The token of one request is removed from all interactions of its cassette."""
    login = Interaction(Request("POST", "http://h/login"), Response(body=b"welcome, your pass is 77-opaque-99"))
    use = Interaction(Request("GET", "http://h/x", (("authorization", "Bearer 77-opaque-99"),)), Response())
    first, _ = redact_all([login, use])
    assert first.response.body == b"welcome, your pass is REDACTED"
