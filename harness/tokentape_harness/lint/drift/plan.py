"""Plan: which recorded requests are sent again, to which URL, with which key, and how many tokens that may take."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec

from tokentape import TokentapeError
from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.http.loopback import is_loopback
from tokentape_fake_provider.script.tokenizer import count_tokens
from tokentape_fake_provider.sessions.matching.placeholders import Values
from tokentape_fake_provider.wires import Wire, wire_for_path
from tokentape_fake_provider.wires.facts import Provider
from tokentape_fake_provider.wires.prompt_reader import read_prompt
from tokentape_harness.cassettes.model import Cassette, Interaction, Request
from tokentape_harness.conversion.response_decoder import DecodedResponse, decode_response
from tokentape_harness.errors import UsageError
from tokentape_harness.lint.checks import expired_at
from tokentape_harness.lint.drift.keys import Key, Keys, carries_key, with_key
from tokentape_harness.lint.drift.stand_ins import stand_ins, with_stand_ins
from tokentape_harness.recording.proxy.headers import request_headers, text
from tokentape_harness.recording.proxy.signing import is_aws
from tokentape_harness.recording.proxy.upstream import upstreams_of
from tokentape_harness.redaction.redact import plain_body
from tokentape_harness.testing.sdk_environment import providers


class Budget(NamedTuple):
    """How many requests are sent at most, and how many tokens they may take, input and output together."""

    requests: int
    tokens: int


class Planned(NamedTuple):
    """A recorded request that is sent again, as it is sent, except for its key; `values` are those of its placeholders.

    `tokens` is the most that it may take: its input, and its output's limit, or without a limit (`limited` is false)
    what the recorded answer took.
    """

    file: Path
    number: int
    recorded: Interaction
    decoded: DecodedResponse
    wire: str
    request: Request
    values: Values
    provider: Provider | None
    key: Key | None
    tokens: int
    limited: bool
    expired: bool

    @property
    def place(self) -> str:
        """The file and the interaction."""
        return f"{self.file}: interaction {self.number}"

    @property
    def host(self) -> str:
        """The host and port that it is sent to."""
        return urlsplit(self.request.uri).netloc

    def with_key(self) -> Request:
        """The request with its key."""
        return with_key(self.request, self.key, self.provider)


class Skipped(NamedTuple):
    """An interaction that is not sent again, and why."""

    place: str
    reason: str


class Plan(NamedTuple):
    """What is sent, what is beyond the budget, and what is not sent."""

    requests: tuple[Planned, ...]
    beyond: tuple[Planned, ...]
    skipped: tuple[Skipped, ...]
    keys: Keys


class _Skip(Exception):  # noqa: N818 - no error
    """Why an interaction is not sent."""


class _Target(NamedTuple):
    uri: str
    provider: Provider | None
    own_host: bool


def plan_requests(
    cassettes: Sequence[Cassette],
    *,
    key_options: Iterable[str],
    environment: Mapping[str, str],
    upstreams: Sequence[str] = (),
    budget: Budget,
    now: datetime,
    only_expired: bool = False,
) -> Plan:
    """The requests of these cassettes that are sent: those with expired recordings first, then in their order.

    `upstreams` are `NAME=URL`, the URLs that replace a provider's. Raises `UsageError`.
    """
    named = {option.partition("=")[0] for option in upstreams}
    replaced = {name: known.url for name, known in upstreams_of(upstreams, {}).items() if name in named}
    unknown = named - providers().keys()
    if unknown:
        raise UsageError(f"--upstream {min(unknown)}: not a provider: take one of {', '.join(providers())}")
    found: list[tuple[Path, int, Interaction, Wire, _Target]] = []
    skipped: list[Skipped] = []
    sent: set[tuple[str, bytes | None]] = set()
    for cassette in cassettes:
        file = cassette.path or Path("cassette")
        for number, interaction in enumerate(cassette):
            request = interaction.request
            try:
                wire = _wire(interaction)
                if only_expired and not _is_expired(interaction, now):
                    raise _Skip("not expired")
                if (request.uri, request.body) in sent:
                    raise _Skip("the same request as another one")
                sent.add((request.uri, request.body))
                found.append((file, number, interaction, wire, _target(request.uri, wire, replaced)))
            except _Skip as skip:
                skipped.append(Skipped(f"{file}: interaction {number}", str(skip)))
    keys = Keys(key_options, environment, (urlsplit(target.uri).netloc.lower() for *_, target in found))
    planned: list[Planned] = []
    for file, number, interaction, wire, target in found:
        try:
            planned.append(_planned(file, number, interaction, wire, target, keys, now))
        except _Skip as skip:
            skipped.append(Skipped(f"{file}: interaction {number}", str(skip)))
    planned.sort(key=lambda one: not one.expired)
    totals = accumulate(one.tokens for one in planned)
    within = sum(total <= budget.tokens for total in totals)
    within = min(within, budget.requests)
    return Plan(tuple(planned[:within]), tuple(planned[within:]), tuple(skipped), keys)


def _wire(interaction: Interaction) -> Wire:
    """The wire format of an interaction that can be compared. Raises `_Skip`."""
    request, response = interaction.request, interaction.response
    wire = wire_for_path(unquote(urlsplit(request.uri).path))
    if wire is None or request.method != "POST":
        raise _Skip("its request is of no wire format")
    if not 200 <= response.status < 300:
        raise _Skip(f"its recorded response has the status {response.status}")
    if response.stream is not None and response.stream.end != "complete":
        raise _Skip("its recorded answer was cut off")
    return wire


def _target(uri: str, wire: Wire, replaced: Mapping[str, str]) -> _Target:
    """Where a request is sent: to its recorded origin, or to the upstream in place of it."""
    parts = urlsplit(uri)
    origin = f"{parts.scheme}://{parts.netloc}"
    known = providers()
    owner = next((provider for provider in known.values() if _is_origin(origin, provider.origin)), None)
    provider = owner or known.get(wire.facts.provider.name)
    if provider is not None and provider.name in replaced:
        return _Target(replaced[provider.name] + uri[len(origin) :], provider, own_host=True)
    return _Target(uri, provider, own_host=owner is not None)


def _is_origin(origin: str, pattern: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\{region\}", r"[\w-]+"), origin) is not None


def _planned(
    file: Path, number: int, interaction: Interaction, wire: Wire, target: _Target, keys: Keys, now: datetime
) -> Planned:
    request = interaction.request
    parts = urlsplit(target.uri)
    try:
        decoded = decode_response(interaction.response, wire.name)
    except TokentapeError as error:
        raise _Skip(f"its recorded answer is not one of {wire.name} ({error})") from error
    if decoded.error is not None or decoded.truncated:
        raise _Skip("its recorded answer is incomplete")
    local = is_loopback(parts.hostname or "")
    key = keys.key_for(target.uri, target.provider, own_host=target.own_host)
    if key is None and not local and (is_aws(target.uri) or carries_key(request) or target.own_host):
        known = target.provider.keys if target.provider is not None and target.own_host else ()
        option = known[0] if known else f"{parts.netloc}=VARIABLE"
        raise _Skip(f"no key for {parts.netloc}: give its variable as --key-env {option}")
    if key is not None and parts.scheme == "http" and not local:
        raise _Skip(f"{parts.netloc} is not encrypted, so that no key is sent to it: --upstream names an https:// URL")
    raw = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in request.headers]
    headers = text(request_headers(raw, parts.netloc, len(request.body or b"")))
    kept = tuple(pair for pair in headers if pair[0].lower() not in ("host", "content-length", "idempotency-key"))
    tokens, limited = _tokens(interaction, wire, decoded)
    values = stand_ins(request)
    return Planned(
        file,
        number,
        interaction,
        decoded,
        wire.name,
        with_stand_ins(Request(request.method, target.uri, kept, request.body), values),
        values,
        target.provider,
        key,
        tokens,
        limited,
        _is_expired(interaction, now),
    )


def _tokens(interaction: Interaction, wire: Wire, decoded: DecodedResponse) -> tuple[int, bool]:
    """The most tokens that a request may take, and whether it limits its output."""
    usage = decoded.output.usage
    parts = urlsplit(interaction.request.uri)
    try:
        body = msgspec.json.decode(plain_body(interaction.request)[0], type=dict[str, Any])
        read = wire.read(unquote(parts.path), body, created=0, seed="")
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _Skip("its request is not a JSON object") from error
    except BadRequestError as error:
        raise _Skip(f"its request is not one of {wire.name} ({error.message})") from error
    prompt = read_prompt(read)
    sent = usage.input if usage.input is not None else count_tokens(read.text)
    limit = None if prompt.max_tokens is None else prompt.max_tokens * prompt.choices
    return sent + (limit if limit is not None else usage.output or 0), limit is not None


def _is_expired(interaction: Interaction, now: datetime) -> bool:
    moment = expired_at(interaction.response)
    return moment is not None and moment <= now
