"""Errors: refused requests in the provider's own format, and errors inside a stream."""

from __future__ import annotations

import json

from tokentape_conformance.provider import ProviderTrial, case, having
from tokentape_conformance.provider.exchange import Exchange
from tokentape_conformance.provider.grammar_event import at_path
from tokentape_conformance.provider.http_request import HttpRequest, raw_request, request_of
from tokentape_conformance.provider.scenario import BREAKS, TEXT, refused
from tokentape_conformance.trial import Prose

REFERENCE = "the provider's API reference: errors"


def expect_error(trial: ProviderTrial, answer: Exchange, *statuses: int) -> None:
    """Check for an error in the provider's format, with one of these statuses, by default any 4xx."""
    if answer.status not in (statuses or range(400, 500)):
        expected = " or ".join(map(str, statuses)) or "400 to 499"
        trial.fail("the status", Prose(f"{answer.status} {answer.error}".strip()), Prose(expected))
    if not isinstance(answer.document, dict):
        trial.fail("the body", Prose(repr(answer.body[:200])), Prose("a JSON object"))
    for path in trial.facts.error_fields:
        value = at_path(answer.document, path)
        if not isinstance(value, str) or not value:
            trial.fail(f"`{path}` of the error", value, Prose("some text"))


@case(
    "provider/errors/bad-json",
    "A body that is not JSON is refused with a 4xx, in the provider's format.",
    source=REFERENCE,
    needs=["bad_json"],
)
def bad_json(trial: ProviderTrial) -> None:
    answer = trial.send(raw_request(trial.wire, b'{"model": ', trial.target.model_for(trial.wire)))
    expect_error(trial, answer)


@case(
    "provider/errors/missing-field",
    "A request without its messages is refused with a 4xx, in the provider's format.",
    source=REFERENCE,
    needs=["missing_field"],
    wires=having(lambda facts: facts.prompt_required),
)
def missing_field(trial: ProviderTrial) -> None:
    form, model = trial.grammar.request, trial.target.model_for(trial.wire)
    body = form.body(TEXT, model, True)
    del body[form.prompt_field]
    expect_error(trial, trial.send(raw_request(trial.wire, json.dumps(body).encode(), model)))


@case(
    "provider/errors/wrong-type",
    "Messages of a wrong type are refused with a 4xx, in the provider's format.",
    source=REFERENCE,
    needs=["missing_field"],
)
def wrong_type(trial: ProviderTrial) -> None:
    form, model = trial.grammar.request, trial.target.model_for(trial.wire)
    body = form.body(TEXT, model, True) | {form.prompt_field: 7}
    expect_error(trial, trial.send(raw_request(trial.wire, json.dumps(body).encode(), model)))


@case(
    "provider/errors/unknown-path",
    "An unknown path is a 404.",
    source="RFC 9110, 15.5.5",
    needs=["unknown_path"],
)
def unknown_path(trial: ProviderTrial) -> None:
    model = trial.target.model_for(trial.wire)
    request = raw_request(trial.wire, b"{}", model)
    path, _, _ = request.path.partition("?")
    answer = trial.send(HttpRequest("POST", f"{path}-nothing-is-here", request.headers, request.body))
    trial.expect("the status", answer.status, 404)


@case(
    "provider/errors/unknown-model",
    "An unknown model is refused with a 4xx, in the provider's format.",
    source=REFERENCE,
    needs=["unknown_model"],
)
def unknown_model(trial: ProviderTrial) -> None:
    answer = trial.send(request_of(trial.wire, TEXT, "no-such-model-7"))
    expect_error(trial, answer, 400, 403, 404, 422)


@case(
    "provider/errors/nested",
    "A body that is nested thousands deep is refused with a 4xx.",
    source="RFC 8259, 9: a parser may limit the depth of nesting",
    needs=["bad_json"],
)
def nested(trial: ProviderTrial) -> None:
    answer = trial.send(raw_request(trial.wire, b"[" * 5000 + b"]" * 5000, trial.target.model_for(trial.wire)))
    expect_error(trial, answer)


@case(
    "provider/errors/serves-on",
    "After a refused request, the server answers the next one.",
    source="RFC 9110, 15.5",
)
def serves_on(trial: ProviderTrial) -> None:
    trial.send(raw_request(trial.wire, b'{"model": ', trial.target.model_for(trial.wire)))
    trial.expect("the status of the next", trial.new_response(TEXT).status, 200)


@case(
    "provider/errors/rate-limit",
    "A 429 is in the provider's format, with a retry-after.",
    source="RFC 9110, 10.2.3; the provider's API reference: rate limits",
    needs=["scripted"],
)
def rate_limit(trial: ProviderTrial) -> None:
    answer = trial.response(refused(429))
    expect_error(trial, answer, 429)
    if trial.facts.retry_after:
        trial.expect("retry-after", answer.header("retry-after"), "2")


@case(
    "provider/errors/server-error",
    "A 500 is in the provider's format.",
    source=REFERENCE,
    needs=["scripted"],
)
def server_error(trial: ProviderTrial) -> None:
    expect_error(trial, trial.response(refused(500)), 500)


@case(
    "provider/errors/in-stream",
    "An error inside a stream is an event, and no normal end follows.",
    source="the provider's API reference: errors while streaming",
    needs=["scripted"],
)
def in_stream(trial: ProviderTrial) -> None:
    judged = trial.stream(BREAKS)
    if judged.state != "failed":
        trial.fail("the stream", Prose(judged.state), Prose("failed"))
    trial.expect_none(judged.of("framing", "order", "over", "known"))
    trial.expect("the text before it", judged.content.text, "This far, and")
