"""Run: sends the planned requests one after the other, within the budget, and compares the answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

import httpx2
import msgspec

from tokentape import TokentapeError
from tokentape_harness.cassettes.model import Interaction, Response
from tokentape_harness.conversion.response_decoder import DecodedResponse, decode_response
from tokentape_harness.lint.drift.findings import Finding, find_drift
from tokentape_harness.lint.drift.plan import Planned
from tokentape_harness.recording.clock import RecordingClock
from tokentape_harness.recording.proxy.headers import end_to_end, text
from tokentape_harness.recording.response_recorder import ResponseRecorder
from tokentape_harness.redaction import DEFAULT_RULES, RedactionRules, redact, redact_text
from tokentape_harness.redaction.placeholders import with_response_placeholders

_CONNECT_S: Final = 30.0
# Statuses that say nothing about the format: of the key, the quota or the load.
_NO_ANSWER: Final = frozenset((401, 402, 403, 407, 408, 409, 425, 429))


class Outcome(msgspec.Struct, frozen=True):
    """A request that was sent: the answer and how it differs, or why there is none.

    `answer` is redacted, and `None` if there was no answer that can be compared, with `failure` as the reason.
    """

    request: Planned
    answer: Interaction | None = None
    findings: tuple[Finding, ...] = ()
    failure: str = ""
    tokens: int = 0

    @property
    def can_be_recorded(self) -> bool:
        """Whether the answer is complete, and no error."""
        response = None if self.answer is None else self.answer.response
        return (
            response is not None
            and 200 <= response.status < 300
            and response.stream is not None
            and response.stream.end == "complete"
            and not any(finding.kind == "end" for finding in self.findings)
        )


def run_plan(
    requests: Iterable[Planned],
    *,
    secrets: Iterable[str],
    clock: RecordingClock,
    max_tokens: int,
    timeout: float | None = None,
    rules: RedactionRules = DEFAULT_RULES,
) -> list[Outcome]:
    """Send the requests until the answers have taken `max_tokens`, and compare each answer with the recorded one.

    `secrets` are the keys, which are removed from the answers. The requests that are left when the tokens are used up
    have no outcome.
    """
    rules = rules.adding(secrets=secrets)
    outcomes: list[Outcome] = []
    taken = 0
    limits = httpx2.Timeout(timeout, connect=_CONNECT_S)
    with httpx2.Client(timeout=limits, follow_redirects=False) as client:
        for request in requests:
            if taken + request.tokens > max_tokens:
                break
            outcome = _outcome(client, request, clock, rules)
            taken += outcome.tokens
            outcomes.append(outcome)
    return outcomes


def _outcome(client: httpx2.Client, planned: Planned, clock: RecordingClock, rules: RedactionRules) -> Outcome:
    try:
        response = _send(client, planned, clock)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return Outcome(planned, failure=redact_text(f"no response ({type(error).__name__}: {error})", rules))
    # The request is the recorded one, which is redacted, with the recorded URL.
    recorded = planned.recorded
    response = with_response_placeholders(response, planned.values)
    answer = Interaction(recorded.request, redact(Interaction(planned.request, response), rules).response)
    if response.stream is not None and response.stream.end != "complete":
        broke = response.stream.error
        cause = response.stream.end if broke is None else f"{broke.type}: {broke.message}"
        return Outcome(planned, answer, failure=redact_text(f"the response broke off ({cause})", rules))
    decoded = _decoded(answer.response, planned.wire)
    if response.status in _NO_ANSWER or response.status >= 500 or (decoded is not None and _is_overload(decoded)):
        refusal = None if decoded is None else decoded.error
        failure = f"status {response.status}" if refusal is None else str(refusal)
        return Outcome(planned, answer, failure=redact_text(failure, rules))
    found = find_drift(recorded, planned.decoded, answer, planned.wire)
    usage = None if decoded is None else decoded.output.usage
    taken = None if usage is None or usage.output is None else (usage.input or 0) + usage.output
    return Outcome(planned, answer, tuple(found), tokens=planned.tokens if taken is None else taken)


def _decoded(response: Response, wire: str) -> DecodedResponse | None:
    try:
        return decode_response(response, wire)
    except TokentapeError:
        return None


def _is_overload(decoded: DecodedResponse) -> bool:
    """Whether an accepted request ended with the provider's error."""
    return decoded.streamed and decoded.error is not None


def _send(client: httpx2.Client, planned: Planned, clock: RecordingClock) -> Response:
    """Send a request, and record its response with its times."""
    request = planned.with_key()
    parts = urlsplit(request.uri)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    sent = client.build_request(
        request.method,
        request.uri,
        headers=list(request.headers),
        content=request.body,
        # The target as it was recorded: decoding and encoding it may change it.
        extensions={"target": target.encode("latin-1")},
    )
    record = planned.recorded.response.stream
    recorder = ResponseRecorder(request, (record and record.seq) or 0, clock, lambda: None)
    response = client.send(sent, stream=True)
    try:
        recorder.head(response.status_code, response.reason_phrase, text(end_to_end(response.headers.raw)))
        for chunk in response.iter_raw():
            recorder.chunk(chunk)
        recorder.complete()
    except httpx2.HTTPError as error:
        recorder.failed(error)
    finally:
        response.close()
    return recorder.response()
