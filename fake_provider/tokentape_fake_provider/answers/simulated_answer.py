"""What answers a chat without any set-up: the simulated model; and any other request: a result that is computed."""

from __future__ import annotations

import re
from collections.abc import Hashable
from functools import partial
from typing import Final, TypeAlias

import msgspec
from msgspec.structs import replace

from tokentape_fake_provider.answers.answer import Answer, Plan, error_answer, ready, refused
from tokentape_fake_provider.answers.cached_contents import check_beside_content
from tokentape_fake_provider.answers.encoded_answer import answer_of_script
from tokentape_fake_provider.answers.files import check_files, refers_to_files
from tokentape_fake_provider.answers.prompt_caching import cache_usage
from tokentape_fake_provider.answers.received_request import ReceivedRequest
from tokentape_fake_provider.errors import BadRequestError, PatternTimeoutError, SchemaError
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.script.recently_used import RecentlyUsed
from tokentape_fake_provider.sessions.condition import IncomingRequest
from tokentape_fake_provider.simulation.model import simulate
from tokentape_fake_provider.simulation.schema_values import LARGEST_COST
from tokentape_fake_provider.wires import ENDPOINTS, served_named
from tokentape_fake_provider.wires.endpoints.endpoint import Endpoint
from tokentape_fake_provider.wires.prompt_reader import asks_in_messages_alone
from tokentape_fake_provider.wires.validation.check import betas_of, check_request
from tokentape_fake_provider.wires.wire import Wire

_WORD_SIZE = 6
"""The characters of a word and the space before it."""
_COSTLY_SCHEMA: Final = re.compile(rb'"(?:pattern|patternProperties|min(?:Items|Length|Properties|Contains))"')
"""A keyword of a JSON Schema for which a value may take long to generate."""

_Key: TypeAlias = tuple[Hashable, ...]
# Clients of a load test and of a test suite send equal requests. Sizes are in bytes.
_SIMULATED: Final[RecentlyUsed[_Key, Script]] = RecentlyUsed(1_000_000)


def plan_simulated(received: ReceivedRequest, wire: Wire, incoming: IncomingRequest, note: str) -> Plan:
    """What the simulated model answers, or the provider's refusal; `note` is why no recording does."""
    request, settings = incoming.request, received.settings
    prompt = len(request.text)
    if request.task is not None:
        return Plan(partial(_computed, received, ENDPOINTS[wire.name], incoming, note), prompt + request.task.size)
    key = _key(received, incoming)
    script = None if key is None else _SIMULATED.get(key)
    if script is None and settings.validate:
        try:
            _check(received, wire, incoming, keeps_files=key is None)
        except BadRequestError as error:
            return ready(refused(wire, error, request))
    has_schema = script is None and not asks_in_messages_alone(request.body)
    costly = LARGEST_COST if has_schema and _COSTLY_SCHEMA.search(received.http.raw) else 0
    size = settings.simulation.words * request.choices * _WORD_SIZE + costly
    return Plan(partial(_simulated, received, incoming, script, note, key), prompt + size if size else 0)


def _key(received: ReceivedRequest, incoming: IncomingRequest) -> _Key | None:
    """All that the simulated model's script, and that it is not refused, depends on.

    `None` for a request that refers to what the session keeps, or whose bytes are not known.
    """
    http, settings, request = received.http, received.settings, incoming.request
    if request.body is not http.body or not http.raw or refers_to_files(http.raw):
        return None
    betas = betas_of(request, http.headers)
    own = (settings.simulation, settings.seed, settings.locale, settings.validate)
    return (http.raw, request.wire, http.path, http.query, request.dialect, betas, *own)


def _check(received: ReceivedRequest, wire: Wire, incoming: IncomingRequest, *, keeps_files: bool) -> None:
    """Check what the provider would. Raises `BadRequestError`."""
    http, request = received.http, incoming.request
    check_beside_content(http.body)
    if wire.name in ENDPOINTS:
        ENDPOINTS[wire.name].check(request)
    check_request(request, incoming.prompt, http.headers)
    if keeps_files and refers_to_files(http.raw):
        check_files(received.session.files, request.wire, http.body)


def _simulated(
    received: ReceivedRequest, incoming: IncomingRequest, script: Script | None, note: str, key: _Key | None
) -> Answer:
    """What the simulated model answers: `script`, if an equal request was answered before."""
    http, settings, request = received.http, received.settings, incoming.request
    if script is None:
        facts = served_named(request.wire).facts
        partial_calls = facts.argument_text and (request.stream or facts.complete_argument_text)
        try:
            script = simulate(
                incoming.prompt,
                settings.simulation,
                seed=f"{settings.seed}",
                locale=settings.locale,
                partial_calls=partial_calls,
            )
        except (SchemaError, PatternTimeoutError) as error:
            message = f"The simulated model can't answer: {error}"
            return error_answer(served_named(request.wire), 400, message, "invalid_schema", request=request)
        if key is not None and not _SIMULATED.is_new(key):
            _SIMULATED.put(key, script, len(http.raw) + len(msgspec.json.encode(script)))
    if settings.simulation.caching:
        usage = cache_usage(request, received.session.prompt_cache, http.now / 1000)
        script = script if usage is None else replace(script, usage=usage)
    return answer_of_script(received, script, "synthetic", note=note)


def _computed(received: ReceivedRequest, endpoint: Endpoint, incoming: IncomingRequest, note: str) -> Answer:
    """The result that is computed from the request, unless the provider would refuse it."""
    try:
        if received.settings.validate:
            endpoint.check(incoming.request)
    except BadRequestError as error:
        return refused(endpoint, error, incoming.request)
    return answer_of_script(received, Script(), "synthetic", note=note)
