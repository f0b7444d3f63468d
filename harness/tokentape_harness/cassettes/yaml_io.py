"""YAML of cassette files: a safe loader for the files of vcrpy, and text that reads well in a diff."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from tokentape_harness.cassettes import plain_yaml
from tokentape_harness.errors import CassetteError, CassetteFormatError, CassetteSyntaxError

# libyaml, where PyYAML was built with it, is 75 times faster than the pure Python loader (measured).
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

_UNFOLDED = 2**31 - 1
_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_JSON_START = re.compile(rb"\s*\{")

# No cassette of 140, public and ours, has more than 600 values or nests them over 16 deep.
_MOST, _DEEPEST = 2_000_000, 100
# The depth of an interaction: in a list, in the mapping of the file.
_INTERACTION = 3
# A long text that is repeated counts as several values.
_CHARACTERS = 64
_TOO_MANY = f"more than {_MOST:,} values: not a cassette, or several in one (split it)"
_TOO_DEEP = f"values nested more than {_DEEPEST} deep: not a cassette"


class _CassetteLoader(_Loader):  # type: ignore[misc]
    """PyYAML's safe loader, and the few harmless Python tags that versions of vcrpy have written.

    It stops at what no cassette holds: too many values, nesting so deep that libyaml would end the process, a repeated
    key.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._depth = self._count = 0
        self._key: Any = None  # of the file's own mapping
        self._flattened = set[Any]()

    def descend_resolver(self, parent: Any, index: Any) -> None:
        """PyYAML calls this before it reads a node of this parent."""
        self._depth += 1
        self._count += 1
        if self._depth > _DEEPEST:
            raise _wrong(_TOO_DEEP, parent)
        if self._count > _MOST:
            raise _wrong(_TOO_MANY, parent)
        if self._depth == _INTERACTION and self._key == "interactions" and parent.value:
            last = parent.value[-1]
            if isinstance(parent, yaml.SequenceNode) and not (isinstance(last, yaml.MappingNode) and last.value):
                raise _wrong("not a mapping of `request` and `response`, as each of the `interactions` is", last)
        elif self._depth == _INTERACTION - 1 and isinstance(index, yaml.ScalarNode):
            self._key = index.value

    def ascend_resolver(self) -> None:
        """PyYAML calls this after that node."""
        self._depth -= 1

    def flatten_mapping(self, node: Any) -> None:
        """Merge the mappings of `<<`. Refuse a repeated key, of which PyYAML would silently take the last."""
        if node in self._flattened:
            return
        self._flattened.add(node)
        keys = [key.value for key, _ in node.value if key.tag != _MERGE and isinstance(key, yaml.ScalarNode)]
        if len(set(keys)) < len(keys):
            twice = next(key for number, key in enumerate(keys) if key in keys[:number])
            raise _wrong(f"the key {twice[:80]!r} appears twice in one mapping: keep one of them", node)
        super().flatten_mapping(node)


def _plain_scalar(loader: Any, node: Any) -> Any:
    return loader.construct_scalar(node)


def _sequence(loader: Any, node: Any) -> Any:
    return loader.construct_sequence(node, deep=True)


def _file_content(loader: Any, node: Any) -> Any:
    content, *_ = loader.construct_mapping(node, deep=True).get("state") or (b"",)
    return _joined([content])


def _iterator_items(loader: Any, node: Any) -> Any:
    items, *_ = loader.construct_mapping(node, deep=True).get("args") or ([],)
    return _joined(items)


def _joined(items: Iterable[str | bytes | None]) -> bytes:
    return b"".join(item.encode() if isinstance(item, str) else item or b"" for item in items)


def _placed(construct: Any) -> Any:
    """A constructor whose errors name the place; those of PyYAML raise a bare KeyError and the like."""

    def placed(loader: Any, node: Any) -> Any:
        try:
            return construct(loader, node)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            value = f" {node.value[:80]!r}" if isinstance(node, yaml.ScalarNode) else ""
            kind = node.tag.removeprefix(_TAG)
            raise _wrong(f"the value{value} is not what its tag {kind} promises: record it again", node) from error

    return placed


def _binary(loader: Any, node: Any) -> bytes:
    """Decode base64; PyYAML skips what is not base64."""
    return base64.b64decode("".join(loader.construct_scalar(node).split()), validate=True)


for _tag, _construct in {
    "str": _plain_scalar,
    "unicode": _plain_scalar,
    "tuple": _sequence,
    "object/new:_io.BytesIO": _file_content,
    "object/apply:builtins.iter": _iterator_items,
}.items():
    _CassetteLoader.add_constructor(f"{_TAG}python/{_tag}", _placed(_construct))
for _tag in ("bool", "int", "float", "timestamp"):
    _CassetteLoader.add_constructor(_TAG + _tag, _placed(_Loader.yaml_constructors[_TAG + _tag]))
_CassetteLoader.add_constructor(f"{_TAG}binary", _placed(_binary))


def load(data: bytes, path: Path | None = None) -> Any:
    """The document in a cassette file, YAML or JSON.

    Raises `CassetteSyntaxError` if it is neither, and `CassetteFormatError` if it needs Python objects or holds what no
    cassette holds.
    """
    # JSON writes characters beyond U+FFFF as two escapes, which YAML does not allow.
    data = data.removeprefix(b"\xef\xbb\xbf")
    json_error: ValueError | None = None
    try:
        if _JSON_START.match(data):
            try:
                return _shallow(json.loads(data, object_pairs_hook=_unique))
            except CassetteError:
                raise
            except ValueError as error:
                json_error = error
        # Each value has a line of its own there.
        plain = plain_yaml.read(data) if len(data) <= _MOST or data.count(b"\n") <= _MOST else None
        return _load_yaml(data) if plain is None else plain
    except CassetteError as error:
        raise error.at(path) from error.__cause__
    except yaml.constructor.ConstructorError as error:
        raise CassetteFormatError(
            f"{_place(error)}a value that can't be loaded safely ({error.problem}): record it again",
            path=path,
        ) from error
    except yaml.MarkedYAMLError as error:
        problem = f"{json_error}" if json_error else f"{_place(error)}{error.problem}"
        raise CassetteSyntaxError(
            f"not YAML, or cut short ({problem}): restore the file or record it again", path=path
        ) from error
    except (yaml.YAMLError, ValueError) as error:
        problem = " ".join(str(error).split())
        raise CassetteSyntaxError(
            f"not a YAML text file ({problem}): restore the file or record it again", path=path
        ) from error
    except RecursionError as error:
        raise CassetteFormatError(_TOO_DEEP, path=path) from error


def _load_yaml(data: bytes) -> Any:
    loader = _CassetteLoader(data)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if b"&" in data and b"*" in data:
            _check_aliases(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _check_aliases(root: Any) -> None:
    """Refuse aliases that repeat a value without end or millions of times; recorders use a few for shared headers."""
    known: dict[Any, tuple[int, int] | None] = {}

    def measured(node: Any) -> tuple[int, int]:
        """The number of values with every alias written out, and how deep they are nested."""
        if isinstance(node, yaml.ScalarNode):
            return 1 + len(node.value) // _CHARACTERS, 1
        if node in known:
            size = known[node]
            if size is None:
                raise _wrong("a value that holds itself", node)
            return size
        known[node] = None
        pairs = isinstance(node, yaml.MappingNode)
        parts = [measured(part) for part in (chain.from_iterable(node.value) if pairs else node.value)]
        count, depth = 1 + sum(part[0] for part in parts), 1 + max((part[1] for part in parts), default=0)
        if count > _MOST:
            raise _wrong(_TOO_MANY, node)
        if depth > _DEEPEST:
            raise _wrong(_TOO_DEEP, node)
        known[node] = count, depth
        return count, depth

    measured(root)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for number, key in enumerate(keys) if key in keys[:number])
        raise _wrong(f"the key {twice[:80]!r} appears twice in one mapping: keep one of them")
    return mapping


def _shallow(document: Any) -> Any:
    """The JSON document, if it is nested no deeper than YAML may be."""
    level = [document]
    for _ in range(_DEEPEST):
        level = [
            part
            for value in level
            for part in (value.values() if isinstance(value, dict) else value)
            if isinstance(part, dict | list)
        ]
        if not level:
            return document
    raise _wrong(_TOO_DEEP)


def _wrong(problem: str, node: Any = None) -> CassetteFormatError:
    return CassetteFormatError(("" if node is None else _line(node.start_mark)) + problem)


def _place(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return "" if mark is None else _line(mark)


def _line(mark: Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}: "


def dump(value: Any, indent: int) -> str:
    """The lines of a mapping or list as a YAML block, indented, keys in their own order."""
    plain = plain_yaml.write(value, " " * indent)
    if plain is not None:
        return plain
    text = yaml.dump(
        value, Dumper=_Dumper, allow_unicode=True, default_flow_style=False, sort_keys=False, width=_UNFOLDED
    )
    return re.sub("(?m)^(?=.)", " " * indent, text) if indent else text


def scalar(value: str | bytes | None, indent: int) -> str:
    """A body as a YAML scalar, ending in a newline; its further lines are indented.

    Text of several lines is a literal block, so that each line of a stream is a line of the file. Text that a block
    can't hold is in double quotes, also line by line. Bytes are `!!binary`.
    """
    if isinstance(value, str) and not plain_yaml.is_printable(value):
        return _quoted(value, indent)
    if isinstance(value, str) and "\n" in value and value.strip("\n"):
        return _block(value, indent)
    head, *lines = dump([value], 0).splitlines(keepends=True)
    return head.removeprefix("- ") + "".join(" " * indent + line.lstrip(" ") for line in lines)


def _block(text: str, indent: int) -> str:
    stripped = text.rstrip("\n")
    ending = len(text) - len(stripped)
    margin = " " * indent
    # The header names the indentation (relative to the key of the block) where the first line does not show it.
    header = "|2" if text[:1] in " \t\n" else "|"
    header += "-" if ending == 0 else "" if ending == 1 else "+"
    lines = [margin + line if line else "" for line in stripped.split("\n")]
    return "\n".join([header, *lines]) + "\n" * max(ending, 1)


def _quoted(text: str, indent: int) -> str:
    lines = []
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        escaped = plain_yaml.not_printable().sub(_escape, json.dumps(line, ensure_ascii=False)[1:-1])
        # YAML would take a space at the start of a line for margin.
        lines.append(" " * indent + ("\\" if escaped[:1] == " " else "") + escaped)
    return '"\\\n' + "\\\n".join(lines) + '"\n'


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
