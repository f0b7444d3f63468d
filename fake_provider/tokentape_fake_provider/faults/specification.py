"""Specification: a fault in one line, such as `fin@frame=5` or `http_error@status=429,retry_after=2,times=1`.

A value with commas stands in double quotes, as in JSON. A parameter in ms is named without its unit, and its value
has one: `stall@for=2s`; `ever` is for ever. A flag needs no value: `fin@before_headers`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Final, TypeAlias, get_type_hints

import msgspec

from tokentape_fake_provider.errors import FaultError
from tokentape_fake_provider.faults.fault import FAULTS, Fault, FaultBase, fault_name

Faults: TypeAlias = tuple[Fault | str, ...]
"""Faults in a setting: each as a value or as a specification."""

_OPTION: Final = re.compile(r'\s*([A-Za-z_]*)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^,"]*))?\s*(?:,|$)')
_DURATION: Final = re.compile(r"([0-9.eE+-]+)(ms|s|m|)")
_UNITS: Final = {"ms": 1.0, "": 1.0, "s": 1000.0, "m": 60_000.0}
_MS: Final = "_ms"


def parse_fault(spec: str) -> Fault:
    """Read a specification. Raises `FaultError` with one line that names the bad part and what is nearest to it."""
    name, at, rest = spec.strip().partition("@")
    name = name.strip()
    kind = FAULTS.get(name)
    if kind is None:
        raise FaultError(f"fault {spec!r}: no fault {name!r}{_nearest(name, FAULTS)}")
    known = parameters(kind)
    given: dict[str, Any] = {}
    position = 0
    while at and position < len(rest):
        match = _OPTION.match(rest, position)
        if match is None:
            raise FaultError(
                f"fault {spec!r}: {rest[position:]!r} can't be read: write name=value, with commas between"
            )
        position = match.end()
        option, value = match[1], match[2]
        if option not in known:
            raise FaultError(f"fault {spec!r}: {name} has no parameter {option!r}{_nearest(option, known)}")
        field = known[option]
        if field in given:
            raise FaultError(f"fault {spec!r}: {option} is given twice")
        given[field] = _value(spec, option, field, value)
    return _made(spec, kind, given)


def as_fault(fault: Fault | str, **parameters: Any) -> Fault:
    """A fault, or what a specification says, with parameters changed, by their fields. Raises `FaultError`."""
    made = parse_fault(fault) if isinstance(fault, str) else fault
    if not parameters:
        return made
    kind = type(made)
    fields = set(kind.__struct_fields__)
    for name in parameters:
        if name not in fields:
            raise FaultError(f"fault {fault_name(kind)}: no parameter {name!r}{_nearest(name, fields)}")
    changed = {**{name: getattr(made, name) for name in kind.__struct_fields__}, **parameters}
    return _made(fault_name(kind), kind, changed)


def as_faults(faults: Iterable[Fault | str] | Fault | str) -> tuple[Fault, ...]:
    """Faults of any kind of setting: one or many, values or specifications. Raises `FaultError`."""
    if isinstance(faults, str | FaultBase):
        faults = (faults,)
    return tuple(as_fault(fault) for fault in faults)


def format_fault(fault: Fault) -> str:
    """The specification of a fault: what `parse_fault` reads as the same."""
    said = []
    defaults = msgspec.structs.fields(fault)
    for name, field in parameters(type(fault)).items():
        value = getattr(fault, field)
        if value == next(known.default for known in defaults if known.name == field):
            continue
        said.append(name if value is True else f"{name}={_formatted(field, value)}")
    return fault_name(fault) + ("@" + ",".join(said) if said else "")


def parameters(kind: type[Fault]) -> dict[str, str]:
    """The parameters in a specification, each with its field; those of all faults come last."""
    fields = kind.__struct_fields__
    shared = FaultBase.__struct_fields__
    ordered = [*(field for field in fields if field not in shared), *shared]
    return {field.removesuffix(_MS): field for field in ordered}


def _value(spec: str, option: str, field: str, value: str | None) -> Any:
    if value is None:
        return True
    value = value.strip()
    if value.startswith('"'):
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError:
            raise FaultError(f"fault {spec!r}: {option} is not a string as in JSON") from None
    if field.endswith(_MS):
        if value == "ever":
            return None
        match = _DURATION.fullmatch(value)
        try:
            return float(match[1] if match else "") * _UNITS[match[2] if match else ""]
        except ValueError:
            raise FaultError(f"fault {spec!r}: {option} {value!r} is no time: write 500ms, 2s or ever") from None
    return value


def _made(spec: str, kind: type[Fault], given: dict[str, Any]) -> Fault:
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, FaultError):
            raise error.__cause__ from None
        what, _, where = str(error).partition(" - at `$.")
        raise FaultError(f"fault {spec!r}: {where.rstrip('`') or fault_name(kind)}: {what}") from None


def _formatted(field: str, value: Any) -> str:
    if field.endswith(_MS):
        return "ever" if value is None else f"{value:.17g}ms"
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.17g}"
        case str() if not re.fullmatch(r"[A-Za-z_][\w. /;=-]*(?<! )", value) or value in ("null", "true", "false"):
            return msgspec.json.encode(value).decode()
        case _:
            return str(value)


def _nearest(name: str, known: Iterable[str]) -> str:
    known = list(known)
    near = get_close_matches(name, known, 1, 0.5)
    return f": did you mean {near[0]}?" if near else f": the known ones are {', '.join(known)}"


def descriptions(kind: type[Fault]) -> dict[str, str]:
    """What each field of a fault means."""
    hints = get_type_hints(kind, include_extras=True)
    return {field: hints[field].__metadata__[0].description for field in kind.__struct_fields__}
