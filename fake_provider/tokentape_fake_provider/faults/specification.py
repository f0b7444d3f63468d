"""A fault in one line, such as `fin@frame=5` or `http_error@status=429,retry_after=2,times=1`.

A value with commas is in double quotes, as in JSON. A duration has a unit: `stall@for=2s`; `ever` means without end. A
flag needs no value: `fin@before_headers`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from functools import cache
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args, get_origin, get_type_hints

import msgspec

from tokentape_fake_provider.errors import FaultError
from tokentape_fake_provider.faults.fault import FAULTS, Fault, FaultBase, fault_name
from tokentape_fake_provider.faults.registry import fault_kind, fault_kinds, nearest

if TYPE_CHECKING:
    Faults: TypeAlias = tuple[Fault | str, ...]
else:
    # `as_faults` reads the JSON, including faults of other packages.
    Faults = tuple[Any, ...]
"""Faults in a setting, each as a value or as a specification."""

_OPTION: Final = re.compile(r'\s*([A-Za-z_]*)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^,"]*))?\s*(?:,|$)')
_DURATION: Final = re.compile(r"([0-9.eE+-]+)(ms|s|m|)")
_UNITS: Final = {"ms": 1.0, "": 1.0, "s": 1000.0, "m": 60_000.0}
_MS: Final = "_ms"
_KINDS: Final = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def parse_fault(spec: str) -> Fault:
    """Read a specification. Raises `FaultError` with one line: the invalid part and the nearest valid one."""
    kind, given = _read(spec)
    return _convert(spec, kind, given)


def _read(spec: str) -> tuple[type[Fault], dict[str, Any]]:
    """Return the kind of fault that a specification names, and the fields that it sets."""
    name, at, rest = spec.strip().partition("@")
    name = name.strip()
    kind = fault_kind(name)
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
            raise FaultError(f"fault {spec!r}: {name} has no parameter {option!r}{nearest(option, known)}")
        field = known[option]
        if field in given:
            raise FaultError(f"fault {spec!r}: {option} is given twice")
        given[field] = _value(spec, option, field, value)
    return kind, given


def as_fault(fault: Fault | str | Mapping[str, Any], **parameters: Any) -> Fault:
    """Return a fault from a value, a specification or a JSON object, with parameters changed by their field names.

    Raises `FaultError`.
    """
    if not isinstance(fault, str | FaultBase):
        return fault_of_object({**fault, **parameters} if parameters else fault)
    if not parameters:
        return parse_fault(fault) if isinstance(fault, str) else fault
    kind, given = _read(fault) if isinstance(fault, str) else (type(fault), msgspec.structs.asdict(fault))
    for name in parameters:
        if name not in kind.__struct_fields__:
            raise FaultError(f"fault {fault_name(kind)}: no parameter {name!r}{nearest(name, kind.__struct_fields__)}")
    # Check all parameters together: `quota` alone limits nothing, `quota` with `requests=1` does.
    return _convert(fault_name(kind), kind, {**given, **parameters})


def fault_of_object(value: Any) -> Fault:
    """Return a fault from its JSON object. Raises `FaultError` with one line that names the invalid part."""
    if not isinstance(value, dict) or not isinstance(value.get("fault"), str):
        raise FaultError(f'fault {value!r}: use a specification, or an object with the name of the fault in "fault"')
    name = value["fault"]
    try:
        kind = fault_kind(name)
    except FaultError as error:
        error.where = ".fault"
        raise
    given = {field: given for field, given in value.items() if field != "fault"}
    for field in given:
        if field not in kind.__struct_fields__:
            raise FaultError(f"fault {name}: no parameter {field!r}{nearest(field, kind.__struct_fields__)}")
    return _convert(name, kind, given, strict=True)


def as_faults(faults: Iterable[Fault | str] | Fault | str) -> tuple[Fault, ...]:
    """Return faults from any setting: one or many, values or specifications. Raises `FaultError`."""
    if isinstance(faults, str | FaultBase):
        faults = (faults,)
    converted = []
    for index, fault in enumerate(faults):
        try:
            converted.append(as_fault(fault))
        except FaultError as error:
            error.where = f"[{index}]{error.where}"
            raise
    return tuple(converted)


def format_fault(fault: Fault) -> str:
    """Return the specification of a fault; `parse_fault` reads it back as the same fault."""
    options = []
    defaults = _defaults(type(fault))
    for name, field in parameters(type(fault)).items():
        value = getattr(fault, field)
        if value == defaults[field]:
            continue
        options.append(name if value is True else f"{name}={_formatted(field, value)}")
    return fault_name(fault) + ("@" + ",".join(options) if options else "")


@cache
def _defaults(kind: type[Fault]) -> dict[str, Any]:
    return {known.name: known.default for known in msgspec.structs.fields(kind)}


def parameters(kind: type[Fault]) -> dict[str, str]:
    """Return the parameters in a specification, each with its field; those of all faults come last."""
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
            raise FaultError(f"fault {spec!r}: {option} is not a JSON string: check its quotes and escapes") from None
    if field.endswith(_MS):
        if value == "ever":
            return None
        match = _DURATION.fullmatch(value)
        try:
            return float(match[1] if match else "") * _UNITS[match[2] if match else ""]
        except ValueError:
            raise FaultError(f"fault {spec!r}: {option} {value!r} is not a duration: write 500ms, 2s or ever") from None
    return value


def _convert(spec: str, kind: type[Fault], given: dict[str, Any], *, strict: bool = False) -> Fault:
    try:
        return msgspec.convert(given, kind, strict=strict)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, FaultError):
            raise error.__cause__ from None
        field = str(error).partition(" - at `$.")[2].rstrip("`")
        value = given.get(field)
        option = field.removesuffix(_MS)
        problem = FaultError(f"fault {spec!r}: {option} {value!r} is not {_expected(kind, field)}")
        problem.where = f".{field}"
        raise problem from None


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


def _expected(kind: type[Fault], field: str) -> str:
    """Describe the values that a parameter accepts."""
    kinds: list[str] = []
    hint = get_type_hints(kind)[field]
    for part in get_args(hint) if get_origin(hint) is not Literal else (hint,):
        if get_origin(part) is Literal:
            kinds += map(str, get_args(part))
        elif part is not NoneType:
            kinds.append(_KINDS[part])
    if not kinds:
        kinds.append(_KINDS[hint])
    return " or ".join(filter(None, (", ".join(kinds[:-1]), kinds[-1])))


class Parameter(msgspec.Struct, frozen=True):
    """A parameter of a fault, with its `name` and `default` as in a specification."""

    name: str
    field: str
    default: str
    meaning: str


class CatalogEntry(msgspec.Struct, frozen=True):
    """A kind of fault: its name, what happens, and its own parameters."""

    name: str
    meaning: str
    parameters: tuple[Parameter, ...]


def catalog_of_faults() -> tuple[CatalogEntry, ...]:
    """Return all kinds of faults."""
    return tuple(
        CatalogEntry(name, inspect.getdoc(kind) or "", _parameters(kind, kind.__struct_fields__, FaultBase))
        for name, kind in fault_kinds().items()
    )


def shared_parameters() -> tuple[Parameter, ...]:
    """Return the parameters of every fault."""
    return _parameters(FAULTS["fin"], FaultBase.__struct_fields__, None)


def _parameters(kind: type[Fault], fields: Iterable[str], without: type[FaultBase] | None) -> tuple[Parameter, ...]:
    hints = get_type_hints(kind, include_extras=True)
    defaults = {field.name: field.default for field in msgspec.structs.fields(kind)}
    left_out = without.__struct_fields__ if without is not None else ()
    return tuple(
        Parameter(
            field.removesuffix(_MS),
            field,
            "" if defaults[field] is None and not field.endswith(_MS) else _formatted(field, defaults[field]),
            hints[field].__metadata__[0].description,
        )
        for field in fields
        if field not in left_out
    )
