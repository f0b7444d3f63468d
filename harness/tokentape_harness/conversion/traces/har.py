"""HAR: the entries of a browser's or a proxy's archive that are calls of models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from tokentape_fake_provider.wires import wire_for_path
from tokentape_harness.conversion.har import parse_har
from tokentape_harness.conversion.traces.exchange import TracedExchange
from tokentape_harness.conversion.traces.values import Record, mapping


def is_har(fields: Mapping[str, Any]) -> bool:
    """Whether a record is a whole HAR."""
    return "entries" in mapping(fields.get("log"))


def read_har(records: Sequence[Record]) -> Iterator[TracedExchange]:
    """The entries whose path is one of a wire format. Raises `CassetteFormatError`."""
    for record in records:
        for number, interaction in enumerate(parse_har(msgspec.json.encode(record.fields))):
            request = interaction.request
            owner = wire_for_path(unquote(urlsplit(request.uri).path))
            if owner is not None and request.method == "POST":
                place = f"{record.place}, request {number} ({request.method} {urlsplit(request.uri).path})"
                yield TracedExchange(place=place, wire=owner.name, recorded=interaction)
