"""Secret names: which names hold secrets, in each place and each way of writing."""

# ruff: noqa: SIM905 - lists of words

from __future__ import annotations

import itertools

from rich.pretty import pretty_repr

from tokentape_fake_provider.playback.journal import MASK, Entry
from tokentape_fake_provider.playback.secret_names import is_secret_name

ANYWHERE = (
    "api-key x-api-key client-secret access-token refresh-token id-token session-token aws-session-token auth-token "
    "api-token x-api-token api-secret secret-key private-key aws-secret-access-key aws-access-key-id x-rapidapi-key "
    "x-functions-key x-portkey-virtual-key x-secret-key cf-aig-authorization authorization x-goog-api-key app-key "
    "ocp-apim-subscription-key password db-passwd private-token x-vault-token xi-api-key api-key-2 api-keys "
    "storage-key connection-string"
).split()
OUTSIDE_JSON = (
    "x-auth helicone-auth sig signature x-amz-signature pwd key token x-slack-signature jwt hapikey bearer sas pin otp "
    "pat credentials"
).split()
HEADERS = (
    "cookie set-cookie openai-organization openai-project anthropic-organization-id x-goog-user-project "
    "proxy-authorization x-ms-authorization-auxiliary authentication x-firebase-appcheck x-honeycomb-team x-auth-email"
).split()
NEVER = (
    "max-tokens prompt-tokens token-count x-time-per-token x-max-token tokenizer next-page-token page-token author "
    "authorized monkey keyboard x-ratelimit-remaining-tokens idempotency-key sec-websocket-key cache-key "
    "x-billed-token x-remaining-token x-accepted-token x-used-token "
    "prompt-cache-key eos-token stop-token passwordless access-control-allow-credentials content-type secretary "
    "with-credentials session-id x-session-id mcp-session-id spin string connection"
).split()
IN_JSON_ONLY_ORDINARY = ["key", "token", "signature", "thought-signature", "pwd", "sort-key", "translation-key", "sig"]


def spellings(name: str) -> list[str]:
    """The name in kebab, snake, camel, Pascal, upper and Train case."""
    words = name.split("-")
    pascal = "".join(word.capitalize() for word in words)
    train = "-".join(word.capitalize() for word in words)
    snake = "_".join(words)
    return list(dict.fromkeys((name, snake, pascal[:1].lower() + pascal[1:], pascal, snake.upper(), train)))


def named(names, *places):
    return [(spelling, place) for name, place in itertools.product(names, places) for spelling in spellings(name)]


def test_a_secret_name_is_known_in_each_way_of_writing():
    """A secret name is known whatever joins its words."""
    secret = [
        *named(ANYWHERE, "header", "parameter", "member"),
        *named(OUTSIDE_JSON, "header", "parameter"),
        *((name, "header") for name in HEADERS),
        *((name, "member") for name in ("apikey", "hapikey", "accesstoken", "clientsecret", "sessiontoken", "idtoken")),
    ]
    assert [(name, place) for name, place in secret if not is_secret_name(name, place)] == []


def test_an_ordinary_name_is_not_secret():
    """Counts, page tokens and names that only contain such a word stay."""
    ordinary = [*named(NEVER, "header", "parameter", "member"), *named(IN_JSON_ONLY_ORDINARY, "member")]
    assert [(name, place) for name, place in ordinary if is_secret_name(name, place)] == []


def test_the_journal_masks_by_the_same_names():
    """Headers, parameters and JSON members with secret names are masked in the journal; everything else stays."""
    entry = Entry(
        session="s",
        time=0.0,
        method="POST",
        path="/v1",
        query="a=1&hapikey=opaque1&pwd=opaque2&x-amz-signature=opaque3&max_tokens=5&api%5Fkey=opaque4",
        raw_headers=[(name.encode(), b"opaque") for name in ANYWHERE] + [(b"x-time-per-token", b"0.2")],
        raw_body=b'{"accessToken": "opaque5", "max_tokens": 7, "password": {"type": "string"}, "tools": [{"headers": '
        b'{"X-Auth": "opaque6", "Cookie": "opaque7"}, "authorization": "opaque8"}], "apiKeys": ["k"], "pin": "1234", '
        b'"otp": {"type": "string"}, "jwt": "HS256"}',
        wire=None,
    )
    assert entry.query == ("a=1&hapikey=(masked)&pwd=(masked)&x-amz-signature=(masked)&max_tokens=5&api%5Fkey=(masked)")
    assert {value for name, value in entry.headers if name != "x-time-per-token"} == {MASK}
    assert ("x-time-per-token", "0.2") in entry.headers
    assert entry.body == {
        "accessToken": MASK,
        "max_tokens": 7,
        "password": {"type": "string"},
        "tools": [{"headers": {"X-Auth": MASK, "Cookie": MASK}, "authorization": MASK}],
        "apiKeys": ["k"],
        "pin": MASK,
        "otp": {"type": "string"},
        "jwt": "HS256",
    }
    assert "opaque" not in str(entry.to_builtins(frames=True))
    assert "opaque" not in repr(entry)
    assert "opaque" not in pretty_repr(entry)


def test_the_journal_masks_keys_in_subprotocols() -> None:
    """What a browser's WebSocket to OpenAI offers: the key is masked, the other protocols stay."""
    offered = b"realtime, openai-insecure-api-key.sk-secret, openai-organization.org-secret,openai-beta.realtime-v1"
    entry = Entry(
        session="s",
        time=0.0,
        method="GET",
        path="/v1/realtime",
        query="",
        raw_headers=[(b"sec-websocket-protocol", offered)],
        raw_body=b"",
        wire=None,
    )
    assert entry.headers == [
        (
            "sec-websocket-protocol",
            f"realtime, openai-insecure-api-key.{MASK}, openai-organization.{MASK},openai-beta.realtime-v1",
        )
    ]
