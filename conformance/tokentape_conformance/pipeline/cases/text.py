"""Text: the text comes out unchanged, however its bytes are split."""

from __future__ import annotations

from tokentape_conformance.case_registry import case
from tokentape_conformance.pipeline.pipeline_trial import PipelineTrial
from tokentape_fake_provider.faults.fault import Comments, Gzip, Split, TinyChunks

_APART = {Split: 0.01, TinyChunks: 0.001}
"""The time between frames that must be read one by one, in s."""

SOURCE = "tokentape, docs/conformance.md: text comes out unchanged"
UNICODE = "Unicode, and RFC 8259: JSON is UTF-8"
_WORLD = ("Grüße, ", "日本", "語", " — ", "العربية", " ", "नमस्ते", " ", "👩‍👩‍👧", "🇳🇴", " ", "e\u0301", "\U0001d11e")


@case("pipeline/text/non-ascii", "Text of any script comes out unchanged, emoji too.", source=UNICODE, needs=["text"])
def non_ascii(trial: PipelineTrial) -> None:
    trial.expect_text(*_WORLD)


@case(
    "pipeline/text/split-characters",
    "A character whose bytes come in two reads comes out whole.",
    source=UNICODE,
    needs=["text"],
)
def split_characters(trial: PipelineTrial) -> None:
    _whole_despite(trial, Split(inside="utf8"))


@case("pipeline/text/single-bytes", "The provider's bytes may come one by one.", source="RFC 9112", needs=["text"])
def single_bytes(trial: PipelineTrial) -> None:
    _whole_despite(trial, TinyChunks(size=1))


@case(
    "pipeline/text/split-events",
    "An event that comes in two reads comes out whole.",
    source="WHATWG HTML, 9.2",
    needs=["text"],
)
def split_events(trial: PipelineTrial) -> None:
    _whole_despite(trial, Split(inside="event"))


@case(
    "pipeline/text/provider-comments",
    "The provider's keep-alive comments are not text.",
    source="WHATWG HTML, 9.2: comments are ignored",
    needs=["text"],
)
def provider_comments(trial: PipelineTrial) -> None:
    _whole_despite(trial, Comments())


@case(
    "pipeline/text/provider-compresses",
    "A response that the provider compresses comes out whole.",
    source="RFC 9110, 8.4",
    needs=["text"],
)
def provider_compresses(trial: PipelineTrial) -> None:
    _whole_despite(trial, Gzip())


def _whole_despite(trial: PipelineTrial, fault: Split | TinyChunks | Comments | Gzip) -> None:
    trial.expect_text(*_WORLD, faults=(fault,), apart=_APART.get(type(fault), 0.0))


@case(
    "pipeline/text/white-space",
    "White space is text, within tokens and as whole tokens.",
    source=SOURCE,
    needs=["text"],
)
def white_space(trial: PipelineTrial) -> None:
    pieces = (" ", "  two", "two  ", "\t", "\n", "\n\n", "    code:", "\n", " ")
    trial.expect_text(*pieces)


@case(
    "pipeline/text/line-ends",
    "Line ends of every kind come out unchanged.",
    source="WHATWG HTML, 9.2: a line end in data must be framed",
    needs=["text"],
)
def line_ends(trial: PipelineTrial) -> None:
    pieces = ("a\nb", "c\r\nd", "e\rf", "g\u2028h", "\r", "\n", "i")
    trial.expect_text(*pieces)


@case(
    "pipeline/text/falsy-words",
    'Tokens like "0", "null" and "false" are text like any other.',
    source='the reference drops a "0", as PHP\'s empty() has it',
    needs=["text"],
)
def falsy_words(trial: PipelineTrial) -> None:
    pieces = ("0", "0", "null", "false", "None", "0.0", "[]", "{}", '""', "undefined")
    trial.expect_text(*pieces)


@case(
    "pipeline/text/markup",
    "Markup, quotes, backslashes and JSON in the text come out unchanged.",
    source=SOURCE,
    needs=["text"],
)
def markup(trial: PipelineTrial) -> None:
    pieces = (
        "<b>",
        "x &amp; y",
        "</b>",
        " \"q\" 'a'",
        " \\n \\u0041 \\",
        ' {"json": [1]}',
        " %20 &#39; <!-- -->",
        "`${x}`",
    )
    trial.expect_text(*pieces)


@case(
    "pipeline/text/protocol-words",
    "Text that looks like the protocol is text: `data: [DONE]`, `event: done`, blank lines.",
    source="WHATWG HTML, 9.2",
    needs=["text"],
)
def protocol_words(trial: PipelineTrial) -> None:
    pieces = (
        "data: [DONE]",
        "\n\n",
        "event: done\n",
        "data: x\n\n",
        ": comment\n",
        "id: 1\n",
        "[DONE]\n",
        '{"type":"done"}',
    )
    trial.expect_text(*pieces)


@case("pipeline/text/long-token", "A token of 200,000 characters comes out whole.", source=SOURCE, needs=["text"])
def long_token(trial: PipelineTrial) -> None:
    piece = "0123456789" * 20_000
    trial.expect_text(piece)
