"""The YAML of a cassette file: a safe loader for what vcrpy writes, and text that reads well in a diff."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from tokentape_harness.errors import CassetteFormatError, CassetteSyntaxError

# libyaml, where PyYAML was built with it, is 75 times faster than the pure Python loader (measured).
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

_UNFOLDED = 2**31 - 1
_PYTHON_TAG = "tag:yaml.org,2002:python/"

# What stands in a literal block as it is: YAML's printable characters (1.1, 4.1), less those that it
# would read as another line break (CR, NEL, LS, PS) and the byte order mark.
_NOT_IN_BLOCK = re.compile(
    "[^\\t\\n\\x20-\\x7e\\xa0-\\u2027\\u202a-\\ud7ff\\ue000-\\ufefe\\uff00-\\ufffd\\U00010000-\\U0010ffff]"
)


class _CassetteLoader(_Loader):  # type: ignore[misc]
    """PyYAML's safe loader, and the few harmless Python tags that vcrpy has written over the years."""


def _plain_scalar(loader: Any, node: Any) -> Any:
    return loader.construct_scalar(node)


def _sequence(loader: Any, node: Any) -> Any:
    return loader.construct_sequence(node, deep=True)


def _file_content(loader: Any, node: Any) -> Any:
    state = loader.construct_mapping(node, deep=True).get("state") or (b"",)
    return state[0]


def _iterator_items(loader: Any, node: Any) -> Any:
    arguments: Any = loader.construct_mapping(node, deep=True).get("args") or ([],)
    return arguments[0]


for _tag, _construct in {
    "str": _plain_scalar,
    "unicode": _plain_scalar,
    "tuple": _sequence,
    "object/new:_io.BytesIO": _file_content,
    "object/apply:builtins.iter": _iterator_items,
}.items():
    _CassetteLoader.add_constructor(_PYTHON_TAG + _tag, _construct)


def load(data: bytes, path: Path | None = None) -> Any:
    """The document in a cassette file, YAML or JSON.

    Raises `CassetteSyntaxError` if it is neither, `CassetteFormatError` if it would need Python objects.
    """
    # JSON has pairs of escapes for characters beyond U+FFFF, which YAML knows nothing of.
    if data.lstrip()[:1] == b"{":
        try:
            return json.loads(data)
        except ValueError as error:
            json_error = error
    else:
        json_error = None
    try:
        return yaml.load(data, _CassetteLoader)  # noqa: S506 - a safe loader with five more tags
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
        raise CassetteSyntaxError("nested too deeply to be a cassette", path=path) from error


def _place(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "


def dump(value: Any, indent: int) -> str:
    """The lines of a mapping or list as a YAML block, indented, keys in their own order."""
    text = yaml.dump(
        value, Dumper=_Dumper, allow_unicode=True, default_flow_style=False, sort_keys=False, width=_UNFOLDED
    )
    return re.sub("(?m)^(?=.)", " " * indent, text)


def scalar(value: str | bytes | None, indent: int) -> str:
    """A body as a YAML scalar, ending in a newline; its further lines are indented.

    Text of several lines stands as a literal block, so that each line of a stream is a line of the file; text
    that YAML can't hold so stands in double quotes, still a line each. Bytes are `!!binary`.
    """
    if isinstance(value, str) and _NOT_IN_BLOCK.search(value):
        return _quoted(value, indent)
    if isinstance(value, str) and "\n" in value and value.strip("\n"):
        return _block(value, indent)
    head, *lines = dump([value], 0).splitlines(keepends=True)
    return head.removeprefix("- ") + "".join(" " * indent + line.lstrip(" ") for line in lines)


def _block(text: str, indent: int) -> str:
    stripped = text.rstrip("\n")
    ending = len(text) - len(stripped)
    margin = " " * indent
    # The indentation is written out (relative to the key that holds the block), as a first line may be blank.
    header = "|2" if text[:1] in " \t\n" else "|"
    header += "-" if ending == 0 else "" if ending == 1 else "+"
    lines = [margin + line if line else "" for line in stripped.split("\n")]
    return "\n".join([header, *lines]) + "\n" * max(ending, 1)


def _quoted(text: str, indent: int) -> str:
    lines = []
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        escaped = _NOT_IN_BLOCK.sub(_escape, json.dumps(line, ensure_ascii=False)[1:-1])
        # A line that begins with a space would lose it to the margin.
        lines.append(" " * indent + ("\\" if escaped[:1] == " " else "") + escaped)
    return '"\\\n' + "\\\n".join(lines) + '"\n'


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
