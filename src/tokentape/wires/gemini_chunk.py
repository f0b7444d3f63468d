"""The types of Gemini's chunks: those of any chunk, with the fields that are read, and those of text-only chunks."""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class PartialArg(msgspec.Struct, gc=False):
    jsonPath: str = ""  # noqa: N815 - the fields' own names
    stringValue: str | None = None  # noqa: N815
    numberValue: int | float | None = None  # noqa: N815
    boolValue: bool | None = None  # noqa: N815
    nullValue: Any = msgspec.UNSET  # noqa: N815
    willContinue: bool | None = None  # noqa: N815


class FunctionCall(msgspec.Struct, gc=False):
    name: str | None = None
    args: msgspec.Raw = msgspec.Raw()
    id: str | int | None = None
    partialArgs: list[PartialArg] | None = None  # noqa: N815
    willContinue: bool | None = None  # noqa: N815


class GeminiPart(msgspec.Struct, gc=False):
    text: str | None = None
    thought: bool | None = None
    thoughtSignature: str | None = None  # noqa: N815
    functionCall: FunctionCall | None = None  # noqa: N815


class Content(msgspec.Struct, gc=False):
    parts: list[GeminiPart] | None = None


class Candidate(msgspec.Struct, gc=False):
    content: Content | None = None
    finishReason: str | int | None = None  # noqa: N815
    index: int | None = None
    groundingMetadata: Any = None  # noqa: N815
    urlContextMetadata: Any = None  # noqa: N815
    citationMetadata: Any = None  # noqa: N815
    logprobsResult: Any = None  # noqa: N815
    error: Any = None

    @property
    def has_sources(self) -> bool:
        """Whether it reports the sources of the text, which the output keeps."""
        return (
            self.groundingMetadata is not None
            or self.urlContextMetadata is not None
            or self.citationMetadata is not None
        )


class PromptFeedback(msgspec.Struct, gc=False):
    blockReason: str | int | None = None  # noqa: N815


class Chunk(msgspec.Struct, gc=False):
    candidates: list[Candidate] | None = None
    usageMetadata: dict[str, Any] | None = None  # noqa: N815
    modelVersion: str | None = None  # noqa: N815
    promptFeedback: PromptFeedback | None = None  # noqa: N815
    error: Any = None


class TextOnlyPart(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A part that contains only text; its type rejects anything else."""

    text: str


class TextContent(msgspec.Struct, gc=False):
    parts: tuple[TextOnlyPart]


class TextCandidate(msgspec.Struct, gc=False):
    content: TextContent
    finishReason: None = None  # noqa: N815
    index: Literal[0] | None = None
    groundingMetadata: None = None  # noqa: N815
    urlContextMetadata: None = None  # noqa: N815
    citationMetadata: None = None  # noqa: N815
    logprobsResult: None = None  # noqa: N815
    error: None = None


class TextChunk(msgspec.Struct, gc=False):
    candidates: tuple[TextCandidate]
    usageMetadata: dict[str, Any] | None = None  # noqa: N815
    error: None = None


decode_chunk = msgspec.json.Decoder(Chunk).decode
_text_chunk = msgspec.json.Decoder(TextChunk)
decode_text_chunk, decode_text_chunks = _text_chunk.decode, _text_chunk.decode_lines
