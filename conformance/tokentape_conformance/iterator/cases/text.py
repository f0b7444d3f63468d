"""Text: promises 2 and 3. No text is lost, changed or merged."""

from __future__ import annotations

from tokentape_conformance.iterator import IteratorTrial, case
from tokentape_conformance.iterator.cases.sources import CONTRACT, REFERENCE
from tokentape_conformance.iterator.wires import REASONING, REFUSALS, TOOL_CALLS
from tokentape_fake_provider.script.model import Reasoning, Refusal, Script, Text, ToolCall

OUTPUT = ("output", "messages", "message_text")


async def survives(trial: IteratorTrial, *pieces: str) -> None:
    """The loop's text is these pieces, joined."""
    text = "".join(pieces)
    stream = trial.stream(Text(text, pieces=pieces))
    trial.expect("the text of all chunks", await stream.text(), text)


@case("iterator/text/concatenated", "The chunks' text, joined, is the text that was sent.", source=REFERENCE)
async def concatenated(trial: IteratorTrial) -> None:
    await survives(trial, "The", " sea", " is", " deep", ".")


@case(
    "iterator/text/as-pieces",
    "Each piece is one chunk: none is held back, joined or split.",
    source=REFERENCE,
)
async def as_pieces(trial: IteratorTrial) -> None:
    sent = Text("The sea is deep.", pieces=("The", " sea", " is", " deep", "."))
    stream = trial.stream(sent)
    seen = [trial.adapter.text(chunk) for chunk in await stream.read()]
    trial.expect("the text of each chunk with text", tuple(filter(None, seen)), sent.pieces)


@case(
    "iterator/text/output",
    "The output's text is the text that the loop saw.",
    source=REFERENCE,
    needs=OUTPUT,
)
async def output(trial: IteratorTrial) -> None:
    stream = trial.stream("The sea is deep, ", "and the sky is high.")
    await stream.read()
    trial.expect("the text of the output", stream.output_text, "The sea is deep, and the sky is high.")


@case("iterator/text/zero", 'A piece "0" is text like any other.', source=CONTRACT)
async def zero(trial: IteratorTrial) -> None:
    await survives(trial, "1", "0", "0", "0")


@case("iterator/text/zero-alone", 'The text of a response "0" is "0".', source=CONTRACT, needs=OUTPUT)
async def zero_alone(trial: IteratorTrial) -> None:
    stream = trial.stream("0")
    trial.expect("the text of all chunks", await stream.text(), "0")
    trial.expect("the text of the output", stream.output_text, "0")


@case("iterator/text/falsy-words", "Words for nothing, such as null and false, are text.", source=CONTRACT)
async def falsy_words(trial: IteratorTrial) -> None:
    await survives(trial, "false", " ", "null", " ", "None", " ", "[]", "{}", "0.0")


@case("iterator/text/white-space", "White space is text, at the edges and between.", source=CONTRACT)
async def white_space(trial: IteratorTrial) -> None:
    await survives(trial, " ", "a", "\n", "\n\n", "\t", "b", "\r\n", " ", "  ")


@case("iterator/text/unicode", "Characters of every plane, joined and combining ones, are kept.", source=CONTRACT)
async def unicode(trial: IteratorTrial) -> None:
    await survives(trial, "é", "日本語", " مرحبا", "👩\u200d👩\u200d👧", "👍🏽", "e\u0301", "\U00010348", "\u00a0")


@case(
    "iterator/text/separators",
    "Line and paragraph separators, a BOM and control characters inside the text end no line.",
    source="WHATWG HTML, 9.2.6: a line ends with CR LF, LF or CR, and with nothing else",
)
async def separators(trial: IteratorTrial) -> None:
    await survives(trial, "a\u2028b", "\u2029", "\x85", "\ufeff", "\x0b\x0c", "\x1e", "end")


@case("iterator/text/framing-words", "Text that looks like the framing is text.", source=CONTRACT)
async def framing_words(trial: IteratorTrial) -> None:
    await survives(trial, "data: ", "\n\ndata: [DONE]\n\n", "event: error\n", ":", "\r\n\r\n", '{"done":true}\n', "end")


@case("iterator/text/escapes", "Quotes, backslashes and escapes in the text are kept.", source="RFC 8259, 7")
async def escapes(trial: IteratorTrial) -> None:
    await survives(trial, '"', "\\", "\\n", "\\u0041", "\\\\", "/", "</script>")


@case("iterator/text/long-piece", "A piece of 100,000 characters arrives whole.", source=CONTRACT)
async def long_piece(trial: IteratorTrial) -> None:
    await survives(trial, "begin ", "abcdefghij" * 10_000, " end")


@case("iterator/text/many-pieces", "Three hundred pieces arrive in order.", source=CONTRACT)
async def many_pieces(trial: IteratorTrial) -> None:
    await survives(trial, *(f"{number} " for number in range(300)))


@case("iterator/text/empty-answer", "The text of a response without text is empty.", source=CONTRACT, needs=OUTPUT)
async def empty_answer(trial: IteratorTrial) -> None:
    stream = trial.open(trial.encode(Script.of()))
    trial.expect("the text of all chunks", await stream.text(), "")
    trial.expect("the text of the output", stream.output_text, "")


@case(
    "iterator/text/always-a-string",
    "The text of every chunk is a string: role, usage and tool call chunks have an empty one.",
    source=CONTRACT,
    needs=["tool_calls"],
    wires=TOOL_CALLS,
)
async def always_a_string(trial: IteratorTrial) -> None:
    stream = trial.stream("Let me look.", ToolCall.of("depth", {"of": "sea"}))
    kinds = {type(trial.adapter.text(chunk)).__name__ for chunk in await stream.read()}
    trial.expect("the types of the chunks' text", kinds, {"str"})


@case(
    "iterator/text/reasoning-apart",
    "Reasoning is kept apart from text.",
    source=CONTRACT,
    needs=["reasoning", "message_reasoning", *OUTPUT],
    wires=REASONING,
)
async def reasoning_apart(trial: IteratorTrial) -> None:
    thought = Reasoning("Let me see.", pieces=("Let", " me", " see."))
    stream = trial.stream(thought, "It is deep.")
    chunks = await stream.read()
    trial.expect("the text of all chunks", stream.joined(chunks), "It is deep.")
    trial.expect("the reasoning of all chunks", "".join(map(trial.adapter.reasoning, chunks)), thought.text)
    trial.expect("the text of the output", stream.output_text, "It is deep.")
    trial.expect("the reasoning of the output", trial.adapter.message_reasoning(stream.message), thought.text)


@case(
    "iterator/text/refusal-apart",
    "A refusal that is sent apart from text is kept apart.",
    source="OpenAI API reference: message.refusal, response.refusal.delta",
    needs=["message_refusal", *OUTPUT],
    wires=REFUSALS,
)
async def refusal_apart(trial: IteratorTrial) -> None:
    stream = trial.stream(Refusal("I can't help with that.", pieces=("I can't", " help with", " that.")))
    await stream.read()
    trial.expect("the refusal of the output", trial.adapter.message_refusal(stream.message), "I can't help with that.")
    trial.expect("the text of the output", stream.output_text, "")
