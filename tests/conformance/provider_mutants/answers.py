"""Broken in usage, tool calls, finish reasons, answers that are not streamed, errors and HTTP."""

from __future__ import annotations

import gzip
import json
from typing import Any

from tests.conformance.provider_mutants.mangler import Answer, broken

Chunk = dict[str, Any]


def usage_of(document: Chunk) -> Chunk:
    """A chunk's usage, or an empty one that is not sent."""
    return document.get("usage") or {}


@broken("http/status")
def answers_202(answer: Answer) -> None:
    """A stream's status is 202."""
    answer.status = 202


@broken("http/content-type")
def has_type_plain_text(answer: Answer) -> None:
    """A stream is text/plain."""
    answer.body, streams = answer.body, answer.streams
    if streams:
        answer.set_header(b"content-type", b"text/plain; charset=utf-8")


@broken("http/content-type", wire="ollama")
def has_type_json_for_a_stream(answer: Answer) -> None:
    """NDJSON is called JSON."""
    if answer.streams:
        answer.set_header(b"content-type", b"application/json")


@broken("http/content-type-not-streamed")
def has_type_html(answer: Answer) -> None:
    """An answer that is not streamed is text/html."""
    if not answer.streams:
        answer.set_header(b"content-type", b"text/html")


@broken("http/identity")
def compresses_unrequested(answer: Answer) -> None:
    """The body is compressed for who does not want it."""
    answer.body = gzip.compress(answer.body)
    answer.set_header(b"content-encoding", b"gzip")


@broken("http/ends")
def breaks_off(answer: Answer) -> None:
    """The connection is broken off after the last event, without the last chunk of HTTP."""
    answer.cut = answer.streams


@broken("http/increments", "clients/leaving")
def holds_all_back(answer: Answer) -> None:
    """The whole answer is generated with or without a reader, and then sent at once."""


@broken("http/keep-alive")
def closes_each_connection(answer: Answer) -> None:
    """A connection serves one request only."""
    answer.set_header(b"connection", b"close")


@broken("usage/reported")
def reports_nothing(answer: Answer) -> None:
    """Requested usage is missing."""
    answer.edit(lambda chunk: chunk.get("choices") != [])


@broken("usage/reported", wire="anthropic_messages")
def forgets_the_cache(answer: Answer) -> None:
    """Cached tokens are left out of what is all of the input."""

    def change(event: Chunk) -> None:
        for usage in (usage_of(event), usage_of(event.get("message", {}))):
            usage.pop("cache_read_input_tokens", None)

    answer.edit(change)


@broken("usage/parts")
def caches_more_than_there_is(answer: Answer) -> None:
    """There are more cached tokens than prompt tokens."""

    def change(chunk: Chunk) -> None:
        if usage := usage_of(chunk):
            usage["prompt_tokens_details"]["cached_tokens"] = usage["prompt_tokens"] + 1

    answer.edit(change)


@broken("usage/parts", wire="openai_responses")
def reports_more_reasoning_than_output(answer: Answer) -> None:
    """There are more reasoning tokens than output tokens."""

    def change(event: Chunk) -> None:
        if usage := usage_of(event.get("response", {})):
            usage["output_tokens_details"]["reasoning_tokens"] = usage["output_tokens"] + 1

    answer.edit(change)


@broken("usage/total")
def adds_wrongly(answer: Answer) -> None:
    """The total is not the sum."""
    answer.edit(lambda chunk: usage_of(chunk).update(total_tokens=1))


@broken("usage/total", wire="gemini")
def adds_without_thoughts(answer: Answer) -> None:
    """The total leaves the thoughts out."""

    def change(chunk: Chunk) -> None:
        usage = chunk.get("usageMetadata", {})
        usage["totalTokenCount"] = usage.get("promptTokenCount", 0) + usage.get("candidatesTokenCount", 0)

    answer.edit(change)


@broken("usage/cached")
def never_reports_the_cache(answer: Answer) -> None:
    """cached_tokens is always 0."""
    answer.edit(lambda chunk: usage_of(chunk).get("prompt_tokens_details", {}).update(cached_tokens=0))


@broken("usage/reasoning")
def never_reports_reasoning(answer: Answer) -> None:
    """reasoning_tokens is always 0."""
    answer.edit(lambda chunk: usage_of(chunk).get("completion_tokens_details", {}).update(reasoning_tokens=0))


@broken("usage/own-chunk")
def has_choices_beside_usage(answer: Answer) -> None:
    """The chunk with the usage has a choice."""

    def change(chunk: Chunk) -> None:
        if usage_of(chunk):
            chunk["choices"] = [{"index": 0, "delta": {}, "finish_reason": None}]

    answer.edit(change)


@broken("usage/own-chunk")
def reports_twice(answer: Answer) -> None:
    """Usage comes twice, so that a reader that sums counts double."""
    answer.events = [part for event in answer.events for part in [event] * (1 + (b'"choices":[]' in event))]


@broken("usage/only-if-asked")
def reports_unrequested(answer: Answer) -> None:
    """Usage is sent without being requested."""
    if answer.streams and b"include_usage" not in answer.request:
        last = json.loads(answer.events[0].removeprefix(b"data: "))
        last |= {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}
        answer.events = [*answer.events[:-1], b"data: " + json.dumps(last).encode() + b"\n\n", answer.events[-1]]


@broken("usage/at-the-start", wire="anthropic_messages")
def counts_deltas_only(answer: Answer) -> None:
    """message_delta counts only what came after message_start."""
    answer.edit(lambda event: usage_of(event).update(output_tokens=0))


@broken("usage/within-the-limit")
def goes_over_the_limit(answer: Answer) -> None:
    """There is more output than the limit."""
    answer.edit(lambda chunk: usage_of(chunk).update(completion_tokens=50, total_tokens=62))


@broken("usage/not-streamed")
def counts_otherwise_without_streaming(answer: Answer) -> None:
    """Without streaming the prompt has other tokens."""
    answer.edit_whole(lambda whole: usage_of(whole).update(prompt_tokens=7))


@broken("tools/called")
def calls_another_tool(answer: Answer) -> None:
    """It calls what was not offered."""
    answer.body = answer.body.replace(b'"name":"forecast"', b'"name":"weather"')


@broken("tools/id", wire="anthropic_messages")
def gives_calls_no_id(answer: Answer) -> None:
    """A call's id is empty."""
    answer.edit(lambda event: event.get("content_block", {}).update(id=""))


@broken("tools/arguments")
def loses_a_fragment(answer: Answer) -> None:
    """A fragment of the arguments is missing."""
    answer.events = [event for event in answer.events if b'"arguments":"Lisbon"' not in event]


@broken("tools/arguments", wire="anthropic_messages")
def encodes_arguments_twice(answer: Answer) -> None:
    """The arguments are a JSON string of JSON."""

    def change(event: Chunk) -> None:
        if event.get("delta", {}).get("type") == "input_json_delta":
            event["delta"]["partial_json"] = ""
        if event.get("type") == "content_block_start" and event["content_block"]["type"] == "tool_use":
            event["content_block"]["input"] = '{"city": "Lisbon"}'

    answer.edit(change)


@broken("tools/types")
def sends_arguments_as_objects(answer: Answer) -> None:
    """Arguments are an object instead of its text."""

    def change(chunk: Chunk) -> None:
        for choice in chunk.get("choices", ()):
            for call in choice.get("delta", {}).get("tool_calls", ()):
                call["function"]["arguments"] = {"city": "Lisbon"}

    answer.edit(change)


@broken("tools/types", wire="ollama")
def sends_arguments_as_text(answer: Answer) -> None:
    """Arguments are text instead of an object."""

    def change(line: Chunk) -> None:
        for call in line.get("message", {}).get("tool_calls", ()):
            call["function"]["arguments"] = json.dumps(call["function"]["arguments"])

    answer.edit(change)


@broken("tools/index")
def numbers_no_calls(answer: Answer) -> None:
    """Fragments have no index of their call."""

    def change(chunk: Chunk) -> None:
        for choice in chunk.get("choices", ()):
            for call in choice.get("delta", {}).get("tool_calls", ()):
                call.pop("index")

    answer.edit(change)


@broken("tools/parallel", "stream/order")
def restarts_the_index(answer: Answer) -> None:
    """The second call has the index of the first."""
    answer.body = answer.body.replace(b'"tool_calls":[{"index":1', b'"tool_calls":[{"index":0')


@broken("tools/not-streamed")
def calls_nothing_without_streaming(answer: Answer) -> None:
    """Without streaming there is no call."""

    def change(whole: Chunk) -> None:
        for choice in whole.get("choices", ()):
            choice["message"].pop("tool_calls", None)

    answer.edit_whole(change)


@broken("tools/finish")
def stops_instead_of_calling(answer: Answer) -> None:
    """The finish reason of a tool call is `stop`."""
    answer.body = answer.body.replace(b'"finish_reason":"tool_calls"', b'"finish_reason":"stop"')


@broken("finish/told")
def speaks_another_language(answer: Answer) -> None:
    """The finish reason is another provider's word."""
    answer.body = answer.body.replace(b'"finish_reason":"stop"', b'"finish_reason":"end_turn"')


@broken("finish/length")
def hides_the_limit(answer: Answer) -> None:
    """An answer that a limit cut has the finish reason stop."""
    answer.body = answer.body.replace(b'"finish_reason":"length"', b'"finish_reason":"stop"')


@broken("finish/content-filter")
def hides_the_filter(answer: Answer) -> None:
    """An answer that a filter cut has the finish reason stop."""
    answer.body = answer.body.replace(b'"finish_reason":"content_filter"', b'"finish_reason":"stop"')


@broken("finish/refusal", wire="anthropic_messages")
def hides_a_refusal(answer: Answer) -> None:
    """A refusal has the finish reason of the turn's end."""
    answer.body = answer.body.replace(b'"stop_reason":"refusal"', b'"stop_reason":"end_turn"')


@broken("finish/pause", wire="anthropic_messages")
def hides_a_pause(answer: Answer) -> None:
    """A pause has the finish reason of the turn's end."""
    answer.body = answer.body.replace(b'"stop_reason":"pause_turn"', b'"stop_reason":"end_turn"')


@broken("whole/fields")
def names_no_object_in_a_whole(answer: Answer) -> None:
    """The whole answer has no `object`."""
    answer.edit_whole(lambda whole: whole.pop("object", None))


@broken("whole/text")
def shortens_a_whole(answer: Answer) -> None:
    """Without streaming the text has no spaces at its ends."""

    def change(whole: Chunk) -> None:
        for choice in whole.get("choices", ()):
            choice["message"]["content"] = (choice["message"]["content"] or "")[:-1]

    answer.edit_whole(change)


@broken("whole/reasoning")
def keeps_reasoning_for_streams(answer: Answer) -> None:
    """Without streaming there is no reasoning."""
    answer.edit_whole(lambda whole: [c["message"].pop("reasoning_content", None) for c in whole.get("choices", ())])


@broken("whole/finish")
def hides_the_limit_in_a_whole(answer: Answer) -> None:
    """Without streaming an answer that a limit cut has the finish reason stop."""
    answer.edit_whole(lambda whole: [choice.update(finish_reason="stop") for choice in whole.get("choices", ())])


@broken("whole/model")
def changes_its_name(answer: Answer) -> None:
    """Without streaming it is another model."""
    answer.edit_whole(lambda whole: whole.update(model="another"))


@broken("errors/bad-json")
def takes_bad_json_for_its_own_fault(answer: Answer) -> None:
    """A body that is not JSON is answered with a 500."""
    if answer.request == b'{"model": ':
        answer.status = 500


@broken("errors/missing-field", "errors/rate-limit", "errors/server-error", wire="anthropic_messages")
def errs_in_another_shape(answer: Answer) -> None:
    """Errors are in FastAPI's shape."""
    if answer.status >= 400:
        answer.edit_whole(lambda error: [error.update(detail="wrong"), error.pop("error"), error.pop("type")])


@broken("errors/wrong-type")
def refuses_with_text(answer: Answer) -> None:
    """An error's body is plain text."""
    if answer.status >= 400:
        answer.body = b"Internal Server Error"


@broken("errors/unknown-path")
def knows_every_path(answer: Answer) -> None:
    """A path that there is not is a 400."""
    if answer.status == 404:
        answer.status = 400


@broken("errors/unknown-model", lacks=False)
def knows_every_model(answer: Answer) -> None:
    """Every model is taken for one that there is."""


@broken("errors/nested")
def recurses(answer: Answer) -> None:
    """A body that is nested deep is a 500."""
    if answer.request.startswith(b"[["):
        answer.status = 500


@broken("errors/serves-on")
def never_recovers(answer: Answer) -> None:
    """After a bad request there are only errors."""
    never_recovers.hurt = getattr(never_recovers, "hurt", False) or answer.request == b'{"model": '  # type: ignore[attr-defined]
    if never_recovers.hurt:  # type: ignore[attr-defined]
        answer.status = 503


@broken("errors/rate-limit")
def leaves_retry_after_out(answer: Answer) -> None:
    """A 429 has no retry-after."""
    answer.set_header(b"retry-after", None)


@broken("errors/server-error")
def succeeds_in_failing(answer: Answer) -> None:
    """A server's error is a 200."""
    if answer.status == 500:
        answer.status = 200


@broken("sdk/text", wire="anthropic_messages")
def sends_no_event_names(answer: Answer) -> None:
    """There are no `event:` lines: the SDK sees no events at all."""
    answer.events = [event[event.index(b"data:") :] for event in answer.events if b"data:" in event]


@broken("sdk/tool-calls", wire="cohere_chat")
def starts_no_calls(answer: Answer) -> None:
    """tool-call-start is missing."""
    answer.events = [event for event in answer.events if b"event: tool-call-start" not in event]


@broken("sdk/not-streamed")
def always_streams(answer: Answer) -> None:
    """A request without `stream` is answered with a stream's chunk."""
    answer.edit_whole(lambda whole: [choice.pop("message", None) for choice in whole.get("choices", ())])


@broken("sdk/error")
def errs_with_200(answer: Answer) -> None:
    """Errors have status 200."""
    answer.status = 200
