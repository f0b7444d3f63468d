"""OpenRouter's `reasoning_details`: reasoning as items with a type, index and format, which are sent back unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tokentape.message import ChatMessage, ReasoningPart
from tokentape.wires.json_document import as_text

TEXT_FIELDS = {"reasoning.text": "text", "reasoning.summary": "summary"}
"""The field that holds the text, by type of item."""


class ReasoningDetails:
    """The items of one choice; each is its own content block."""

    def __init__(self) -> None:
        self._blocks: dict[tuple[str, str], int] = {}

    def chunks(self, details: Sequence[Any], reasoning: str, index: int) -> tuple[list[ChatMessage], str]:
        """Return the chunks of the items of one delta, and the rest of the reasoning text beside them.

        Usually the items repeat the text. If they differ, the text beside them is the reasoning.
        """
        items = [detail for detail in details if isinstance(detail, dict)]
        texts = [_text(item) for item in items]
        same_text = not reasoning or "".join(texts) == reasoning
        chunks = [self._chunk(item, text if same_text else "", index) for item, text in zip(items, texts, strict=True)]
        return chunks, "" if same_text and any(texts) else reasoning

    def _chunk(self, item: dict[str, Any], text: str, index: int) -> ChatMessage:
        key = (str(item.get("type")), str(item.get("index")))
        block = self._blocks.setdefault(key, len(self._blocks))
        own_fields = ("signature", "data", *((TEXT_FIELDS.get(as_text(item.get("type")), "text"),) if text else ()))
        part = ReasoningPart(
            "",
            as_text(item.get("signature")),
            as_text(item.get("data")),
            {key: value for key, value in item.items() if key not in own_fields and value is not None},
        )
        return ChatMessage(reasoning=text, index=index, block=block, parts=(part,))


def reasoning_detail(part: ReasoningPart) -> dict[str, Any]:
    """Return an item in the form in which it is sent back."""
    text_field = TEXT_FIELDS.get(as_text(part.item.get("type")), "text")
    content = {text_field: part.text, "signature": part.signature, "data": part.encrypted}
    return {**part.item, **{field: value for field, value in content.items() if value}}


def _text(item: dict[str, Any]) -> str:
    return as_text(item.get(TEXT_FIELDS.get(as_text(item.get("type")), "text")))
