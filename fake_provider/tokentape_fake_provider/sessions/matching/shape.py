"""Shape: what no volatile text changes, so that few recordings must be normalised to find one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from tokentape_fake_provider.sessions.matching.regions import is_context
from tokentape_fake_provider.wires.reading.tools import TOOL_FIELDS
from tokentape_fake_provider.wires.reading.turns import MESSAGE_FIELDS

Shape: TypeAlias = tuple[Any, ...]

_LISTS: Final = (*MESSAGE_FIELDS, *TOOL_FIELDS)
# A text without these holds no folder, name or id.
_MAY_CHANGE: Final = re.compile(r"[/<{@\\]|(?i:user|name|whoami)[:=]|\w[-.]\w|(?=\w{7})\w*\d")


def shape_of(body: Any) -> Shape:
    """What no volatile text changes: the model, the numbers of messages and tools, and the last words of the user."""
    if not isinstance(body, Mapping):
        return ()
    counts = [len(value) if isinstance(value := body.get(name), list) else -1 for name in _LISTS]
    model = body.get("model")
    return (model if isinstance(model, str) else None, *counts, _last_words(body))


def _last_words(body: Mapping[str, Any]) -> str | None:
    """The text at the end of a request, if it is the user's and holds nothing that may be a placeholder or an id."""
    last = next((value for name in MESSAGE_FIELDS if (value := body.get(name))), None)
    while isinstance(last, list | dict) and last:
        if isinstance(last, list):
            last = last[-1]
        elif last.get("role", "user") != "user" or str(last.get("type")).endswith("result"):
            return None
        else:
            last = last.get("content", last.get("parts", last.get("text")))
    return last if isinstance(last, str) and not _MAY_CHANGE.search(last) and not is_context(last) else None
