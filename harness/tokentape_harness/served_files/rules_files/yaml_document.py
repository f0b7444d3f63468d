"""YAML of rules files: its version 1.2, as editors read it, so that `yes` is text and a date, too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from tokentape_fake_provider.sessions.rules_file.problem import Path
from tokentape_harness.served_files.rules_files.document import (
    DEEPEST,
    MOST,
    Document,
    Place,
    TextProblem,
    too_deep,
    too_many,
    twice,
)

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG: Final = "tag:yaml.org,2002:"
_MERGE: Final = f"{_TAG}merge"

# The core schema of YAML 1.2 (10.3.2), and the merge key of 1.1, which editors know.
_SCALARS: Final = {
    "null": (r"(?:~|null|Null|NULL|)", "~nN\0"),
    "bool": (r"(?:true|True|TRUE|false|False|FALSE)", "tTfF"),
    "int": (r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)", "-+0123456789"),
    "float": (
        r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))",
        "-+.0123456789",
    ),
    "merge": (r"(?:<<)", "<"),
}


class _Composer(_Loader):  # type: ignore[misc]
    """Composes nodes; stops where nesting is so deep that libyaml would end the process."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own shape

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._count = 0

    def descend_resolver(self, parent: Any, _index: Any) -> None:
        """PyYAML calls this before it reads a node of this parent."""
        self._depth += 1
        self._count += 1
        if self._depth > DEEPEST:
            raise too_deep(None if parent is None else _place(parent))
        if self._count > MOST:
            raise too_many()

    def ascend_resolver(self) -> None:
        """PyYAML calls this after that node."""
        self._depth -= 1


for _name, (_pattern, _first) in _SCALARS.items():
    _Composer.add_implicit_resolver(
        _TAG + _name, re.compile(f"{_pattern}$"), ["" if letter == "\0" else letter for letter in _first]
    )


def parse_yaml(text: str) -> Document:
    """Parse one document. Raises `TextProblem`."""
    composer = _Composer(text)
    try:
        root = composer.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = None if mark is None else Place(mark.line + 1, mark.column + 1)
        raise TextProblem(f"not YAML: {error.problem}", _remedy(error, text, place), place) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        raise TextProblem(
            f"not YAML: {error.reason}",
            "remove this character, or write it as an escape in double quotes",
            Place(line, column),
        ) from None
    finally:
        composer.dispose()
    if root is None:
        return Document(None, {})
    builder = _Builder()
    return Document(builder.value(root, (), _place(root)), builder.places)


def _remedy(error: yaml.MarkedYAMLError, text: str, place: Place | None) -> str:
    lines = text.splitlines()
    line = lines[place.line - 1] if place is not None and place.line <= len(lines) else ""
    if re.match(r" *\t", line):
        return "indent with spaces: YAML does not allow tabs there"
    if "mapping values are not allowed" in str(error.problem):
        return "put quotes around text that has a colon, or correct the indentation"
    if "single document" in str(error.context):
        return "keep one document in a file: remove the line ---"
    if line.lstrip(" -")[:1] in ("@", "`", "%", "*", "&", "!", "|", ">"):
        return "put quotes around text that begins with such a character"
    return "correct it; quotes, brackets and indentation must match"


class _Builder:
    """Builds the value of nodes, and keeps their places."""

    def __init__(self) -> None:
        self.places: dict[Path, tuple[Place, Place]] = {}
        self._built = 0
        self._open = set[Any]()

    def value(self, node: Any, path: Path, key: Place) -> Any:
        """The value of a node; an alias is built where it stands."""
        place = _place(node)
        self.places[path] = key, place
        self._built += 1
        if self._built > MOST:
            raise too_many(key)
        if len(path) > DEEPEST or node in self._open:
            raise too_deep(key)
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node, place)
        self._open.add(node)
        try:
            if node.tag not in (f"{_TAG}seq", f"{_TAG}map"):
                raise _tagged(node, place)
            if isinstance(node, yaml.SequenceNode):
                return [self.value(item, (*path, number), _place(item)) for number, item in enumerate(node.value)]
            return {
                name: self.value(member, (*path, name), _place(name_node))
                for name, (name_node, member) in self._members(node).items()
            }
        finally:
            self._open.discard(node)

    def _members(self, node: Any) -> dict[str, tuple[Any, Any]]:
        """The fields of a mapping; those of merged mappings stand after its own."""
        members: dict[str, tuple[Any, Any]] = {}
        merged = list[Any]()
        for key, member in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise TextProblem("the name of a field is not text", "write text before the colon", _place(key))
            if key.tag == _MERGE:
                merged += self._merged(member)
            elif key.value in members:
                raise twice(key.value, _place(members[key.value][0]), _place(key))
            else:
                members[key.value] = key, member
        for other in merged:
            members = {**self._members(other), **members}
        return members

    def _merged(self, node: Any) -> Iterator[Any]:
        for part in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(part, yaml.MappingNode) or part in self._open:
                raise TextProblem("`<<` merges mappings", "give it an alias of a mapping", _place(part))
            self._built += len(part.value)
            yield part


def _scalar(node: Any, place: Place) -> Any:
    text = node.value
    match node.tag.removeprefix(_TAG):
        case "str" | "merge":
            return text
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return _number(int, text, place, 8 if text.startswith("0o") else 16 if text.startswith("0x") else 10)
        case "float":
            return _number(float, re.sub(r"\.(?=inf|nan)", "", text.lower()), place)
    raise _tagged(node, place)


def _number(kind: Any, text: str, place: Place, *base: int) -> Any:
    try:
        return kind(text, *base)
    except ValueError:
        raise TextProblem(f"{text[:40]}... is not a number that can be read", "write a smaller one", place) from None


def _tagged(node: Any, place: Place) -> TextProblem:
    tag = node.tag.replace(_TAG, "!!", 1)
    return TextProblem(
        f"the tag {tag[:80]} is not allowed", "remove it: a file has only text, numbers, lists and mappings", place
    )


def _place(node: Any) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)
