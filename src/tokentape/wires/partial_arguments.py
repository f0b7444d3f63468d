"""Function call arguments that arrive as values at JSON paths (RFC 9535), as in Gemini's streams."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

import msgspec

Step: TypeAlias = str | int

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d{1,9})\]|\['((?:[^'\\]|\\.)*)'\]|\[\"((?:[^\"\\]|\\.)*)\"\]", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_DEEPEST = 500
_WIDEST_GAP = 1000
"""The most elements of an array that may be skipped; they become null."""


class _Text:
    """A string that more pieces can be appended to."""

    def __init__(self, piece: str) -> None:
        self.pieces = [piece]


class PartialArguments:
    """Builds the JSON text of the arguments by appending each value.

    Values are normally sent in the order of the text. A value that arrives too late for its place is held back:
    `close` then writes the whole top-level member that contains it again, and JSON parsers use the last of the
    members with one name.
    """

    def __init__(self) -> None:
        self._tree: dict[str, Any] = {}
        self._path: list[Step] = []
        self._in_string = False
        self._held_back: dict[str, None] = {}

    def add(self, path: str, value: Any, *, continues: bool = False) -> str:
        """Add a value at a path and return the text to append.

        A string is appended to a string that is already there; `continues` means that more of it follows. Raises
        ValueError if the path is invalid or contradicts an earlier one.
        """
        steps = _steps(path)
        continues_string = self._in_string and steps == self._path and isinstance(value, str)
        in_order = not self._held_back and (continues_string or self._is_next(steps))
        self._insert(steps, value)
        if not in_order:
            self._held_back[str(steps[0])] = None
            return ""
        text = _json(value)
        if continues_string:
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
        held_back = [f"{_json(name)}:{_json(self._tree[name])}" for name in self._held_back]
        if not self._path:
            return "{" + ",".join(held_back) + "}"
        return ('"' if self._in_string else "") + self._closing(0) + "".join(f",{member}" for member in held_back) + "}"

    def _is_next(self, steps: list[Step]) -> bool:
        """Whether a value at this path can be appended to the text."""
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
        """Return the text between the last value and one at this path."""
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
        """Return the brackets that close all containers below this depth."""
        return "".join("}" if isinstance(step, str) else "]" for step in reversed(self._path[depth + 1 :]))

    def _insert(self, steps: list[Step], value: Any) -> None:
        node: Any = self._tree
        for step, following in zip(steps, [*steps[1:], None], strict=True):
            if isinstance(node, dict) is not isinstance(step, str) or not isinstance(node, dict | list):
                raise ValueError("one path uses a value as an object or an array that another path does not")
            missing = step not in node if isinstance(node, dict) else step >= len(node)  # type: ignore[operator]
            if isinstance(node, list) and isinstance(step, int) and missing:
                if step > len(node) + _WIDEST_GAP:
                    raise ValueError(f"element {step} follows only {len(node)} elements")
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
    """Parse a path such as `$.items[0].name` into names and indexes."""
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
        raise ValueError(f"the path {path[:60]!r} does not lead to a member of an object")
    return steps


def _json(value: Any) -> str:
    return msgspec.json.encode(value, enc_hook=_plain).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, _Text):
        return "".join(value.pieces)
    raise NotImplementedError
