"""Generates values that are valid by a JSON Schema.

A value has to satisfy several schemas at once (`allOf`, a reference with siblings, a chosen branch of `anyOf`, two
patterns for one property), so everything here works on tuples of schemas instead of merging them. What can't be built
directly (`not`, `oneOf`, `contains`) is generated and checked.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple, TypeAlias

from tokentape_fake_provider.errors import SchemaError
from tokentape_fake_provider.simulation.json_equality import frozen
from tokentape_fake_provider.simulation.json_schema import TYPES, Schema, never, read_schema
from tokentape_fake_provider.simulation.named_values import named_texts, number_range, singular
from tokentape_fake_provider.simulation.schema_check import (
    TYPES_OF_KEYWORDS,
    is_valid,
    item_for,
    properties_for,
)
from tokentape_fake_provider.simulation.schema_negation import negated
from tokentape_fake_provider.simulation.schema_strings import (
    UnsatisfiableError,
    bounds,
    keyword_place,
    number_value,
    text_value,
)
from tokentape_fake_provider.simulation.text_pattern import matching_text

Parts: TypeAlias = tuple[Schema, ...]

_FULL_DEPTH: Final = 4
"""Below this depth, optional properties are left out, lists are short and the least deep choices are taken."""
_FULL_SIZE: Final = 300
"""So are they once a value has this many parts."""
_DEEPEST: Final = 100
LARGEST_COST: Final = 200_000
"""The most that is generated or tried for one value: characters for patterns, with 10 for each part of the value."""
_VALUE_COST: Final = 10
_DEAD_ENDS: Final = 400
_CHOICES: Final = 100
_DRAWS: Final = 6
_ANYTHING: Final = (Schema("$"),)
_PATTERN_DRAWS: Final = 8
_NAMES: Final = ("name", "title", "status", "category", "description", "value", "note", "owner", "city", "color")


def schema_value(schema: Mapping[str, Any] | bool, *, seed: str, locale: str = "en_US") -> Any:
    """A value that is valid by the schema; the same arguments give the same value.

    Strings are filled by the names of their properties (`email`, `city`). Recursive schemas end. Raises
    `SchemaError`, whose message names the place in the schema, for one that no value satisfies or that is not a schema.
    """
    try:
        whole = read_schema(schema)
        return _Generator(random.Random(seed), locale).value((whole,), "", 0)  # noqa: S311 - not for secrets
    except RecursionError:
        raise SchemaError("`$` is nested too deeply: use fewer levels.") from None


class _Alternatives(NamedTuple):
    """Ways to satisfy a keyword, of which one must be taken; the later ones of `ordered` are only tried if all fail."""

    ways: Sequence[Parts]
    ordered: bool = False


class _Generator:
    """Generates one value; `name` is that of the property, `depth` the number of objects and lists around it."""

    def __init__(self, draw: random.Random, locale: str) -> None:
        self._draw = draw
        self._locale = locale
        self._size = 0
        self._dead_ends = 0
        self._cost = 0

    def value(self, parts: Parts, name: str, depth: int) -> Any:
        """A value that satisfies all parts. Raises `UnsatisfiableError`."""
        if depth > _DEEPEST:
            raise UnsatisfiableError(
                parts[0].place, f"its values are nested more than {_DEEPEST} levels deep, or without end"
            )
        self._size += 1
        self._charge(_VALUE_COST)
        if not any(part.in_place or part.checked for part in parts):
            return self._of_any_type(parts, name, depth)
        reason: UnsatisfiableError | None = None
        for flat in islice(self._choices(list(parts), (), self._minimal(depth)), _CHOICES):
            checked = any(part.checked for part in flat)
            for _ in range(_DRAWS):
                try:
                    value = self._of_any_type(flat, name, depth)
                except UnsatisfiableError as error:
                    reason = error
                    self._dead_ends += 1
                    if self._dead_ends > _DEAD_ENDS:
                        raise SchemaError(f"{error} No other choice was found either; simplify the schema.") from None
                    break
                if not checked or all(is_valid(value, part) for part in flat):
                    return value
        place = keyword_place(parts, "not", "oneOf", "contains", "if", "propertyNames")
        raise reason or UnsatisfiableError(place, "the other keywords leave no value for it")

    def _charge(self, cost: int) -> None:
        """Count what was generated or tried, in characters."""
        self._cost += cost
        if self._cost > LARGEST_COST:
            raise SchemaError("`$` requires values that are too large together: simplify it, or lower its minima.")

    def _minimal(self, depth: int) -> bool:
        return depth > _FULL_DEPTH or self._size > _FULL_SIZE

    # The choices.

    def _choices(self, waiting: list[Schema | _Alternatives], flat: Parts, minimal: bool) -> Iterator[Parts]:
        """The parts with all that they refer to, for each choice among their alternatives."""
        while waiting:
            first, *waiting = waiting
            if isinstance(first, _Alternatives):
                for way in self._in_order(first, minimal):
                    yield from self._choices([*way, *waiting], flat, minimal)
                return
            if any(first is part for part in flat) or len(flat) > _CHOICES:
                continue
            flat = (*flat, first)
            if first.in_place:
                waiting = [*waiting, *_applied(first)]
        yield flat

    def _in_order(self, alternatives: _Alternatives, minimal: bool) -> Sequence[Parts]:
        ways = list(alternatives.ways)
        if minimal:
            return sorted(ways, key=lambda way: max(map(_height, way), default=0))
        if not alternatives.ordered:
            self._draw.shuffle(ways)
            ways.sort(key=_allows_only_null)
        return ways

    # One value.

    def _of_any_type(self, parts: Parts, name: str, depth: int) -> Any:
        listed = next((part for part in parts if "enum" in part), None)
        if listed is not None:
            values = [value for value in listed["enum"] if all(is_valid(value, part) for part in parts)]
            if not values:
                place = listed.place if listed["enum"] == () else f"{listed.place}.enum"
                raise UnsatisfiableError(place, "no value is left that the other keywords allow")
            return self._draw.choice(values)
        reason: UnsatisfiableError | None = None
        for kind in self._types(parts, name, depth):
            try:
                return self._of_type(kind, parts, name, depth)
            except UnsatisfiableError as error:
                reason = error
        raise reason or UnsatisfiableError(keyword_place(parts, "type"), "the types exclude each other")

    def _types(self, parts: Parts, name: str, depth: int) -> Sequence[str]:
        """The types to try, in order."""
        types: frozenset[str] | None = None
        for part in parts:
            if (own := part.get("type")) is not None:
                own = own | {"integer"} if "number" in own else own
                types = own if types is None else types & own
        if types is None:
            meant = [TYPES_OF_KEYWORDS[keyword] for part in parts for keyword in part if keyword in TYPES_OF_KEYWORDS]
            usual = "object" if depth == 0 else "number" if number_range(name) else "string"
            first = meant[0] if meant else usual
            return [first, *sorted(TYPES - {first, "null"})]
        if len(types) == 1:
            return list(types)
        if "number" in types:
            types -= {"integer"}
        order = sorted(types)
        self._draw.shuffle(order)
        deep = ("array", "object") if self._minimal(depth) else ()
        return sorted(order, key=lambda kind: (kind in deep, kind == "null"))

    def _of_type(self, kind: str, parts: Parts, name: str, depth: int) -> Any:
        match kind:
            case "null":
                return None
            case "boolean":
                return self._draw.random() < 0.5
            case "integer" | "number":
                return number_value(parts, name, self._draw, integer=kind == "integer")
            case "string":
                return text_value(parts, name, self._draw, self._locale, self._charge)
            case "array":
                return self._array(parts, name, depth)
            case _:
                return self._object(parts, depth)

    # Lists.

    def _array(self, parts: Parts, name: str, depth: int) -> list[Any]:
        least, most = bounds(parts, "minItems", "maxItems")
        prefix = max(len(part.get("prefixItems", ())) for part in parts)
        wanted = [part["contains"] for part in parts for _ in range(part.get("minContains", 1)) if "contains" in part]
        excess = [
            Schema(part.place, **{"not": part["contains"]})
            for part in parts
            if {"contains", "maxContains"} <= part.keys()
        ]
        least = max(least, len(wanted))
        count = least if self._minimal(depth) else max(least, prefix or self._draw.randint(1, 3))
        count = count if most is None else min(count, most)
        unique = any(part.get("uniqueItems", False) for part in parts)
        values: list[Any] = []
        seen: set[Hashable] = set()
        for index in range(count):
            members = tuple(member for part in parts if (member := item_for(index, part)) is not None)
            # What must be contained stands at the end, where fewer items have a schema of their own.
            if (number := index - (count - len(wanted))) >= 0:
                members = (*members, wanted[number])
            else:
                members = (*members, *excess)
            try:
                value = self._item(
                    members or _unevaluated(parts, "unevaluatedItems"), singular(name), depth, seen if unique else set()
                )
            except UnsatisfiableError:
                if index < least:
                    raise
                break
            values.append(value)
            seen.add(frozen(value))
        return values

    def _item(self, members: Parts, name: str, depth: int, seen: set[Hashable]) -> Any:
        for _ in range(40):
            value = self.value(members, name, depth + 1)
            if frozen(value) not in seen:
                return value
        raise UnsatisfiableError(members[0].place, "there are not enough different items")

    # Objects.

    def _object(self, parts: Parts, depth: int) -> dict[str, Any]:
        least, most = bounds(parts, "minProperties", "maxProperties")
        required = list(dict.fromkeys(name for part in parts for name in part.get("required", ())))
        named = [name for part in parts for name in (*part.get("propertyOrdering", ()), *part.get("properties", ()))]
        names = list(dict.fromkeys(name for name in named if any(name in p.get("properties", ()) for p in parts)))
        names += [name for name in required if name not in names]
        minimal = self._minimal(depth)
        values: dict[str, Any] = {}
        left = (len(names) if most is None else most) - len(required)
        if left < 0 and most is not None:
            raise UnsatisfiableError(
                keyword_place(parts, "required"), f"`required` has more names than `maxProperties` allows, {most}"
            )
        for name in names:
            if name in required:
                values[name] = self._property(parts, name, depth)
            elif not minimal and left > 0 and self._added(values, parts, name, depth):
                left -= 1
        self._depend(values, parts, depth)
        for name in names:
            if len(values) < least and name not in values:
                self._added(values, parts, name, depth)
        is_map = (
            not names
            and not minimal
            and (
                any(part.get("additionalProperties") or part.get("patternProperties") for part in parts)
                or (depth > 0 and not any("properties" in part for part in parts))
            )
        )
        wanted = max(least, 2) if is_map else least
        for attempt in range(wanted * 8):
            if len(values) >= (wanted if most is None else min(wanted, most)):
                break
            name = self._new_name(parts, attempt, depth)
            if name not in values:
                self._added(values, parts, name, depth)
        if len(values) < least:
            raise UnsatisfiableError(
                keyword_place(parts, "minProperties"), f"fewer properties are allowed than `minProperties`, {least}"
            )
        return values

    def _property(self, parts: Parts, name: str, depth: int) -> Any:
        for part in parts:
            if "propertyNames" in part and not is_valid(name, part["propertyNames"]):
                raise UnsatisfiableError(part["propertyNames"].place, f"it excludes the property {name!r}")
        members = tuple(member for part in parts for member in properties_for(name, part))
        return self.value(members or _unevaluated(parts, "unevaluatedProperties"), name, depth + 1)

    def _added(self, values: dict[str, Any], parts: Parts, name: str, depth: int) -> bool:
        """Whether an optional property could be added."""
        try:
            values[name] = self._property(parts, name, depth)
        except UnsatisfiableError:
            return False
        return True

    def _depend(self, values: dict[str, Any], parts: Parts, depth: int) -> None:
        """Add what the properties depend on; leave those out that depend on something impossible."""
        dependencies = [item for part in parts for item in part.get("dependentRequired", {}).items()]
        missing = True
        while missing:
            missing = False
            for name, needed in dependencies:
                for other in needed:
                    if name in values and other not in values:
                        missing = True
                        if not self._added(values, parts, other, depth):
                            del values[name]

    def _new_name(self, parts: Parts, attempt: int, depth: int) -> str:
        rules = tuple(part["propertyNames"] for part in parts if "propertyNames" in part)
        patterns = [pattern for part in parts for pattern in part.get("patternProperties", ())]
        if rules:
            return str(self.value((*rules, Schema(rules[0].place, type=frozenset(("string",)))), "", depth))
        # Most patterns have many texts. Where one has few, it may be found in longer names, or others be allowed.
        if patterns and (attempt < _PATTERN_DRAWS or attempt % 3):
            text = matching_text(patterns[attempt % len(patterns)].pattern, self._draw)
            self._charge(len(text))
            return text if attempt < _PATTERN_DRAWS or attempt % 3 == 1 else f"{text}{attempt}"
        if attempt < len(_NAMES):
            return _NAMES[attempt]
        return f"{self._draw.choice(named_texts('word', self._locale))}_{attempt}"


def _applied(part: Schema) -> Iterator[Schema | _Alternatives]:
    """What a part's keywords apply to the same value."""
    if "$ref" in part:
        yield part["$ref"]
    yield from part.get("allOf", ())
    if "anyOf" in part:
        yield _Alternatives([(member,) for member in part["anyOf"]])
    if "oneOf" in part:
        members = part["oneOf"]
        exact = [
            (member, *(Schema(other.place, **{"not": other}) for other in members if other is not member))
            for member in members
        ]
        yield _Alternatives([*((member,) for member in members), *exact])
    if "if" in part:
        condition, empty = part["if"], Schema(part.place)
        otherwise = Schema(part.place, **{"not": condition})
        ways = [(condition, part.get("then", empty)), (otherwise, part.get("else", empty))]
        yield _Alternatives(ways, ordered=True)
    for name, member in part.get("dependentSchemas", {}).items():
        absent = Schema(member.place, properties={name: never(member.place)})
        yield _Alternatives([(Schema(member.place, required=[name]), member), (absent,)], ordered=True)
    if "not" in part:
        yield _Alternatives([(way,) for way in negated(part["not"])])


def _unevaluated(parts: Parts, keyword: str) -> Parts:
    """The schemas of what no other keyword of these parts is about."""
    return tuple(part[keyword] for part in parts if keyword in part) or _ANYTHING


def _allows_only_null(way: Parts) -> bool:
    return any(part.get("type") == {"null"} or part.get("enum") == [None] for part in way)


def _height(schema: Schema) -> int:
    """How many objects and lists the least deep value has inside each other, at most 12."""
    known: dict[tuple[int, int], bool] = {}
    return next((height for height in range(12) if _fits(schema, height, known)), 12)


def _fits(schema: Schema, height: int, known: dict[tuple[int, int], bool]) -> bool:
    """Whether a value of at most this height exists, by the keywords that decide it."""
    key = (id(schema), height)
    if key not in known:
        known[key] = False  # of a schema that is applied within itself
        known[key] = (
            all(_fits(member, height, known) for member in (*schema.get("allOf", ()), *_one(schema, "$ref")))
            and all(any(_fits(one, height, known) for one in schema[k]) for k in ("anyOf", "oneOf") if k in schema)
            and _own_fits(schema, height, known)
        )
    return known[key]


def _own_fits(schema: Schema, height: int, known: dict[tuple[int, int], bool]) -> bool:
    if "enum" in schema:
        return bool(schema["enum"])
    types = schema.get(
        "type", TYPES if not schema.get("required") and not schema.get("minItems") else {"object", "array"}
    )
    if not types <= {"object", "array"}:
        return True
    members = [m for name in schema.get("required", ()) for m in properties_for(name, schema)]
    items = [m for i in range(min(schema.get("minItems", 0), 3)) for m in [item_for(i, schema)] if m is not None]
    return any(
        (kind in types and height > 0) and all(_fits(member, height - 1, known) for member in inner)
        for kind, inner in (("object", members), ("array", items))
    )


def _one(schema: Schema, keyword: str) -> Parts:
    return (schema[keyword],) if keyword in schema else ()
