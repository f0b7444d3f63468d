"""Request options that several providers have, each under a name of its own."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any

from tokentape_fake_provider.wires import WIRES, wire_named


def read_options(fields: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The options among these fields of a request, by their common names, and the names of all other fields."""
    found: dict[str, Any] = {}
    other: list[str] = []
    names = {place: name for wire in WIRES.values() for name, place in wire.facts.option_paths.items()}
    for place, value in _fields(fields, {place.partition(".")[0] for place in names if "." in place}):
        name = names.get(place)
        if name is None:
            other.append(place)
        else:
            found[name] = [value] if name == "stop" and isinstance(value, str) else value
    return found, other


def write_options(options: Mapping[str, Any], wire: str) -> tuple[dict[str, Any], list[str]]:
    """The options as fields of a request in this wire format, and the names of those that it does not have."""
    places = wire_named(wire).facts.option_paths
    fields: dict[str, Any] = {}
    for name, value in options.items():
        if name in places:
            holder, dot, field = places[name].partition(".")
            if dot:
                fields.setdefault(holder, {})[field] = value
            else:
                fields[holder] = value
    return fields, [name for name in options if name not in places]


def _fields(fields: Mapping[str, Any], holders: Container[str]) -> Iterator[tuple[str, Any]]:
    """Each field by its path; an object that holds options is listed field by field."""
    for key, value in fields.items():
        if value is None:
            continue
        if key in holders and isinstance(value, Mapping):
            yield from ((f"{key}.{inner}", held) for inner, held in value.items() if held is not None)
        else:
            yield key, value
