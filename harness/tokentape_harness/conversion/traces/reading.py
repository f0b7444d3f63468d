"""Reading: finds out what kind of export a file is, and reads the exchanges in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from tokentape_harness.conversion.traces.exchange import TracedExchange
from tokentape_harness.conversion.traces.har import is_har, read_har
from tokentape_harness.conversion.traces.langfuse import is_langfuse, read_langfuse
from tokentape_harness.conversion.traces.langsmith import is_langsmith, read_langsmith
from tokentape_harness.conversion.traces.logfire import is_logfire, read_logfire
from tokentape_harness.conversion.traces.otlp import is_otlp, read_otlp
from tokentape_harness.conversion.traces.request_log import is_request_log, read_request_log
from tokentape_harness.conversion.traces.values import Record
from tokentape_harness.errors import CassetteError, TraceError


class Reader(NamedTuple):
    """A kind of export: whether a record is of it, and the exchanges in its records."""

    accepts: Callable[[Mapping[str, Any]], bool]
    read: Callable[[Sequence[Record]], Iterable[TracedExchange]]


READERS: Final[Mapping[str, Reader]] = {
    "har": Reader(is_har, read_har),
    "otlp": Reader(is_otlp, read_otlp),
    "langsmith": Reader(is_langsmith, read_langsmith),
    "logfire": Reader(is_logfire, read_logfire),
    "langfuse": Reader(is_langfuse, read_langfuse),
    "log": Reader(is_request_log, read_request_log),
}
"""The kinds of exports, in the order in which a file is tried."""
# The fields in which APIs wrap their records.
_WRAPPERS: Final = ("data", "observations", "runs", "rows", "records", "spans", "traces", "logs")
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)


def read_traces(files: Sequence[tuple[str, bytes]], kind: str | None = None) -> list[TracedExchange]:
    """The exchanges in these files (name and content), in the order in which they began.

    `kind` is a key of `READERS`, `None` to find out. Files of one kind are read together, since log records may belong
    to spans in another file. Raises `TraceError`, which names the file and the line or the record.
    """
    by_kind: dict[str, list[Record]] = {}
    for file, data in files:
        records = list(_records(data, file))
        own = kind or _kind_of(records, file)
        accepted = [record for record in records if READERS[own].accepts(record.fields)]
        if not accepted:
            raise TraceError(f"no record in it is one of {own}: leave out --from to find out the kind", place=file)
        by_kind.setdefault(own, []).extend(accepted)
    found: list[TracedExchange] = []
    for own, records in by_kind.items():
        try:
            found += READERS[own].read(records)
        except CassetteError as error:
            raise TraceError(error.message, place=f"{records[0].place}, request {error.interaction}") from error
        except (TypeError, AttributeError, KeyError) as error:
            message = f"a field has another type than in an export of {own} ({error}): export it again"
            raise TraceError(message, place=records[0].place) from error
    return sorted(found, key=lambda exchange: exchange.started or _EARLIEST)


def _kind_of(records: Sequence[Record], file: str) -> str:
    for name, reader in READERS.items():
        if any(reader.accepts(record.fields) for record in records):
            return name
    raise TraceError(f"not an export of a known kind: name it with --from {'|'.join(READERS)}", place=file)


def _records(data: bytes, file: str) -> Iterator[Record]:
    """The records of a JSON document, or of one on each line."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        yield from _unwrapped(msgspec.json.decode(data), file, depth=3)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        lines = [(n, line) for n, line in enumerate(data.splitlines(), 1) if line.strip()]
        if len(lines) < 2:
            raise TraceError(f"not JSON ({error}): export it as JSON or JSON lines", place=file) from error
        for number, line in lines:
            try:
                value = msgspec.json.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
                message = f"not JSON ({wrong}): remove the line, or export the file again"
                raise TraceError(message, place=f"{file}, line {number}") from wrong
            yield from _unwrapped(value, f"{file}, line {number}", depth=2)


def _unwrapped(value: Any, place: str, depth: int) -> Iterator[Record]:
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _unwrapped(item, f"{place}, record {number}", depth - 1)
        return
    if not isinstance(value, Mapping):
        raise TraceError("not a JSON object: export it again", place=place)
    known = any(reader.accepts(value) for reader in READERS.values())
    columns = value.get("columns")
    if not known and isinstance(columns, list) and "rows" not in value:
        # Logfire's query API: a list of values for each column.
        names = [str(column.get("name")) for column in columns if isinstance(column, Mapping)]
        held = (column.get("values") for column in columns if isinstance(column, Mapping))
        values = [found if isinstance(found, list) else [] for found in held]
        for number, row in enumerate(zip(*values, strict=False)):
            yield Record(f"{place}, row {number}", dict(zip(names, row, strict=False)))
        return
    inner = next((value[name] for name in _WRAPPERS if isinstance(value.get(name), list)), None)
    if known or inner is None or not depth:
        yield Record(place, value)
        return
    yield from _unwrapped(inner, place, depth - 1)
