"""Which JSON Schemas the providers refuse, and in which words.

Each provider takes a part of JSON Schema. Messages are as quoted in public issues; what no issue quotes names the
documented fact in plain words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.wires.prompt import Prompt
from tokentape_fake_provider.wires.reading.fields import as_object, either, first, objects
from tokentape_fake_provider.wires.validation.openai_chat import is_openais
from tokentape_fake_provider.wires.wire import ProviderRequest

Path: TypeAlias = tuple[str, ...]

# developers.openai.com/api/docs/guides/structured-outputs, "Supported schemas".
_OPENAI_REFUSES: Final = (
    *("allOf", "oneOf", "not", "if", "then", "else"),
    *("dependentRequired", "dependentSchemas"),
)
_OPENAI_DEPTH: Final = 10
_OPENAI_PROPERTIES: Final = 5000
_OPENAI_ENUM_VALUES: Final = 1000
_OPENAI_CHARACTERS: Final = 120_000
# Anthropic's guide to structured outputs, section "JSON Schema limitations", and anthropic's `transform_schema`.
_ANTHROPIC_REFUSES: Final[Mapping[str, tuple[str, ...]]] = {
    "number": ("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"),
    "integer": ("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"),
    "string": ("maxLength", "minLength"),
    "array": ("maxItems", "uniqueItems"),
    "object": ("maxProperties", "minProperties"),
}
# The fields of Schema in the references of the Gemini API and of Vertex AI, which has three more.
_GEMINI_FIELDS: Final = frozenset(
    (
        *("type", "format", "title", "description", "nullable", "enum", "default", "example", "items", "anyOf"),
        *("minItems", "maxItems", "minLength", "maxLength", "pattern", "minimum", "maximum"),
        *("properties", "required", "propertyOrdering", "minProperties", "maxProperties"),
    )
)
_VERTEX_FIELDS: Final = _GEMINI_FIELDS | {"additionalProperties", "ref", "defs"}

_SCHEMAS: Final = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
_SCHEMA_LISTS: Final = ("anyOf", "allOf", "oneOf", "prefixItems")
_SCHEMA_MAPS: Final = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")


class _Place(NamedTuple):
    """A schema inside another one, its path, and how many objects are around it."""

    schema: Mapping[str, Any]
    path: Path
    depth: int


def check_schemas(request: ProviderRequest, prompt: Prompt) -> None:
    """Raise `BadRequestError` for a tool's or an output's schema that the provider would refuse."""
    body = request.body
    match request.wire:
        case "openai_chat" if is_openais(request):
            for index, function in _functions(body, "function"):
                _check_function(function, f"tools[{index}].function.parameters")
            form = as_object(as_object(body.get("response_format")).get("json_schema"))
            _check_openai_output(form, "response_format", None)
        case "openai_responses":
            for index, function in _functions(body, None):
                _check_function(function, f"tools[{index}].parameters")
            form = as_object(as_object(body.get("text")).get("format"))
            _check_openai_output(form, "text.format.schema", "invalid_json_schema")
        case "anthropic_messages" | "bedrock_invoke" | "bedrock_converse":
            if request.wire == "anthropic_messages" or "anthropic" in request.model:
                _check_anthropic(body, prompt)
        case "gemini":
            _check_gemini(body, _VERTEX_FIELDS if "/projects/" in request.path else _GEMINI_FIELDS)
        case "cohere_chat":
            form = as_object(body.get("response_format"))
            if isinstance(schema := first(form, "schema", "json_schema"), Mapping):
                _check_cohere(schema)
        case _:
            pass


def _functions(body: Mapping[str, Any], field: str | None) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The tools that are functions, with their places in the list."""
    for index, tool in enumerate(objects(body.get("tools"))):
        if tool.get("type") == "function":
            yield index, tool if field is None else as_object(tool.get(field))


def _check_function(function: Mapping[str, Any], param: str) -> None:
    schema = function.get("parameters")
    if isinstance(schema, Mapping):
        what = f"Invalid schema for function '{function.get('name', '')}'"
        strict = function.get("strict") is True
        _check_openai(schema, what, strict=strict, param=param, code="invalid_function_parameters")


def _check_openai_output(form: Mapping[str, Any], param: str, code: str | None) -> None:
    schema = form.get("schema")
    if isinstance(schema, Mapping):
        what = f"Invalid schema for response_format '{form.get('name', '')}'"
        _check_openai(schema, what, strict=form.get("strict") is True, param=param, code=code)


def _check_openai(schema: Mapping[str, Any], what: str, *, strict: bool, param: str, code: str | None) -> None:
    def refuse(problem: str, path: Path | None = None) -> BadRequestError:
        context = "" if path is None else f"In context={path!r}, "
        return BadRequestError(f"{what}: {context}{problem}", param=param, code=code)

    if schema.get("type") != "object":
        kind = schema.get("type") or "None"
        raise refuse(f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'.")
    places = list(_places(schema))
    for place in places:
        for problem in _openai_problems(place.schema, strict=strict, root=not place.path):
            raise refuse(problem, place.path)
    if not strict:
        return
    depth = max(place.depth for place in places)
    if depth > _OPENAI_DEPTH:
        raise refuse(f"{depth} levels of nesting exceeds limit of {_OPENAI_DEPTH}.")
    names = [name for place in places for name in as_object(place.schema.get("properties"))]
    values = [value for place in places for value in _values(place.schema)]
    within = "in total within a single schema when using structured outputs, but received"
    advice = "or use 'strict: false' to opt out of structured outputs."
    if len(names) > _OPENAI_PROPERTIES:
        raise refuse(
            f"Expected at most {_OPENAI_PROPERTIES} object properties {within} {len(names)}. "
            f"Consider reducing the number of properties, {advice}"
        )
    if len(values) > _OPENAI_ENUM_VALUES:
        raise refuse(
            f"Expected at most {_OPENAI_ENUM_VALUES} enum values {within} {len(values)}. "
            f"Consider reducing the number of enums, {advice}"
        )
    definitions = [name for place in places for name in as_object(place.schema.get("$defs"))]
    characters = sum(len(text) for text in (*names, *definitions, *values) if isinstance(text, str))
    if characters > _OPENAI_CHARACTERS:
        raise refuse(
            f"Expected at most {_OPENAI_CHARACTERS} characters in names and enum values {within} {characters}. "
            f"Consider shortening them, {advice}"
        )


def _openai_problems(schema: Mapping[str, Any], *, strict: bool, root: bool) -> Iterator[str]:
    kinds = schema.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if "array" in kinds and not {"items", "prefixItems"} & schema.keys():
        yield "array schema missing items."
    if root and "properties" not in schema:
        yield "object schema missing properties."
    if not strict:
        return
    yield from (f"'{keyword}' is not permitted." for keyword in _OPENAI_REFUSES if keyword in schema)
    if not {"type", "anyOf", "$ref", "enum", "const"} & schema.keys():
        yield "schema must have a 'type' key."
    if "object" in kinds:
        properties, required = as_object(schema.get("properties")), schema.get("required")
        required = required if isinstance(required, list) else []
        if schema.get("additionalProperties") is not False:
            yield "'additionalProperties' is required to be supplied and to be false."
        if missing := next((name for name in properties if name not in required), None):
            yield (
                "'required' is required to be supplied and to be an array including every key in properties. "
                f"Missing '{missing}'."
            )
        if extra := next((name for name in required if name not in properties), None):
            yield f"'required' is required to be an array of keys in properties. Extra required key '{extra}' supplied."


def _values(schema: Mapping[str, Any]) -> list[Any]:
    values = schema.get("enum")
    return [*(values if isinstance(values, list) else ()), *([schema["const"]] if "const" in schema else ())]


def _check_anthropic(body: Mapping[str, Any], prompt: Prompt) -> None:
    for index, tool in enumerate(objects(body.get("tools"))):
        schema = tool.get("input_schema")
        if isinstance(schema, Mapping) and tool.get("strict") is True:
            _check_anthropic_schema(schema, f"tools.{index}.custom")
    if prompt.output.kind == "schema" and isinstance(prompt.output.schema, Mapping):
        field = "output_format" if "output_format" in body else "output_config.format"
        _check_anthropic_schema(prompt.output.schema, f"{field}.schema")


def _check_anthropic_schema(schema: Mapping[str, Any], where: str) -> None:
    for place in _places(schema):
        one = place.schema
        kinds = one.get("type")
        for kind in kinds if isinstance(kinds, list) else [kinds]:
            unsupported = [keyword for keyword in _ANTHROPIC_REFUSES.get(str(kind), ()) if keyword in one]
            if kind == "array" and one.get("minItems", 0) not in (0, 1):
                unsupported.append("minItems")
            if len(unsupported) == 1:
                raise BadRequestError(f"{where}: For '{kind}' type, property '{unsupported[0]}' is not supported")
            if unsupported:
                names = ", ".join(unsupported)
                raise BadRequestError(f"{where}: For '{kind}' type, properties {names} are not supported")
            if kind == "object" and one.get("additionalProperties") is not False:
                raise BadRequestError(
                    f"{where}: For 'object' type, 'additionalProperties' must be explicitly set to false"
                )
        reference = one.get("$ref")
        if isinstance(reference, str) and _is_recursive(schema, reference):
            raise BadRequestError(f"{where}: recursive schemas are not supported: {reference} refers to itself")


def _is_recursive(document: Mapping[str, Any], reference: str) -> bool:
    """Whether following a reference leads back to it."""
    waiting, seen = [reference], set()
    while waiting:
        target: Any = document
        for step in waiting.pop().lstrip("#").split("/")[1:]:
            target = as_object(target).get(step.replace("~1", "/").replace("~0", "~"))
        for place in _places(as_object(target)):
            found = place.schema.get("$ref")
            if found == reference:
                return True
            if isinstance(found, str) and found not in seen:
                seen.add(found)
                waiting.append(found)
    return False


def _check_gemini(body: Mapping[str, Any], known: frozenset[str]) -> None:
    unknown, missing = [], []
    for place in _gemini_places(body):
        names = [name for name in place.schema if _camel(name) not in known]
        problem = "Invalid JSON payload received. Unknown name"
        unknown += [f"{problem} \"{name}\" at '{place.path}': Cannot find field." for name in names]
        if str(place.schema.get("type")).lower() == "array" and "items" not in place.schema:
            missing.append(f"* GenerateContentRequest.{place.named}.items: missing field.\n")
    if unknown:
        raise BadRequestError("\n".join(unknown))
    if missing:
        raise BadRequestError("".join(missing))


class _GeminiPlace(NamedTuple):
    """A schema by its path in the protocol buffer that Google reads it into, and by that with properties' names."""

    schema: Mapping[str, Any]
    path: str
    named: str


def _gemini_places(body: Mapping[str, Any]) -> Iterator[_GeminiPlace]:
    waiting = [(path, path, schema) for path, schema in _gemini_schemas(body)]
    while waiting:
        path, named, one = waiting.pop(0)
        if not isinstance(one, Mapping):
            continue
        yield _GeminiPlace(one, path, named)
        properties = enumerate(as_object(one.get("properties")).items())
        waiting += ((f"{path}.properties[{n}].value", f"{named}.properties[{name}]", m) for n, (name, m) in properties)
        choices = enumerate(objects(either(one, "anyOf")))
        waiting += ((f"{path}.any_of[{n}]", f"{named}.any_of[{n}]", member) for n, member in choices)
        waiting.append((f"{path}.items", f"{named}.items", one.get("items")))


def _gemini_schemas(body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "generation_config.response_schema", either(either(body, "generationConfig"), "responseSchema")
    for index, tool in enumerate(objects(body.get("tools"))):
        for number, function in enumerate(objects(either(tool, "functionDeclarations"))):
            for field in ("parameters", "response"):
                yield f"tools[{index}].function_declarations[{number}].{field}", function.get(field)


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


def _check_cohere(schema: Mapping[str, Any]) -> None:
    """docs.cohere.com/docs/structured-outputs: the top level is an object, and each has a required field."""
    invalid = "invalid request: response_format validation: invalid 'json_schema' provided"
    if "type" not in schema:
        raise BadRequestError(f"{invalid}: missing required field 'type'")
    if schema["type"] != "object":
        raise BadRequestError(f"{invalid}: the top-level 'type' must be 'object'")
    for place in _places(schema):
        if place.schema.get("type") == "object" and not place.schema.get("required"):
            raise BadRequestError(f"{invalid}: an object must have at least one field in 'required'")


def _places(schema: Mapping[str, Any]) -> Iterator[_Place]:
    """A schema and all inside it; references are not followed."""
    waiting = [_Place(schema, (), 0)]
    while waiting:
        one, path, depth = waiting.pop(0)
        depth += one.get("type") == "object" or "properties" in one
        yield _Place(one, path, depth)
        inside: list[tuple[Any, Path]] = [(one.get(keyword), (*path, keyword)) for keyword in _SCHEMAS]
        for keyword in _SCHEMA_LISTS:
            members = one.get(keyword)
            inside += [
                (m, (*path, keyword, str(n))) for n, m in enumerate(members if isinstance(members, list) else ())
            ]
        for keyword in _SCHEMA_MAPS:
            inside += [(member, (*path, keyword, name)) for name, member in as_object(one.get(keyword)).items()]
        waiting += [_Place(member, where, depth) for member, where in inside if isinstance(member, Mapping)]
