"""Broken in the grammar of their streams."""

from __future__ import annotations

import json
from typing import Any

from tests.conformance.provider_mutants.mangler import Answer, broken

Chunk = dict[str, Any]


@broken("stream/ends")
def leaves_done_out(answer: Answer) -> None:
    """[DONE] is missing."""
    answer.body = answer.body.replace(b"data: [DONE]\n\n", b"")


@broken("stream/ends", wire="anthropic_messages")
def leaves_message_stop_out(answer: Answer) -> None:
    """message_stop is missing."""
    answer.events = [event for event in answer.events if b"event: message_stop" not in event]


@broken("stream/ends", "finish/told")
def leaves_the_finish_reason_out(answer: Answer) -> None:
    """No chunk has a finish reason."""
    answer.edit(lambda chunk: [choice.update(finish_reason=None) for choice in chunk.get("choices", ())])


@broken("stream/ends", wire="ollama")
def never_done(answer: Answer) -> None:
    """No line is the last one."""
    answer.edit(lambda line: line.update(done=False))


@broken("stream/ends", "usage/reported", wire="bedrock_converse")
def leaves_metadata_out(answer: Answer) -> None:
    """The metadata is missing, and the usage with it."""
    if answer.streams:
        at = answer.body.find(b":event-type\x07\x00\x08metadata")
        answer.body = answer.body[: at - 12] if at > 0 else answer.body


@broken("stream/order")
def finishes_twice(answer: Answer) -> None:
    """The chunk with the finish reason comes twice."""
    answer.events = [part for event in answer.events for part in [event] * (1 + (b'"finish_reason":"' in event))]


@broken("stream/order", wire="anthropic_messages")
def leaves_a_block_open(answer: Answer) -> None:
    """The next block begins before the last one is over."""
    answer.events = [event for event in answer.events if b"event: content_block_stop" not in event]


@broken("stream/order", wire="anthropic_messages")
def starts_in_the_middle(answer: Answer) -> None:
    """message_start is missing."""
    answer.events = [event for event in answer.events if b"event: message_start" not in event]


@broken("stream/order", wire="openai_responses")
def deltas_before_their_part(answer: Answer) -> None:
    """content_part.added is missing."""
    answer.events = [event for event in answer.events if b"event: response.content_part.added" not in event]


@broken("stream/over")
def talks_after_done(answer: Answer) -> None:
    """A chunk comes after [DONE]."""
    if answer.streams:
        answer.events = [*answer.events, answer.events[0]]


@broken("stream/over", wire="ollama")
def talks_after_the_last_line(answer: Answer) -> None:
    """A line comes after the one that is done."""
    if answer.streams:
        answer.events = [*answer.events, answer.events[0]]


@broken("stream/known", wire="anthropic_messages")
def invents_events(answer: Answer) -> None:
    """There is an event that is not in the reference."""
    answer.body = answer.body.replace(b"event: ping\n", b"event: keepalive\n").replace(
        b'data: {"type": "ping"}', b'data: {"type": "keepalive"}'
    )


@broken("stream/framing")
def breaks_its_json(answer: Answer) -> None:
    """Strings are not escaped in the JSON of a chunk."""
    answer.body = answer.body.replace(b'\\"', b'"')


@broken("stream/framing")
def leaves_the_last_empty_line_out(answer: Answer) -> None:
    """The last event has no empty line after it."""
    if answer.streams:
        answer.body = answer.body.rstrip(b"\n") + b"\n"


@broken("stream/framing")
def cuts_characters(answer: Answer) -> None:
    """Bytes that are no UTF-8: a character that was cut in two."""
    answer.body = answer.body.replace("深".encode(), "深".encode()[:2])


@broken("stream/framing", wire="bedrock_converse")
def miscalculates_checksums(answer: Answer) -> None:
    """The checksum of an AWS message is wrong."""
    if answer.streams:
        answer.body = answer.body[:-1] + bytes([answer.body[-1] ^ 1])


@broken("stream/framing", wire="ollama")
def joins_lines(answer: Answer) -> None:
    """Two objects are on one line."""
    if answer.streams:
        answer.body = answer.body.replace(b"}\n{", b"}{", 1)


@broken("stream/fields")
def names_no_object(answer: Answer) -> None:
    """Chunks have no `object`."""
    answer.edit(lambda chunk: chunk.pop("object", None))


@broken("stream/fields")
def calls_chunks_completions(answer: Answer) -> None:
    """Chunks have the object of whole completions."""
    answer.edit(lambda chunk: chunk.update(object="chat.completion"))


@broken("stream/fields", wire="openai_responses")
def leaves_item_ids_out(answer: Answer) -> None:
    """Deltas have no id of their item."""
    answer.edit(lambda event: event.pop("item_id", None))


@broken("stream/fields", wire="gemini")
def counts_as_text(answer: Answer) -> None:
    """A count is a string."""

    def change(chunk: Chunk) -> None:
        if "usageMetadata" in chunk:
            chunk["usageMetadata"]["promptTokenCount"] = str(chunk["usageMetadata"]["promptTokenCount"])

    answer.edit(change)


@broken("stream/names", wire="anthropic_messages")
def misnames_events(answer: Answer) -> None:
    """The event's name is not its type."""
    answer.body = answer.body.replace(b"event: content_block_delta", b"event: content_block_stop")


@broken("stream/names", wire="openai_responses")
def names_no_events(answer: Answer) -> None:
    """There are no `event:` lines."""
    answer.events = [event[event.index(b"data:") :] for event in answer.events if b"data:" in event]


@broken("stream/constant")
def gives_each_chunk_an_id(answer: Answer) -> None:
    """Each chunk has an id of its own."""
    numbers = iter(range(1000))
    answer.edit(lambda chunk: chunk.update(id=f"chatcmpl-{next(numbers)}"))


@broken("stream/created")
def follows_the_clock(answer: Answer) -> None:
    """`created` is when the chunk was sent."""
    numbers = iter(range(1000))
    answer.edit(lambda chunk: chunk.update(created=1_800_000_000 + next(numbers)))


@broken("stream/new-id", "clients/two-at-once", wire="openai_responses")
def has_one_id(answer: Answer) -> None:
    """All responses have the same id."""
    answer.edit(lambda event: event["response"].update(id="resp_1") if "response" in event else None)


@broken("stream/order", wire="anthropic_messages")
def restarts_blocks(answer: Answer) -> None:
    """Each block has the index 0."""
    answer.edit(lambda event: event.update(index=0) if "index" in event else None)


@broken("stream/indices", wire="anthropic_messages")
def counts_blocks_from_one(answer: Answer) -> None:
    """The first block has the index 1."""
    answer.edit(lambda event: event.update(index=event["index"] + 1) if "index" in event else None)


@broken("stream/sequence", wire="openai_responses")
def leaves_a_number_out(answer: Answer) -> None:
    """There is a gap in the sequence numbers."""
    answer.edit(lambda event: event.update(sequence_number=event["sequence_number"] + (event["sequence_number"] > 3)))


@broken("stream/sequence", wire="openai_responses")
def numbers_nothing(answer: Answer) -> None:
    """Events have no sequence number."""
    answer.edit(lambda event: event.pop("sequence_number"))


@broken("stream/wholes", wire="openai_responses")
def forgets_a_delta(answer: Answer) -> None:
    """One delta is lost, and the whole that follows has it."""
    deltas = [event for event in answer.events if b"event: response.output_text.delta" in event]
    answer.events = [event for event in answer.events if event not in deltas[1:2]]


@broken("stream/wholes", wire="openai_responses")
def completes_with_nothing(answer: Answer) -> None:
    """response.completed has no output."""

    def change(event: Chunk) -> None:
        if event["type"] == "response.completed":
            event["response"]["output"] = []

    answer.edit(change)


@broken("stream/item-ids", wire="openai_responses")
def changes_item_ids(answer: Answer) -> None:
    """The id of an item is another when it is done."""

    def change(event: Chunk) -> None:
        if event["type"] == "response.output_item.done":
            event["item"]["id"] += "x"

    answer.edit(change)


@broken("stream/role")
def leaves_the_role_out(answer: Answer) -> None:
    """No delta has a role."""
    answer.edit(lambda chunk: [choice.get("delta", {}).pop("role", None) for choice in chunk.get("choices", ())])


@broken("stream/text")
def eats_zero(answer: Answer) -> None:
    """A piece "0" is taken for nothing."""
    answer.edit(lambda chunk: not any(c.get("delta", {}).get("content") == "0" for c in chunk.get("choices", ())))


@broken("stream/text", wire="bedrock_invoke")
def repeats_text(answer: Answer) -> None:
    """A frame is sent twice."""
    if answer.streams:
        frames, at = [], 0
        while at < len(answer.body):
            size = int.from_bytes(answer.body[at : at + 4], "big")
            frames.append(answer.body[at : at + size])
            at += size
        answer.body = b"".join([*frames[:4], *frames[3:]])


@broken("stream/model", wire="gemini")
def names_no_model(answer: Answer) -> None:
    """modelVersion is missing."""
    answer.edit(lambda chunk: chunk.pop("modelVersion", None))


@broken("stream/reasoning", wire="anthropic_messages")
def thinks_aloud(answer: Answer) -> None:
    """Reasoning comes as text."""

    def change(event: Chunk) -> None:
        if event.get("delta", {}).get("type") == "thinking_delta":
            event["delta"] = {"type": "text_delta", "text": event["delta"]["thinking"]}

    answer.edit(change)


@broken("errors/in-stream")
def ends_well_after_an_error(answer: Answer) -> None:
    """An error in the stream is left out: it looks whole."""
    if answer.streams and b'"error"' in answer.body:
        kept = [event for event in answer.events if b'"error"' not in event]
        last = json.loads(kept[0].removeprefix(b"data: "))
        last["choices"][0] |= {"delta": {}, "finish_reason": "stop"}
        answer.events = [*kept, b"data: " + json.dumps(last).encode() + b"\n\n", b"data: [DONE]\n\n"]


@broken("clients/two-at-once")
def mixes_streams(answer: Answer) -> None:
    """A word of one stream is in another."""
    answer.body = answer.body.replace(b"flow", b"ebb")
