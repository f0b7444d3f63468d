"""Objects of a JSON Schema, and operations of an OpenAPI document, as sections of a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]


def object_section(name: str, schema: Schema) -> str:
    """A section with a table of the fields of an object, or the alternatives of a union."""
    text = f"\n### {name}\n\n{_prose(schema.get('description', ''))}\n"
    if fields := schema.get("properties"):
        required = schema.get("required", ())
        text += "\n| field | type | default | limits |\n|---|---|---|---|\n"
        for field, kind in fields.items():
            default = "**required**" if field in required else _code(kind["default"]) if "default" in kind else ""
            text += f"| `{field}` | {type_of(kind)} | {default} | {_limits(kind)} |\n"
    elif "properties" not in schema:
        text += f"\n{type_of(schema)}\n"
    return text


def operation_section(method: str, path: str, operation: Schema) -> str:
    """A section on one operation: parameters, body, answer."""
    text = f"\n### {method.upper()} `{path}`\n\n{operation['summary']}\n\n"
    for parameter in operation["parameters"]:
        text += f"- {parameter['in']} `{parameter['name']}`: {type_of(parameter['schema'])}\n"
    if body := operation.get("requestBody"):
        text += f"- body{'' if body['required'] else ' (optional)'}: {_content(body)}\n"
    for status, answer in operation["responses"].items():
        if status != "default":
            text += f"- {status}: {_content(answer) or 'no content'}\n"
    return text


def type_of(schema: Schema) -> str:
    """The type of a value, with links to the objects."""
    if ref := schema.get("$ref"):
        name = ref.rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for union in ("anyOf", "oneOf", "allOf"):
        if found := [type_of(one) for one in schema.get(union, ()) if not {"not", "required"} & {*one} - {"type"}]:
            return (" and " if union == "allOf" else " or ").join(dict.fromkeys(found))
    if "enum" in schema:
        return ", ".join(_code(value) for value in schema["enum"])
    if "const" in schema:
        return _code(schema["const"])
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {type_of(schema.get('items') or {})}"
    if kind == "object" and isinstance(values := schema.get("additionalProperties"), Mapping):
        return f"object with values of {type_of(values)}"
    return ", ".join(kind) if isinstance(kind, list) else str(kind)


_LIMITS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
    "minItems": "items: at least",
    "maxItems": "items: at most",
    "minLength": "characters: at least",
    "pattern": "matches",
}


def _limits(schema: Schema) -> str:
    return ", ".join(f"{words} {_code(schema[key])}" for key, words in _LIMITS.items() if key in schema)


def _content(of: Schema) -> str:
    return ", ".join(f"`{media}`: {type_of(one.get('schema', {}))}" for media, one in of.get("content", {}).items())


def _code(value: Any) -> str:
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    return f"`{text}`".replace("|", "\\|")


def _prose(text: str) -> str:
    return text.replace("<", "&lt;")
