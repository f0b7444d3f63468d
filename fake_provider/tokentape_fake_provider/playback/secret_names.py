"""Recognises headers, parameters and JSON members that contain a secret, by their name in any spelling."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, Literal
from urllib.parse import unquote_plus

from tokentape_fake_provider.playback.randomness import is_random

Place = Literal["header", "parameter", "member"]
"""A header; a parameter of a query or form; a member of a JSON object."""

# Longer names are judged by their ends.
_LONGEST: Final = 100
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_MEMBER: Final = re.compile(r'(?P<start>"(?P<name>[^"\\]{1,100})"\s*:\s*)"(?P<value>(?:[^"\\]|\\.)*+)', re.DOTALL)
# A browser's WebSocket to OpenAI offers its key as a protocol.
_PROTOCOL: Final = re.compile(r"([^.,\s]+)\.([^,\s]+)")
_PARAMETER: Final = re.compile(r"([^&=]*)=([^&]*)")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SECRET_HEADERS: Final = _words(
    "openai-organization openai-project anthropic-organization-id x-goog-user-project cf-access-client-id "
    "x-honeycomb-team x-auth-email"
)
_LAST_WORDS: Final = _words("password passwd passphrase passcode secret authorization credential")
# In JSON these are ordinary: a model's `signature` of its reasoning, the working directory `pwd`.
_LAST_WORDS_OUTSIDE_JSON: Final = _words(
    "appcheck auth authentication assertion bearer cookie credentials jwt otp pass pat pin pwd sas sig signature"
)
# In JSON these are secret if the value has the form of a secret.
_CODES: Final = _words("otp pin")
_AMBIGUOUS: Final = _CODES | _words("auth bearer credentials jwt pass pat")
_CODE: Final = re.compile(r"\d{4,8}")
_SHORTEST_SECRET: Final = 16
_RUN_TOGETHER: Final = (
    *("apikey", "apisecret", "apitoken", "accesskey", "accesskeyid", "accesstoken", "authkey", "authtoken"),
    *(
        "bearertoken",
        "clientsecret",
        "connectionstring",
        "idtoken",
        "privatekey",
        "refreshtoken",
        "secretkey",
        "securitytoken",
    ),
    *("sessiontoken", "subscriptionkey"),
)
_PUBLIC: Final = {("allow", "credentials"), ("with", "credentials")}
_PLURALS: Final = {"keys": "key", "secrets": "secret", "passwords": "password"}
# A JSON member that ends in `key` is mostly a name (sort_key, prompt_cache_key): these words make it a credential.
_SECRET_KEYS: Final = _words(
    "access account admin api app application auth authentication client consumer deploy encryption function "
    "functions host license master private provisioning rapidapi secret security service shared signing "
    "storage subscription virtual webhook write"
)
# Headers and parameters that end in these words and `key` are not secret.
_PUBLIC_KEYS: Final = _words(
    "cache deduplication dedupe foreign group hash idempotency index lock object order partition per primary "
    "public range routing row shard sort surrogate websocket"
)
# Counts, places and words of a vocabulary: x-time-per-token, next_page_token, eos_token.
_PUBLIC_TOKENS: Final = _words(
    "accepted additional begin billed bos cached change cls completion consumed continuation cost current cursor "
    "decoder draft end eos first generated idempotency image input inter last marker mask max min new next num output "
    "pad page pagination per prev previous prompt reasoning rejected remaining request resume sampled scan sep "
    "special speculative start stop sync target text thinking top total unk used"
)


@lru_cache(maxsize=4096)
def is_secret_name(name: str, place: Place) -> bool:
    """Whether the values under this name are secret: `X-Api-Key`, `api_key` and `apiKey` are one name."""
    return _is_secret(name[-_LONGEST:], place)


@lru_cache(maxsize=4096)
def _is_secret(name: str, place: Place) -> bool:
    if place == "header" and name.lower() in _SECRET_HEADERS:
        return True
    *words, before, last = ["", "", *_words_of(name)]
    last = _PLURALS.get(last, last)
    if last in _LAST_WORDS or (before + last).endswith(_RUN_TOGETHER):
        return True
    if last == "id":
        return words[-1:] == ["access"] and before == "key"
    if place == "member":
        return (last == "token" and bool(before) and before not in _PUBLIC_TOKENS) or (
            last == "key" and before in _SECRET_KEYS
        )
    return (
        (last in _LAST_WORDS_OUTSIDE_JSON and (before, last) not in _PUBLIC)
        or (last == "token" and before not in _PUBLIC_TOKENS)
        or (last == "key" and before not in _PUBLIC_KEYS)
        or (place == "header" and "authorization" in (*words, before))
    )


def _words_of(name: str) -> list[str]:
    """Return the words of a name in lower case, without a number at its end."""
    words = [word.lower() for word in _WORD.findall(name[-_LONGEST:])]
    while words and words[-1].isdigit():
        words.pop()
    return words


def is_secret_parameter(name: str) -> bool:
    """Whether a parameter of a query or form is secret; its name may be percent-encoded."""
    return is_secret_name(unquote_plus(name) if "%" in name or "+" in name else name, "parameter")


def mask_parameters(query: str, mask: str) -> str:
    """Replace the secrets in a query by `mask`."""
    return _PARAMETER.sub(lambda found: f"{found[1]}={mask}" if is_secret_parameter(found[1]) else found[0], query)


def mask_protocols(offered: str, mask: str) -> str:
    """Replace the secrets in the subprotocols that a WebSocket offers by `mask`."""
    return _PROTOCOL.sub(lambda one: f"{one[1]}.{mask}" if is_secret_name(one[1], "header") else one[0], offered)


def mask_text(text: str, mask: str) -> str:
    """Replace the secrets in a text that is nearly JSON, such as one that was cut off, by `mask`."""

    def masked(found: re.Match[str]) -> str:
        return f'{found["start"]}"{mask}' if is_secret_member(found["name"], found["value"], False) else found[0]

    return _MEMBER.sub(masked, text)


def mask_members(document: Any, mask: str) -> None:
    """Replace the secrets in decoded JSON by `mask`, in place."""
    pending = [(document, False)]
    while pending:
        value, is_headers = pending.pop()
        members: Iterable[tuple[Any, Any]] = ()
        if isinstance(value, dict):
            members = list(value.items())
        elif isinstance(value, list):
            members = list(enumerate(value))
        for key, item in members:
            if isinstance(item, str):
                if isinstance(key, str) and is_secret_member(key, item, is_headers):
                    value[key] = mask
            elif isinstance(item, dict | list):
                pending.append((item, isinstance(key, str) and holds_headers(key)))


def is_secret_member(key: str, value: str, is_header: bool) -> bool:
    """Whether the text of a JSON member is secret; `is_header` is whether the object holds headers."""
    return is_secret_name(key, "header" if is_header else "member") or _is_ambiguous_secret(key, value)


def may_be_secret_member(key: str) -> bool:
    """Whether the text of a JSON member is secret, or would be if it looked like a code or a key."""
    return is_secret_name(key, "member") or _last_word(key) in _AMBIGUOUS


def _is_ambiguous_secret(key: str, value: str) -> bool:
    """Whether a word such as `pin` or `jwt` names this value, and it looks like a code or a key."""
    last = _last_word(key)
    return last in _AMBIGUOUS and (
        (last in _CODES and _CODE.fullmatch(value) is not None)
        or (len(value) >= _SHORTEST_SECRET and not any(char.isspace() for char in value) and is_random(value))
    )


@lru_cache(maxsize=4096)
def _last_word(name: str) -> str:
    return "".join(_words_of(name)[-1:])


def holds_headers(key: str) -> bool:
    """Whether the members of this member are headers, as in the definition of an MCP server."""
    return key.lower().endswith("headers")
