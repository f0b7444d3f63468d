"""The JSON Schema of rules files accepts and refuses what the server does."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentape_fake_provider.faults.registry import fault_kinds
from tokentape_fake_provider.sessions.rules_file import Problem, RulesFile, read_rules, rules_schema, schema
from tokentape_fake_provider.sessions.rules_file.structure import Structure

SCHEMA = rules_schema()
FORMATS = jsonschema.FormatChecker(["regex"])
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA, format_checker=FORMATS)

# What no schema can say: what is in one line, relations between two fields, and what other packages know.
ONLY_LOADED = re.compile(
    r"^timing: '|^fault '.*@|^setting simulation: |no synthetic text|ignore_path|citation|"
    r"^timing: (jitter of a uniform|a constant has|\w+: all weights)"
)

ITEMS: list[dict[str, Any]] = [
    {"type": "text", "text": "Hi", "pieces": ["H", "i"], "at": [1, 2.5], "citations": [{"url": "u", "end": 1}]},
    {"type": "reasoning", "text": "hm", "hidden": True},
    {"type": "tool_call", "name": "f", "arguments": {"a": [1, None]}},
    {"type": "tool_call", "name": "f", "arguments": "{"},
    {"type": "refusal", "text": "no"},
    {"type": "server_tool", "kind": "web_search", "input": "q", "sources": [{"url": "u"}]},
    {"type": "audio", "transcript": "t"},
]
SCRIPT = {
    "choices": [{"items": ITEMS, "finish_reason": "stop"}, {}],
    "usage": {"input": 1, "report": False},
    "error": {"status": 429, "message": "m", "retry_after": 0.5, "in_stream": True},
    "model": "m",
    "faults": ["fin@frame=5", {"fault": "stall", "for_ms": 10, "event": "end"}],
}
FAULTS = [{"fault": name, **({"requests": 1} if name == "quota" else {})} for name in fault_kinds() if name != "shout"]
VALID: list[dict[str, Any]] = [
    {},
    {"$schema": "x", "rules": [{"contains": "hello", "scripts": ["Hi there."]}]},
    {"rules": [{"scripts": [SCRIPT], "faults": FAULTS, "times": 2, "wire": "openai_chat", "model": "gpt-*"}]},
    {"rules": [{"faults": ["fin"], "matches": r"\d+", "turn": 1, "stream": None, "tools": ["a*"], "images": False}]},
    {"rules": [{"scripts": ["a"], "scenario": "s", "state": "a", "new_state": "b", "template": True}]},
    {
        "rules": [
            {
                "scripts": ["a"],
                "last_user": {"contains": "x", "matches": "y"},
                "system": "s",
                "tool_result": {"name": "n", "error": True},
                "response_format": "json",
                "all": [{"tools": True}, {"not": {"tool_result": False}}],
                "any": [{"path": "/v1/*"}],
            }
        ]
    },
    {
        "queue": [
            "one",
            {"script": "two"},
            {"script": SCRIPT},
            {"tape": {"status": 200, "headers": [["a-b", "c d"]], "frames": [[0, "aGk="], [1.5, ""]], "end": "reset"}},
            {"tape": {"head": False, "end": "stall"}},
        ]
    },
    {
        "settings": {
            "timing": "synthetic:ttft=300ms,tps=50",
            "strict": True,
            "seed": 3,
            "usage": {"cached": 2},
            "repeat": False,
            "dialect": "azure",
            "faults": ["overload"],
            "clock": "controlled",
            "simulation": {"words": 5, "tools": "never"},
            "validate": False,
            "normalise": {"dates": False},
            "ignore_path": ["$.a"],
            "ignore_text": [r"run \d+"],
            "models": ["gpt-5", "gpt-5-mini"],
        }
    },
    {
        "queue": [
            {"script": {"result": {"type": "embeddings", "vectors": [[0.5, 1], [2]]}}},
            {"script": {"result": {"type": "ranking", "scores": [0.5]}}},
            {"script": {"result": {"type": "moderation", "flagged": [["violence"], []], "scores": {"violence": 0.9}}}},
        ]
    },
    {"settings": {"timing": {"type": "recorded", "speed": 2}, "simulation": "words=9", "normalise": ["ids", "cwd"]}},
    {"settings": {"timing": {"type": "synthetic", "tps": 9, "jitter": 0.5, "distribution": "gamma"}, "dialect": None}},
    {
        "settings": {
            "timing": {
                "type": "profile",
                "ttft": {"base_ms": 1, "jitter": 0.1},
                "tokens_per_event": {"1": 2, "3": 0.5},
                "pauses": {"share": 0.1, "mean_ms": 3},
                "load": {"free": 2},
            }
        }
    },
    {"sessions": {"a.b-c": {"queue": ["x"], "settings": {"timing": "stepped:headers"}, "cassettes": ["c.yaml"]}}},
]
INVALID: list[dict[str, Any]] = [
    {"ruels": []},
    {"rules": None},
    {"rules": {}},
    {"rules": [{}]},
    {"rules": [{"scripts": []}]},
    {"rules": [{"scripts": [], "faults": []}]},
    {"rules": [{"scripts": [5]}]},
    {"rules": [{"scripts": ["x"], "contian": "y"}]},
    {"rules": [{"scripts": ["x"], "turn": 0}]},
    {"rules": [{"scripts": ["x"], "turn": 1.5}]},
    {"rules": [{"scripts": ["x"], "times": 0}]},
    {"rules": [{"scripts": ["x"], "matches": "("}]},
    {"rules": [{"scripts": ["x"], "last_user": {}}]},
    {"rules": [{"scripts": ["x"], "last_user": {"contains": None}}]},
    {"rules": [{"scripts": ["x"], "all": []}]},
    {"rules": [{"scripts": ["x"], "wire": "opnai"}]},
    {"rules": [{"scripts": ["x"], "state": "a"}]},
    {"rules": [{"scripts": ["x"], "scenario": "a"}]},
    {"rules": [{"scripts": ["x"], "faults": ["fim"]}]},
    {"rules": [{"scripts": ["x"], "faults": [{"fault": "fim"}]}]},
    {"rules": [{"scripts": ["x"], "faults": [{"frame": 1}]}]},
    {"rules": [{"scripts": ["x"], "faults": [{"fault": "fin", "frame": "5"}]}]},
    {"rules": [{"scripts": ["x"], "faults": [{"fault": "fin", "frame": 1, "event": 1}]}]},
    {"rules": [{"scripts": ["x"], "faults": [{"fault": "fin", "frame": 1, "before_headers": True}]}]},
    {"rules": [{"scripts": ["x"], "faults": [{"fault": "quota"}]}]},
    {"rules": [{"scripts": ["x"], "faults": [{"fault": "stall", "for_ms": -1}]}]},
    {"rules": [{"scripts": ["x"], "faults": [{"fault": "http_error", "status": 200}]}]},
    {"rules": [{"scripts": ["x"], "faults": [{"fault": "fin", "probability": 2}]}]},
    {"rules": [{"scripts": [{"choices": [{"items": [{"type": "txt"}]}]}]}]},
    {"rules": [{"scripts": [{"choices": [{"items": [{"type": "text"}]}]}]}]},
    {"rules": [{"scripts": [{"choices": [{"items": [{"type": "tool_call", "name": "f", "arguments": [1]}]}]}]}]},
    {"rules": [{"scripts": [{"choices": [{"finish_reason": "done"}]}]}]},
    {"rules": [{"scripts": [{"error": {"status": 200}}]}]},
    {"queue": [5]},
    {"queue": [{"script": {"result": {"type": "embeddings", "vectors": [[]]}}}]},
    {"queue": [{"script": {"result": {"type": "vector"}}}]},
    {"queue": [{}]},
    {"queue": [{"script": "x", "tape": {}}]},
    {"queue": [{"tape": {"status": 100}}]},
    {"queue": [{"tape": {"frames": [[1, "x"]]}}]},
    {"queue": [{"tape": {"frames": [[1]]}}]},
    {"queue": [{"tape": {"headers": [["a b", "c"]]}}]},
    {"queue": [{"tape": {"head": False}}]},
    {"settings": {"timing": "fast"}},
    {"settings": {"timing": {"type": "recorded", "speed": 0}}},
    {"settings": {"strict": "yes"}},
    {"settings": {"dialect": "azur"}},
    {"settings": {"simulation": {"words": -1}}},
    {"settings": {"simulation": {"wrods": 1}}},
    {"settings": {"normalise": {"dats": True}}},
    {"settings": {"ignore_text": ["("]}},
    {"settings": {"clock": "fast"}},
    {"settings": {"timing": {"type": "profile", "tokens_per_event": {"0": 1}}}},
    {"sessions": {"a/b": {}}},
    {"sessions": {"default": {}}},
    {"sessions": {"..": {}}},
    {"sessions": {"a": {"sessions": {}}}},
    {"cassettes": "x"},
]


def problems(document: Any) -> list[Problem]:
    """What the server finds wrong."""
    found = read_rules(document)
    return [] if isinstance(found, RulesFile) else found


@pytest.mark.parametrize("document", VALID, ids=json.dumps)
def test_what_both_accept(document: dict[str, Any]) -> None:
    """Every form of every field is valid by the schema, and is read."""
    assert problems(document) == []
    VALIDATOR.validate(document)


@pytest.mark.parametrize("document", INVALID, ids=json.dumps)
def test_what_both_refuse(document: dict[str, Any]) -> None:
    """What is wrong by the schema is refused, with a place and a message."""
    assert not VALIDATOR.is_valid(document)
    found = problems(document)
    assert found
    assert all(problem.what for problem in found)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all parts of a value."""
    yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield from places(member, (*path, name))


NAMES = sorted({name for definition in SCHEMA["$defs"].values() for name in definition.get("properties", ())})
OTHERS = st.one_of(
    st.sampled_from([None, True, False, 0, 1, -1, 2.0, 1.5, 599, "", "x", "(", [], {}, ["x"], {"a": 1}, [None]]),
    st.sampled_from(["fin", "random", "end", "stepped", "text", "all"]),
).map(copy.deepcopy)


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """A valid document in which a part is another value, another part is gone, or a field is added."""
    document = copy.deepcopy(draw(st.sampled_from(VALID[1:])))
    for _ in range(draw(st.integers(1, 2))):
        *outer, last = draw(st.sampled_from([path for path in places(document) if path]))
        parent: Any = document
        for name in outer:
            parent = parent[name]
        match draw(st.sampled_from(["replace", "remove", "add"])):
            case "replace":
                parent[last] = draw(OTHERS)
            case "remove":
                del parent[last]
            case _ if isinstance(parent, dict):
                parent[draw(st.sampled_from(NAMES))] = draw(OTHERS)
        if not isinstance(document, dict) or not document:
            break
    return document


@given(mutated())
def test_the_schema_agrees_with_the_server(document: dict[str, Any]) -> None:
    """Whatever is changed in a document, both accept it or both refuse it, but for what no schema can say."""
    found = problems(document)
    errors = [error.message for error in VALIDATOR.iter_errors(document)]
    if errors:
        assert found, errors
    elif found:
        assert all(ONLY_LOADED.search(problem.what) for problem in found), found


def test_every_limit_of_a_struct_is_in_the_schema() -> None:
    """The names of structs, faults and fields for which the schema has more than their types are those of today."""
    structs = {*SCHEMA["$defs"], *fault_kinds()}
    assert set(schema._CHECKED) <= structs
    for name, fields in schema._CHECKED.items():
        kind = fault_kinds().get(name)
        known = SCHEMA["$defs"][kind.__name__ if kind else name]["properties"]
        assert {field for field in fields if field} <= set(known)


@pytest.mark.parametrize("document", [*VALID, *INVALID], ids=json.dumps)
def test_no_structure_is_refused_that_the_structs_accept(document: dict[str, Any]) -> None:
    """What the control API's structs decode fits the structure, but for names that only the settings check."""
    try:
        msgspec.json.decode(msgspec.json.encode(document), type=RulesFile)
    except msgspec.ValidationError:
        return
    found = list(Structure(SCHEMA).problems(document))
    assert all({"simulation", "normalise"} & set(problem.path) for problem in found)


def test_the_schema_is_one() -> None:
    """It is a valid JSON Schema of its dialect, and describes every field that it names at the top."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert all(field["description"] for field in SCHEMA["properties"].values())
