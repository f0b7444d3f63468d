"""Credentials: the named secrets in the body of a request, which its response may repeat."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress

from tokentape_harness.redaction.body_text import raw_pieces
from tokentape_harness.redaction.parameters import secret_parameters
from tokentape_harness.redaction.rules import RedactionRules
from tokentape_harness.redaction.text_rules import is_placeholder

_NAME = re.compile(r'"([\w.-]{1,60})"\s{0,20}:\s{0,20}"')
_VALUE = re.compile(r'((?:[^"\\]++|\\.)*+)"')


def sent_secrets(body: bytes, content_type: str, rules: RedactionRules) -> Iterator[str]:
    """The values of secret members, form parameters and parts, but not text such as the label of a field."""
    for piece in raw_pieces(body, content_type):
        for parameter in secret_parameters(piece.text, content_type, rules):
            yield piece.text[parameter.start : parameter.end]
        for name in _NAME.finditer(piece.text):
            # A large value, such as an image, is passed over.
            value = _VALUE.match(piece.text, name.end()) if rules.may_be_member(name[1]) else None
            if value is not None and rules.is_member((name[1],), value[1]) and not _is_text(value[1]):
                with suppress(ValueError):
                    yield str(json.loads(f'"{value[1]}"'))


def _is_text(value: str) -> bool:
    return is_placeholder(value) or (" " in value and not any(char.isdigit() for char in value))
