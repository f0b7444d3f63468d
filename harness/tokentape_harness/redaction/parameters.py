"""Parameters: the values of secret names in forms, and in the parts of multipart bodies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from tokentape_harness.redaction.rules import RedactionRules

_FORM = "application/x-www-form-urlencoded"
_PARAMETER = re.compile(r"([^=&]*)=([^&]*)")
# A body without a content type that is one line of parameters.
_BARE_FORM = re.compile(r"[\w.\[\]%+-]{1,100}=[^\s&]*(?:&[\w.\[\]%+-]{1,100}=[^\s&]*)*")
_PART = re.compile(r"(?im)^content-disposition:([^\r\n]{0,500})\r?\n(?:[^\r\n]{1,1000}\r?\n){0,8}\r?\n")
_NAME = re.compile(r"[;\s]name=(?:\"([^\"]*)\"|([^\s;]*))")
_BOUNDARY = re.compile(r"\r?\n--")


class Parameter(NamedTuple):
    """A parameter with a secret name, and the place of its value."""

    name: str
    start: int
    end: int


def may_have_parameters(content_type: str) -> bool:
    """Whether a body of this type is a form or multipart."""
    return not content_type or content_type.lower().startswith(("multipart/", _FORM))


def secret_parameters(text: str, content_type: str, rules: RedactionRules) -> Iterator[Parameter]:
    """The parameters of a form or multipart body whose names are secret; values are still encoded."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind.startswith("multipart/"):
        found = _parts(text)
    elif kind == _FORM or (not kind and _BARE_FORM.fullmatch(text)):
        found = (Parameter(match[1], *match.span(2)) for match in _PARAMETER.finditer(text))
    else:
        return
    for parameter in found:
        if parameter.start < parameter.end and rules.is_parameter(parameter.name):
            yield parameter


def _parts(text: str) -> Iterator[Parameter]:
    start = 0
    for end in (*(match.start() for match in _BOUNDARY.finditer(text)), len(text)):
        head = _PART.search(text, start, end)
        name = head and _NAME.search(head[1])
        if head and name:
            yield Parameter(name[1] or name[2] or "", head.end(), end)
        start = end
