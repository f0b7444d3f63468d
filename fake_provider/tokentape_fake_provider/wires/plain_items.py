"""A script's items as a wire format sends them that has no form for some of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from tokentape_fake_provider.script.model import Audio, Item, Reasoning, Refusal, ServerTool, Text, ToolCall

PlainItem: TypeAlias = Text | Reasoning | ToolCall | Refusal


def plain_items(items: Iterable[Item]) -> list[PlainItem]:
    """The items without server tools and hidden reasoning; audio is its transcript as text."""
    plain: list[PlainItem] = []
    for item in items:
        match item:
            case ServerTool() | Reasoning(hidden=True):
                pass
            case Audio():
                plain.append(Text(item.transcript, item.pieces, item.at))
            case _:
                plain.append(item)
    return plain
