"""Ends a simulated choice where the request's limits end it: at a stop sequence, or after the last allowed token."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from tokentape_fake_provider.script.model import Choice, Item, Text, ToolCall
from tokentape_fake_provider.script.tokenizer import count_tokens, split_tokens


def limited(
    items: Iterable[Item], *, stop: Sequence[str] = (), max_tokens: int | None = None, partial_calls: bool = True
) -> Choice:
    """A choice of these items as far as the limits allow; reasoning and tool calls count against `max_tokens`.

    A call that does not fit is cut within its arguments with `partial_calls`, else left out.
    """
    choice = _stopped(tuple(items), stop)
    return choice if max_tokens is None else _cut(choice, max_tokens, partial_calls=partial_calls)


def _stopped(items: tuple[Item, ...], stop: Sequence[str]) -> Choice:
    """The items up to the stop sequence in a text that is generated first, which is the one that ends first."""
    for index, item in enumerate(items if stop else ()):
        if not isinstance(item, Text):
            continue
        found = [(at, sequence) for sequence in stop if sequence and (at := item.text.find(sequence)) >= 0]
        if found:
            at, sequence = min(found, key=lambda hit: (hit[0] + len(hit[1]), hit[0]))
            kept = (Text(item.text[:at]),) if at else ()
            return Choice((*items[:index], *kept), "stop", stop_sequence=sequence)
    return Choice(items)


def _cut(choice: Choice, left: int, *, partial_calls: bool) -> Choice:
    kept: list[Item] = []
    for item in choice.items:
        head = count_tokens(item.name) if isinstance(item, ToolCall) else 0
        field = "arguments" if isinstance(item, ToolCall) else "text"
        text = getattr(item, field)
        tokens = head + count_tokens(text)
        if tokens <= left:
            kept.append(item)
            left -= tokens
            continue
        part = first_tokens(text, left - head)
        if (partial_calls and left >= head) if head else part:
            kept.append(msgspec.structs.replace(item, **{field: part}))
        return Choice(tuple(kept), "length")
    return choice


def first_tokens(text: str, tokens: int) -> str:
    """The first tokens of a text: as many, or one less where the cut would make two of one."""
    pieces = split_tokens(text)[: max(tokens, 0)]
    while pieces and count_tokens("".join(pieces)) > tokens:
        pieces.pop()
    return "".join(pieces)
