"""Arguments of a function call that arrive as values at JSON paths (RFC 9535), as Gemini streams them."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

import msgspec

Step: TypeAlias = str | int

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d{1,9})\]|\['((?:[^'\\]|\\.)*)'\]|\[\"((?:[^\"\\]|\\.)*)\"\]", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_DEEPEST = 500
_WIDEST_GAP = 1000
"""How many elements of an array may be left out; they are null."""


class _Text:
    """A string that grows."""

    def __init__(self, piece: str) -> None:
        self.pieces = [piece]


class PartialArguments:
    """Makes the JSON text of the arguments, so that each value adds to its end.

    That works as long as values come in the order of the text, which is how they are sent. A value that comes
    too late for its place is held back: `close` writes the whole member of the object that it belongs to once
    more, and of members with the same name readers of JSON take the last.
    """

    def __init__(self) -> None:
        self._tree: dict[str, Any] = {}
        self._path: list[Step] = []
        self._in_string = False
        self._late: dict[str, None] = {}

    def add(self, path: str, value: Any, *, continues: bool = False) -> str:
        """Add a value at a path, and return the text that it adds.

        A string is appended to one that is there already; `continues` says that more of it follows. Raises
        ValueError if the path can't be read or contradicts an earlier one.
        """
        steps = _steps(path)
        goes_on = self._in_string and steps == self._path and isinstance(value, str)
        in_order = not self._late and (goes_on or self._is_next(steps))
        self._insert(steps, value)
        if not in_order:
            self._late[str(steps[0])] = None
            return ""
        text = _json(value)
        if goes_on:
            text = text[1:]
        else:
            text = self._lead_to(steps) + text
            self._path = steps
        self._in_string = isinstance(value, str) and continues
        return text[:-1] if self._in_string else text

    def close(self) -> str:
        """Return the text that ends the arguments."""
        if not self._tree:
            return ""
        late = [f"{_json(name)}:{_json(self._tree[name])}" for name in self._late]
        if not self._path:
            return "{" + ",".join(late) + "}"
        return ('"' if self._in_string else "") + self._closing(0) + "".join(f",{member}" for member in late) + "}"

    def _is_next(self, steps: list[Step]) -> bool:
        """Whether the text goes on with a value at this path."""
        node: Any = self._tree
        for step in steps:
            if isinstance(node, dict) and isinstance(step, str):
                if step not in node:
                    return True
                # Only the last member, or the last element, can still grow.
                if step != next(reversed(node)):
                    return False
            elif isinstance(node, list) and isinstance(step, int):
                if step >= len(node):
                    return step == len(node)
                if step != len(node) - 1:
                    return False
            else:
                return False
            node = node[step]
        return False

    def _lead_to(self, steps: list[Step]) -> str:
        """The text between the last value and one at this path."""
        common = 0
        while self._path and steps[common] == self._path[common]:
            common += 1
        end = ('"' if self._in_string else "") + (self._closing(common) + "," if self._path else "{")
        opening = []
        for depth in range(common, len(steps)):
            step = steps[depth]
            if depth > common:
                opening.append("{" if isinstance(step, str) else "[" + "null," * step)
            if isinstance(step, str):
                opening.append(_json(step) + ":")
        return end + "".join(opening)

    def _closing(self, depth: int) -> str:
        """The brackets that close all containers below this depth."""
        return "".join("}" if isinstance(step, str) else "]" for step in reversed(self._path[depth + 1 :]))

    def _insert(self, steps: list[Step], value: Any) -> None:
        node: Any = self._tree
        for step, following in zip(steps, [*steps[1:], None], strict=True):
            if isinstance(node, dict) is not isinstance(step, str) or not isinstance(node, dict | list):
                raise ValueError("a value at a path is taken for an object or an array at another")
            missing = step not in node if isinstance(node, dict) else step >= len(node)  # type: ignore[operator]
            if isinstance(node, list) and isinstance(step, int) and missing:
                if step > len(node) + _WIDEST_GAP:
                    raise ValueError(f"element {step} comes after {len(node)} elements")
                node.extend([None] * (step - len(node)))
            if following is None:
                self._put(node, step, value, missing=missing)
                return
            if missing:
                inner: Any = {} if isinstance(following, str) else []
                if isinstance(node, dict):
                    node[step] = inner
                else:
                    node.append(inner)
            node = node[step]

    @staticmethod
    def _put(node: Any, step: Step, value: Any, *, missing: bool) -> None:
        if not missing and isinstance(node[step], _Text) and isinstance(value, str):
            node[step].pieces.append(value)
            return
        leaf = _Text(value) if isinstance(value, str) else value
        if missing and isinstance(node, list):
            node.append(leaf)
        else:
            node[step] = leaf


def _steps(path: str) -> list[Step]:
    """The names and indexes of a path such as `$.items[0].name`."""
    steps: list[Step] = []
    position = 1
    while path[:1] == "$" and position < len(path) and len(steps) <= _DEEPEST:
        match = _STEP.match(path, position)
        if match is None:
            break
        name, index, single, double = match.groups()
        quoted = single if single is not None else double
        if index is not None:
            steps.append(int(index))
        else:
            steps.append(name if name is not None else _ESCAPED.sub(r"\1", quoted))
        position = match.end()
    if not steps or position < len(path) or not isinstance(steps[0], str):
        raise ValueError(f"the path {path[:60]!r} is not one to a member of an object")
    return steps


def _json(value: Any) -> str:
    return msgspec.json.encode(value, enc_hook=_plain).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, _Text):
        return "".join(value.pieces)
    raise NotImplementedError
