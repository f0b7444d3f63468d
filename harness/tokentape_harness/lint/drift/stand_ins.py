"""Stand-ins: values of no machine for the placeholders of a request, so that a provider gets a usual prompt."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from tokentape_fake_provider.sessions.matching.placeholders import Values, with_values
from tokentape_harness.cassettes.model import Request

_PLACEHOLDER: Final = re.compile(r"\{\{(cwd|home|tmp|user|host|author|email\d*|id\d*)(?=[\[:~_}])")
_VALUES: Final = {
    "cwd": "/srv/project",
    "home": "/home/developer",
    "tmp": "/tmp/developer",  # noqa: S108 - no file
    "user": "developer",
    "host": "workstation",
    "author": "A. Developer",
}


def stand_ins(request: Request) -> Values:
    """A value for each placeholder in the body and the headers of a request."""
    texts = (_text(request.body), *(value for _, value in request.headers))
    names = dict.fromkeys(name for text in texts for name in _PLACEHOLDER.findall(text))
    return tuple((name, _value(name)) for name in names)


def with_stand_ins(request: Request, values: Values) -> Request:
    """The request with these values; one without placeholders stays as it is."""
    if not values:
        return request
    # A body that had the text of a placeholder has underscores after the name.
    names = [f"{name}{'_' * count}" for name, _ in values for count in range(3)]
    body = with_values(_text(request.body), names, values).encode() if _text(request.body) else request.body
    headers = tuple((name, with_values(value, names, values)) for name, value in request.headers)
    return msgspec.structs.replace(request, headers=headers, body=body)


def _text(body: bytes | None) -> str:
    try:
        return (body or b"").decode()
    except UnicodeDecodeError:
        return ""


def _value(name: str) -> str:
    if name in _VALUES:
        return _VALUES[name]
    number = int("".join(filter(str.isdigit, name)) or 0)
    return f"person{number}@example.com" if name.startswith("email") else f"00000000-0000-4000-8000-{number:012d}"
