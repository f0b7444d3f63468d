"""Diff: how the events and fields of two cassettes differ."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Literal
from urllib.parse import unquote, urlsplit

import msgspec

from tokentape_fake_provider.wires import wire_for_path
from tokentape_harness.cassettes.model import Cassette, Interaction
from tokentape_harness.lint.event_schema import EventSchema, event_schema_of

ChangeKind = Literal[
    "interaction",
    "status",
    "content type",
    "new event",
    "gone event",
    "new field",
    "gone field",
    "type",
    "order",
    "usage",
]


class SchemaChange(msgspec.Struct, frozen=True):
    """One difference. `a` and `b` are the numbers of the interactions in their files, `None` for a missing one."""

    kind: ChangeKind
    what: str
    a: int | None
    b: int | None


def compare(a: Cassette, b: Cassette) -> list[SchemaChange]:
    """The differences of `b` from `a`.

    Interactions are paired in their order: those of the same wire format, both streamed or both not, or else those of
    the same method and path.
    """
    changes = []
    left, right = _grouped(a), _grouped(b)
    for group in dict.fromkeys((*left, *right)):
        ours, theirs = left.get(group, []), right.get(group, [])
        for (number, before), (other, after) in zip(ours, theirs, strict=False):
            found = _differences(event_schema_of(before), event_schema_of(after))
            changes += [SchemaChange(kind, what, number, other) for kind, what in found]
        common = min(len(ours), len(theirs))
        changes += [SchemaChange("interaction", f"gone: {group}", number, None) for number, _ in ours[common:]]
        changes += [SchemaChange("interaction", f"new: {group}", None, number) for number, _ in theirs[common:]]
    return changes


def _grouped(cassette: Cassette) -> dict[str, list[tuple[int, Interaction]]]:
    groups: dict[str, list[tuple[int, Interaction]]] = {}
    for number, interaction in enumerate(cassette):
        groups.setdefault(_group(interaction), []).append((number, interaction))
    return groups


def _group(interaction: Interaction) -> str:
    request = interaction.request
    path = unquote(urlsplit(request.uri).path)
    if interaction.websocket is not None:
        return f"WebSocket {path}"
    owner = wire_for_path(path)
    if owner is None:
        return f"{request.method} {path}"
    return f"{owner.name}, {'streamed' if _is_streamed(interaction) else 'not streamed'}"


def _is_streamed(interaction: Interaction) -> bool:
    """Whether the request body, or else the path or the content type, names a stream; errors are JSON anyway."""
    request = interaction.request
    try:
        body = msgspec.json.decode(request.body or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        body = None
    if isinstance(body, dict) and isinstance(body.get("stream"), bool):
        return bool(body["stream"])
    return "stream" in urlsplit(request.uri).path.lower() or "stream" in interaction.response.content_type


def _differences(a: EventSchema, b: EventSchema) -> Iterator[tuple[ChangeKind, str]]:
    if a.status != b.status:
        yield "status", f"was {a.status}, now {b.status}"
    if a.content_type != b.content_type:
        yield "content type", f"was {a.content_type or 'none'}, now {b.content_type or 'none'}"
    for kind in b.fields:
        if kind not in a.fields:
            yield "new event", kind
    for kind in a.fields:
        if kind not in b.fields:
            yield "gone event", kind
    for kind, before in a.fields.items():
        after = b.fields.get(kind)
        if after is not None:
            yield from (("new field", f"{kind}: {path} ({_types(after[path])})") for path in _roots(after, before))
            yield from (("gone field", f"{kind}: {path} ({_types(before[path])})") for path in _roots(before, after))
            for path, types in before.items():
                if path in after and after[path] != types:
                    yield "type", f"{kind}: {path} was {_types(types)}, now {_types(after[path])}"
    if a.order != b.order:
        yield "order", _order(a.order, b.order)
    if a.usage != b.usage:
        yield "usage", f"was {', '.join(a.usage) or 'not reported'}, now {', '.join(b.usage) or 'not reported'}"


def _roots(paths: Iterable[str], without: Iterable[str]) -> list[str]:
    """The paths that are not in `without`, but not those below another such path."""
    missing = dict.fromkeys(path for path in paths if path not in set(without))
    return [path for path in missing if not any(parent in missing for parent in _parents(path))]


def _parents(path: str) -> Iterator[str]:
    while path:
        path = path[:-2] if path.endswith("[]") else path.rpartition(".")[0]
        if path:
            yield path


def _order(a: tuple[str, ...], b: tuple[str, ...]) -> str:
    """The places where the sequences differ, each with the event before it."""
    matcher = difflib.SequenceMatcher(None, a, b, autojunk=False)
    found = []
    for tag, start, end, other, until in matcher.get_opcodes():
        if tag == "equal":
            continue
        place = f"after {a[start - 1]}" if start else "at the start"
        was, now = " ".join(a[start:end]), " ".join(b[other:until])
        found.append(f"{place} was {was or 'nothing'}, now {now or 'nothing'}")
    more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
    return "; ".join(found[:3]) + more


def _types(types: Iterable[str]) -> str:
    return " or ".join(sorted(types))
