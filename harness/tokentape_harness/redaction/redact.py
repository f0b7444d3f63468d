"""Redact: remove the secrets from an interaction, which still replays."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_plus

import msgspec

from tokentape_harness.cassettes.content_coding import ContentCodingError, decode_content, split_codings
from tokentape_harness.cassettes.model import Headers, Interaction, Request, Response, header_values
from tokentape_harness.redaction.body import redact_body
from tokentape_harness.redaction.credentials import sent_secrets
from tokentape_harness.redaction.rules import DEFAULT_RULES, PLACEHOLDER, RedactionRules, is_distinct
from tokentape_harness.redaction.searched import SearchedTexts
from tokentape_harness.redaction.spans import Found, redact_text
from tokentape_harness.redaction.text_rules import is_placeholder
from tokentape_harness.redaction.websocket import redact_websocket, sent_in_frames

_SCHEME = re.compile(r"(?i)(bearer|basic|digest|negotiate|token|apikey|key|aws4-hmac-sha256|aws4-ecdsa-p256-sha256)\s+")
_COOKIE_ATTRIBUTES = frozenset(
    {"path", "domain", "expires", "max-age", "samesite", "secure", "httponly", "partitioned", "priority"}
)
_COOKIES = frozenset({"cookie", "cookie2", "set-cookie", "set-cookie2"})
_COOKIE_LENGTH = 16
# Vertex AI has the project in its paths, by which requests are matched.
_IN_PATHS = frozenset({"x-goog-user-project"})
_COOKIE = re.compile(r"([^=;]*)(=?)([^;]*)(;?)")
_USERINFO = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*:)?//([^/?#@]*(?:@[^/?#@]*)*)@")
_PARAMETER = re.compile(r"([^=&]*)=([^&]*)")
_SUBPROTOCOL = "sec-websocket-protocol"
_NAMED = re.compile(r"([^.,\s]+)\.([^,\s]+)")


class Secret(NamedTuple):
    """A secret that was found: the rule that found it, and where it is; not its value."""

    rule: str
    where: str


def redact(
    interaction: Interaction, rules: RedactionRules = DEFAULT_RULES, searched: SearchedTexts | None = None
) -> Interaction:
    """The interaction without its secrets.

    The credentials of its request are removed everywhere, also from the response. A streamed body keeps its events, and
    the chunks their times. Redacting twice gives the same. `searched` are the texts that these rules found clean.
    """
    return _redacted(interaction, rules.adding(secrets=credentials_of(interaction, rules, searched)), [], searched)


def redact_all(interactions: Iterable[Interaction], rules: RedactionRules = DEFAULT_RULES) -> tuple[Interaction, ...]:
    """The interactions of one cassette without their secrets: a credential of one is removed from all."""
    interactions = tuple(interactions)
    known = (secret for interaction in interactions for secret in credentials_of(interaction, rules))
    rules = rules.adding(secrets=known)
    return tuple(_redacted(interaction, rules, []) for interaction in interactions)


def redact_request(request: Request, rules: RedactionRules = DEFAULT_RULES) -> Request:
    """The request without its secrets, as a cassette holds it: redact a request before comparing it with those."""
    rules = rules.adding(secrets=credentials_of(Interaction(request, Response()), rules))
    return without_secrets(request, rules)


def without_secrets(request: Request, rules: RedactionRules, searched: SearchedTexts | None = None) -> Request:
    """The request without its secrets, by rules that hold its credentials."""
    return _request(request, rules, [], searched)


def find_secrets(interaction: Interaction, rules: RedactionRules = DEFAULT_RULES) -> tuple[Secret, ...]:
    """The secrets that `redact` would remove, one for each rule and place."""
    found: list[Secret] = []
    _redacted(interaction, rules.adding(secrets=credentials_of(interaction, rules)), found)
    return tuple(dict.fromkeys(found))


def credentials_of(
    interaction: Interaction, rules: RedactionRules = DEFAULT_RULES, searched: SearchedTexts | None = None
) -> tuple[str, ...]:
    """The credentials of an interaction's request, but not those that may be ordinary words."""
    request = interaction.request
    values: list[str] = []
    for name, value in (*request.headers, *interaction.response.headers):
        lower = name.lower()
        if lower == _SUBPROTOCOL:
            values += [match[2] for match in _NAMED.finditer(value) if rules.is_header(match[1])]
        if not rules.is_header(name):
            continue
        if lower in _COOKIES:
            values += [text for text in _cookie_values(value) if len(text) >= _COOKIE_LENGTH]
        elif lower not in _IN_PATHS:
            values += _parts(_SCHEME.sub("", value, count=1).strip())
    userinfo = _USERINFO.match(request.uri)
    if userinfo is not None:
        values += [part for part in userinfo[2].partition(":") if part != ":"]
    values += [match[2] for match in _PARAMETER.finditer(_query(request.uri)) if rules.is_parameter(match[1])]
    if request.body:
        plain, content_type = plain_body(request)
        searched = searched or SearchedTexts()
        find = partial(sent_secrets, plain, content_type, rules)
        values += searched.credentials(searched.digest(plain, content_type), find)
    if interaction.websocket is not None:
        values += sent_in_frames(interaction.websocket, rules)
    values += [unquote_plus(value) for value in values if "%" in value or "+" in value]
    return tuple(dict.fromkeys(value for value in values if is_distinct(value) and value not in rules.placeholders))


def redact_uri(uri: str) -> str:
    """A URI without its userinfo and the keys in its query; nothing else is changed."""
    return _uri(uri, DEFAULT_RULES, lambda _: None)


def _redacted(
    interaction: Interaction, rules: RedactionRules, found: list[Secret], searched: SearchedTexts | None = None
) -> Interaction:
    return Interaction(
        _request(interaction.request, rules, found, searched), _response(interaction.response, rules, found, searched)
    )


def _noting(found: list[Secret], where: str) -> Found:
    return lambda rule: found.append(Secret(rule, where))


def _request(
    request: Request, rules: RedactionRules, found: list[Secret], searched: SearchedTexts | None = None
) -> Request:
    uri = _uri(request.uri, rules, _noting(found, "request URI"), searched)
    headers = _headers(request.headers, rules, found, "request", searched)
    body = request.body
    if body:
        plain, content_type = plain_body(request)
        note = _noting(found, "request body")
        clean, _ = redact_body(plain, content_type, (), rules, note, sent=True, searched=searched)
        if clean != plain:
            headers = tuple(pair for pair in headers if plain is body or pair[0].lower() != "content-encoding")
            body = clean
            headers = resized(headers, len(body))
    return Request(request.method, uri, headers, body)


def plain_body(request: Request) -> tuple[bytes, str]:
    """The body with its content coding undone, and its content type."""
    body = request.body or b""
    content_type = next(iter(header_values(request.headers, "content-type")), "")
    try:
        return decode_content(body, split_codings(header_values(request.headers, "content-encoding"))), content_type
    except ContentCodingError:
        return body, content_type


def _response(
    response: Response, rules: RedactionRules, found: list[Secret], searched: SearchedTexts | None = None
) -> Response:
    headers = _headers(response.headers, rules, found, "response", searched)
    record = response.stream
    chunks = () if record is None else record.chunks
    note = _noting(found, "response body")
    body, chunks = redact_body(response.body, response.content_type, chunks, rules, note, searched=searched)
    if body != response.body:
        headers = resized(headers, len(body))
    note = _noting(found, "response")
    if record is not None:
        error = record.error
        if error is not None:
            error = msgspec.structs.replace(error, message=redact_text(error.message, rules, note))
        extra = _value(record.extra, rules, note)
        frames = record.websocket and redact_websocket(record.websocket, rules, _noting(found, "WebSocket"))
        record = msgspec.structs.replace(record, chunks=chunks, error=error, websocket=frames, extra=extra)
    message = redact_text(response.message, rules, note)
    return Response(response.status, message, headers, body, record, _value(response.extra, rules, note))


def resized(headers: Headers, length: int) -> Headers:
    """The headers with this content length, where they have one."""
    return tuple((name, str(length) if name.lower() == "content-length" else value) for name, value in headers)


def _headers(
    headers: Headers, rules: RedactionRules, found: list[Secret], part: str, searched: SearchedTexts | None
) -> Headers:
    def redacted() -> Headers:
        return tuple(
            (name, _header(name, value, rules, _noting(found, f"{part} header {name.lower()}"), searched))
            for name, value in headers
        )

    return redacted() if searched is None else searched.headers(part, headers, rules, redacted)


def _header(name: str, value: str, rules: RedactionRules, note: Found, searched: SearchedTexts | None) -> str:
    lower = name.lower()
    if lower == _SUBPROTOCOL:
        value = _NAMED.sub(lambda match: _named(match, rules, note), value)
    if not rules.is_header(name):
        return _uri(value, rules, note, searched)
    scheme = _SCHEME.match(value)
    if not value or value in rules.placeholders or (scheme and value[scheme.end() :] in rules.placeholders):
        return value
    if lower in _COOKIES:
        redacted = "".join(_cookie(*match.groups()) for match in _COOKIE.finditer(value))
    else:
        redacted = (scheme.group() if scheme else "") + PLACEHOLDER
    if redacted != value and not is_placeholder(_SCHEME.sub("", value, count=1)):
        note("a secret value")
    return redacted


def _named(match: re.Match[str], rules: RedactionRules, note: Found) -> str:
    """A subprotocol such as `openai-insecure-api-key.KEY`, in which browsers send what they can't in a header."""
    name, value = match[1], match[2]
    if value in rules.placeholders or not rules.is_header(name):
        return match.group()
    note(f"subprotocol {name.lower()}")
    return f"{name}.{PLACEHOLDER}"


def _cookie_values(value: str) -> list[str]:
    return [match[3].strip() for match in _COOKIE.finditer(value) if match[1].strip().lower() not in _COOKIE_ATTRIBUTES]


def _cookie(name: str, equals: str, value: str, semicolon: str) -> str:
    if name.strip().lower() in _COOKIE_ATTRIBUTES or not (name.strip() or value.strip()):
        return name + equals + value + semicolon
    return (name + equals if equals else " " * (len(name) - len(name.lstrip()))) + PLACEHOLDER + semicolon


def _uri(uri: str, rules: RedactionRules, note: Found, searched: SearchedTexts | None = None) -> str:
    if searched is None:
        return _redacted_uri(uri, rules, note)
    redacted = uri if searched.unsearched(uri, rules) is None else _redacted_uri(uri, rules, note)
    if redacted == uri:
        searched.add_clean(uri, rules)
    return redacted


def _redacted_uri(uri: str, rules: RedactionRules, note: Found) -> str:
    match = _USERINFO.match(uri)
    if match is not None and match[2] not in rules.placeholders:
        note("URL credentials")
        uri = f"{match[1] or ''}//{PLACEHOLDER}@{uri[match.end() :]}"
    query = _query(uri)
    if query:
        start = uri.index("?") + 1
        redacted = _PARAMETER.sub(lambda parameter: _parameter(parameter, rules, note), query)
        uri = uri[:start] + redacted + uri[start + len(query) :]
    return redact_text(uri, rules, note)


def _query(uri: str) -> str:
    return uri.partition("?")[2].partition("#")[0]


def _parameter(match: re.Match[str], rules: RedactionRules, note: Found) -> str:
    name, value = match[1], match[2]
    if value and value not in rules.placeholders and rules.is_parameter(name):
        if not is_placeholder(value):
            note(f"query parameter {unquote_plus(name).lower()}")
        return f"{name}={PLACEHOLDER}"
    plain = unquote_plus(value)
    if plain != value and redact_text(plain, rules, note) != plain:
        return f"{name}={quote(redact_text(plain, rules, note))}"
    return match.group()


def _parts(value: str) -> list[str]:
    """The secret parts of a credential: the key id and signature of AWS, the user and password of Basic."""
    if "Credential=" in value:
        found = re.findall(r"(?:Credential|Signature)=([^/,\s]+)", value)
        return [str(part) for part in found]
    parts = [value]
    try:
        plain = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return parts
    user, colon, password = plain.partition(":")
    return [*parts, user, password] if colon and plain.isprintable() else parts


def _value(value: Any, rules: RedactionRules, note: Found) -> Any:
    """Any value that another recorder stored beside vcrpy's keys, redacted."""
    match value:
        case str():
            return redact_text(value, rules, note)
        case bytes():
            return redact_body(value, "", (), rules, note)[0]
        case Mapping():
            redacted = {}
            for key, item in value.items():
                secret = (
                    isinstance(item, str)
                    and item not in ("", *rules.placeholders)
                    and rules.is_member((str(key),), item)
                )
                if secret:
                    note(f"field {str(key).lower()}")
                redacted[key] = PLACEHOLDER if secret else _value(item, rules, note)
            return redacted
        case list() | tuple():
            return [_value(item, rules, note) for item in value]
        case _:
            return value
