"""JSON Schemas that generators get wrong, each with what is hard about it."""

from __future__ import annotations

from typing import Any

NODE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "value": {"type": "integer"},
        "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
    },
    "required": ["value", "next"],
    "additionalProperties": False,
}

TRICKY: dict[str, Any] = {
    "more properties than a pattern has short names": {
        "type": "object",
        "patternProperties": {"^x": {"type": "integer"}},
        "minProperties": 7,
    },
    "more properties than a pattern has names": {
        "type": "object",
        "patternProperties": {"^x$": {"type": "integer"}},
        "minProperties": 7,
    },
    "a pattern inside of names, and no others": {
        "type": "object",
        "patternProperties": {"x": {}},
        "additionalProperties": False,
        "minProperties": 6,
    },
    "true allows anything": True,
    "an empty schema allows anything": {},
    "a tool without arguments gets an empty object": {
        "type": "object",
        "properties": {},
        "additionalProperties": False,
    },
    "a list of types": {"type": ["integer", "string"]},
    "null only": {"type": "null"},
    "const of an object": {"const": {"a": [1, None]}},
    "const null beside a type list": {"type": ["null", "string"], "const": None},
    "enum of mixed types, bounded by type": {"enum": ["a", 1, None, True], "type": "boolean"},
    "1 in an enum is no boolean": {"enum": [1, True], "type": "boolean"},
    "enum members that a pattern excludes": {"enum": ["ab", "12"], "pattern": "^\\d+$"},
    "enum and const intersect": {"enum": [1, 2, 3], "const": 2},
    "required names that properties do not list": {"type": "object", "required": ["email", "x"]},
    "a required property by additionalProperties' schema": {
        "type": "object",
        "required": ["count"],
        "additionalProperties": {"type": "integer", "minimum": 3},
    },
    "additionalProperties as a map": {"type": "object", "additionalProperties": {"type": "number"}, "minProperties": 4},
    "patternProperties name the only possible properties": {
        "type": "object",
        "patternProperties": {"^x_[a-z]{3}$": {"type": "integer"}},
        "additionalProperties": False,
        "minProperties": 2,
    },
    "patternProperties and properties apply to one name": {
        "type": "object",
        "properties": {"x_size": {"minimum": 5}},
        "patternProperties": {"^x_": {"type": "integer", "maximum": 6}},
        "required": ["x_size"],
    },
    "propertyNames bound invented names": {
        "type": "object",
        "propertyNames": {"pattern": "^[A-Z]{2}$"},
        "minProperties": 3,
    },
    "propertyNames exclude a listed property": {
        "type": "object",
        "properties": {"ok": {"type": "string"}, "too_long": {"type": "string"}},
        "propertyNames": {"maxLength": 4},
    },
    "maxProperties leaves optional ones out": {
        "type": "object",
        "properties": {name: {"type": "string"} for name in "abcd"},
        "required": ["d"],
        "maxProperties": 2,
    },
    "an optional property that can't exist": {"type": "object", "properties": {"a": {"type": "integer"}, "b": False}},
    "an escaped pointer": {
        "properties": {"a": {"$ref": "#/$defs/x~1y~0z%25"}},
        "required": ["a"],
        "$defs": {"x/y~z%": {"type": "integer"}},
    },
    "a reference with siblings": {
        "$ref": "#/$defs/n",
        "minimum": 10,
        "$defs": {"n": {"type": "integer", "maximum": 11}},
    },
    "draft 4 definitions": {
        "properties": {"a": {"$ref": "#/definitions/n"}},
        "required": ["a"],
        "definitions": {"n": {"type": "boolean"}},
    },
    "a chain of references": {
        "$ref": "#/$defs/a",
        "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/c"}, "c": {"type": "integer"}},
    },
    "a reference into properties": {"properties": {"a": {"type": "integer"}, "b": {"$ref": "#/properties/a"}}},
    "an anchor": {"$ref": "#num", "$defs": {"n": {"$anchor": "num", "type": "number"}}},
    "a list that ends by null": {"$ref": "#/$defs/Node", "$defs": {"Node": NODE}},
    "recursion through the root": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}},
        "required": ["name", "children"],
    },
    "two schemas that refer to each other": {
        "$ref": "#/$defs/a",
        "$defs": {
            "a": {"type": "object", "properties": {"b": {"$ref": "#/$defs/b"}}, "required": ["b"]},
            "b": {"oneOf": [{"$ref": "#/$defs/a"}, {"type": "string"}]},
        },
    },
    "an expression tree whose leaves stand last": {
        "$ref": "#/$defs/e",
        "$defs": {
            "e": {
                "anyOf": [
                    {
                        "type": "object",
                        "properties": {
                            "op": {"enum": ["+", "*"]},
                            "args": {"type": "array", "items": {"$ref": "#/$defs/e"}, "minItems": 2},
                        },
                        "required": ["op", "args"],
                    },
                    {"type": "number"},
                ]
            }
        },
    },
    "recursion in optional properties only": {
        "$ref": "#/$defs/t",
        "$defs": {"t": {"type": "object", "properties": {k: {"$ref": "#/$defs/t"} for k in "abcdefgh"}}},
    },
    "allOf of two objects": {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            {"properties": {"a": {"minimum": 7}, "b": {"type": "string"}}, "required": ["b"]},
        ]
    },
    "allOf with a closed object": {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False},
            {"properties": {"a": {"maximum": 3}, "b": {"type": "string"}}},
        ]
    },
    "anyOf with a branch that the siblings exclude": {
        "type": "integer",
        "anyOf": [{"type": "string"}, {"minimum": 50}],
    },
    "anyOf of bounds beside a type": {"type": "string", "anyOf": [{"maxLength": 2}, {"minLength": 9}]},
    "anyOf inside allOf, twice": {
        "allOf": [
            {"anyOf": [{"type": "integer"}, {"type": "string"}]},
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
        ]
    },
    "oneOf by a discriminator": {
        "oneOf": [
            {"type": "object", "properties": {"kind": {"const": k}, k: {"type": "integer"}}, "required": ["kind", k]}
            for k in ("circle", "square")
        ]
    },
    "oneOf whose branches overlap": {
        "oneOf": [
            {"type": "object", "properties": {"a": {"type": "string"}}},
            {"type": "object", "properties": {"b": {"type": "string"}}},
        ]
    },
    "oneOf of overlapping numbers": {"type": "integer", "oneOf": [{"multipleOf": 3}, {"multipleOf": 5}]},
    "oneOf of an integer and a number": {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 0}]},
    "not a type": {"not": {"type": ["string", "object", "array", "null", "boolean"]}},
    "not a value": {"type": "boolean", "not": {"const": True}},
    "not a required property": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "not": {"required": ["a"]},
    },
    "not in a range": {"type": "integer", "minimum": 0, "maximum": 20, "not": {"minimum": 1, "maximum": 19}},
    "not not": {"not": {"not": {"type": "integer"}}},
    "not any of two": {
        "type": "object",
        "required": ["a"],
        "not": {"anyOf": [{"required": ["b"]}, {"required": ["c"]}]},
    },
    "not an empty list": {"type": "array", "items": {"type": "integer"}, "not": {"maxItems": 0}},
    "if, then and else": {
        "type": "object",
        "properties": {"country": {"enum": ["US", "NL"]}, "zip": {"type": "string"}},
        "required": ["country", "zip"],
        "if": {"properties": {"country": {"const": "US"}}},
        "then": {"properties": {"zip": {"pattern": "^\\d{5}$"}}},
        "else": {"properties": {"zip": {"pattern": "^\\d{4} [A-Z]{2}$"}}},
    },
    "then is impossible": {"type": "integer", "if": {"minimum": 0}, "then": False},
    "dependentRequired in a chain": {
        "type": "object",
        "required": ["a"],
        "dependentRequired": {"a": ["b"], "b": ["c"]},
    },
    "dependentSchemas bound another property": {
        "type": "object",
        "properties": {"card": {"type": "string"}, "amount": {"type": "integer"}},
        "required": ["card"],
        "dependentSchemas": {"card": {"properties": {"amount": {"minimum": 500}}, "required": ["amount"]}},
    },
    "draft 7 dependencies of both kinds": {
        "type": "object",
        "required": ["a"],
        "dependencies": {"a": ["b"], "b": {"required": ["c"]}},
    },
    "a pattern without anchors and a minLength": {"type": "string", "pattern": "[0-9]{2}", "minLength": 12},
    "a pattern with look-ahead": {"type": "string", "pattern": "^(?=.*\\d)(?=.*[A-Z])[A-Za-z\\d]{8,12}$"},
    "a pattern with a backreference": {"type": "string", "pattern": "^(ab|cd)-\\1$"},
    "a pattern of one exact length": {"type": "string", "pattern": "^[a-z]+\\d*$", "minLength": 7, "maxLength": 7},
    "two patterns": {"type": "string", "allOf": [{"pattern": "^[a-c]+$"}, {"pattern": "^.{4,6}$"}]},
    "pattern beside format": {"type": "string", "format": "date", "pattern": "^2024-"},
    "a pattern whose failure would take hours": {
        "type": "object",
        "properties": {"description": {"type": "string", "pattern": "^([a-zA-Z0-9]+\\s?)*$"}},
        "required": ["description"],
    },
    "base64 by contentEncoding": {"type": "string", "contentEncoding": "base64", "minLength": 8},
    "a short email": {"type": "string", "format": "email", "maxLength": 9},
    "an empty string only": {"type": "string", "maxLength": 0},
    "exclusive bounds of an integer": {"type": "integer", "exclusiveMinimum": 4, "exclusiveMaximum": 6},
    "draft 4 exclusive bounds": {"type": "integer", "minimum": 4, "exclusiveMinimum": True, "maximum": 5},
    "a narrow range of decimals": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.0001},
    "decimal bounds of an integer": {"type": "integer", "minimum": 1.2, "maximum": 2.9},
    "multiples of a decimal": {"type": "number", "multipleOf": 0.01, "minimum": 0.05, "maximum": 0.3},
    "two multiples": {"allOf": [{"type": "integer", "multipleOf": 4}, {"multipleOf": 6}], "minimum": 13},
    "a negative range against the name's": {
        "type": "object",
        "properties": {"age": {"type": "integer", "maximum": -5}},
        "required": ["age"],
    },
    "a very large minimum": {"type": "integer", "minimum": 10**18},
    "a tuple": {
        "type": "array",
        "prefixItems": [{"type": "integer"}, {"type": "string"}],
        "items": False,
        "minItems": 2,
    },
    "unique items out of few": {"type": "array", "items": {"enum": [1, 2, 3]}, "minItems": 3, "uniqueItems": True},
    "unique booleans": {"type": "array", "items": {"type": "boolean"}, "uniqueItems": True},
    "contains": {"type": "array", "contains": {"const": "x"}, "items": {"type": "string"}, "minItems": 3},
    "contains, bounded": {
        "type": "array",
        "items": {"type": "integer", "minimum": 0, "maximum": 9},
        "contains": {"minimum": 5},
        "minContains": 2,
        "maxContains": 2,
        "minItems": 5,
    },
    "items that can't exist": {"type": "array", "items": False},
    "a closed object by unevaluatedProperties": {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "allOf": [{"properties": {"b": {"type": "string"}}}],
        "required": ["a", "b"],
        "unevaluatedProperties": False,
    },
    "deep required objects": {
        "type": "object",
        "required": ["a"],
        "properties": {
            "a": {
                "type": "object",
                "required": ["b"],
                "properties": {
                    "b": {
                        "type": "object",
                        "required": ["c"],
                        "properties": {
                            "c": {
                                "type": "object",
                                "required": ["d"],
                                "properties": {"d": {"type": "array", "minItems": 2, "items": {"type": "integer"}}},
                            }
                        },
                    }
                },
            }
        },
    },
    "a property named like a keyword": {
        "type": "object",
        "properties": {"$ref": {"type": "string"}, "type": {"type": "integer"}, "properties": {"type": "boolean"}},
        "required": ["$ref", "type", "properties"],
    },
    "a name that is no identifier": {"type": "object", "properties": {"a b/c~d": {"type": "integer"}}},
}
