"""Requests of an agent in each wire format, and changes to them that mean something else."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from tokentape_fake_provider.sessions.matching.machine import Machine

HERE = Machine("/home/alice/work/app", "/home/alice", "/tmp", "alice", "alice-laptop-7", "alice@own.example")
THERE = Machine("/srv/ci/build/9/other", "/root", "/var/tmp", "root", "ci-44", "")

SYSTEM = (
    "You are a coding agent.\n"
    "Working directory: {cwd}\n"
    "Today's date is {day}, {date}. The time is {clock} UTC.\n"
    "Home: {home}; notes in {home}/.agent/notes.md; scratch in {tmp}/scratch\n"
    "Session ID: {session}\nPID: {pid}\nNode.js v22.{patch}.0 on Linux 6.{patch}.0-{pid}-generic\n"
    "Memory: {memory} MB of RAM; the dashboard is at http://127.0.0.1:{port}/\n"
    "Never delete files below {cwd}/data. At most 3 attempts."
)
RESULT = (
    "{{commit {hash}}}\n-rw-r--r-- 1 {user} {user} 120 Nov {day_of_month} {clock} a.py\n"
    "total 42 passed, 1 failed in {seconds}s (pid {pid})\ntotal cost: {cost}"
)


def variables(machine: Machine, seed: int) -> dict[str, Any]:
    """What changes from run to run, for one machine and moment."""
    rng = random.Random(seed)
    hexes = f"{rng.getrandbits(128):032x}"
    return {
        "cwd": machine.cwd,
        "home": machine.home,
        "tmp": machine.tmp,
        "user": machine.user,
        "day": rng.choice(("Monday", "Tuesday", "Friday")),
        "date": f"20{rng.randint(20, 39)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}",
        "day_of_month": f"{rng.randint(1, 28):2}",
        "clock": f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}",
        "session": f"{hexes[:8]}-{hexes[8:12]}-4{hexes[13:16]}-a{hexes[17:20]}-{hexes[20:]}",
        "hash": f"{rng.getrandbits(160):040x}",
        "pid": rng.randint(2, 99_999),
        "patch": rng.randint(1, 30),
        "memory": rng.randint(100, 64_000),
        "port": rng.randint(1024, 65_000),
        "seconds": f"{rng.uniform(0.01, 9):.2f}",
        "call": f"call_{hexes[:12]}",
    }


def conversation(machine: Machine = HERE, seed: int = 1, **meaning: Any) -> dict[str, Any]:
    """The parts of an agent's second request: `meaning` replaces what its user, model or tools wrote."""
    known = variables(machine, seed)
    meant = {
        "question": "Why does test 17 fail in a.py?",
        "file": "a.py",
        "cost": 12,
        "rule": "",
        "tool": "read",
        "described": "Reads a file below {cwd}.",
    } | meaning
    return {
        "system": SYSTEM.format(**known) + meant["rule"],
        "question": meant["question"],
        "call": known["call"],
        "tool": meant["tool"],
        "arguments": {"path": f"{machine.cwd}/{meant['file']}"},
        "result": RESULT.format(**known, cost=meant["cost"]),
        "described": meant["described"].format(**known),
    }


def _chat(words: dict[str, Any]) -> dict[str, Any]:
    function = {"name": words["tool"], "description": words["described"], "parameters": {"type": "object"}}
    call = {"name": words["tool"], "arguments": json.dumps(words["arguments"])}
    return {
        "model": "m",
        "stream": True,
        "messages": [
            {"role": "system", "content": words["system"]},
            {"role": "user", "content": words["question"]},
            {"role": "assistant", "tool_calls": [{"id": words["call"], "type": "function", "function": call}]},
            {"role": "tool", "tool_call_id": words["call"], "content": words["result"]},
        ],
        "tools": [{"type": "function", "function": function}],
    }


def _responses(words: dict[str, Any]) -> dict[str, Any]:
    context = f"<environment_context>\n{words['system']}\n</environment_context>"
    return {
        "model": "m",
        "instructions": "You are an agent.",
        "input": [
            {"type": "message", "id": f"msg_{words['call']}0", "role": "user", "content": _input(context)},
            {"type": "message", "role": "user", "content": _input(words["question"])},
            {
                "type": "function_call",
                "call_id": words["call"],
                "name": words["tool"],
                "arguments": json.dumps(words["arguments"]),
            },
            {"type": "function_call_output", "call_id": words["call"], "output": words["result"]},
        ],
        "tools": [{"type": "function", "name": words["tool"], "description": words["described"], "parameters": {}}],
    }


def _input(text: str) -> list[dict[str, str]]:
    return [{"type": "input_text", "text": text}]


def _anthropic(words: dict[str, Any]) -> dict[str, Any]:
    reminder = f"<system-reminder>\n{words['system']}\n</system-reminder>"
    use = {"type": "tool_use", "id": words["call"], "name": words["tool"], "input": words["arguments"]}
    result = {
        "type": "tool_result",
        "tool_use_id": words["call"],
        "content": [{"type": "text", "text": words["result"]}],
    }
    return {
        "model": "m",
        "max_tokens": 100,
        "system": [{"type": "text", "text": words["system"]}],
        "messages": [
            {
                "role": "user",
                "content": [{"type": "text", "text": reminder}, {"type": "text", "text": words["question"]}],
            },
            {"role": "assistant", "content": [use]},
            {"role": "user", "content": [result]},
        ],
        "tools": [{"name": words["tool"], "description": words["described"], "input_schema": {"type": "object"}}],
    }


def _gemini(words: dict[str, Any]) -> dict[str, Any]:
    context = f"<session_context>\n{words['system']}\n</session_context>"
    response = {"name": words["tool"], "response": {"output": words["result"]}}
    return {
        "systemInstruction": {"parts": [{"text": words["system"]}]},
        "contents": [
            {"role": "user", "parts": [{"text": context}]},
            {"role": "user", "parts": [{"text": words["question"]}]},
            {"role": "model", "parts": [{"functionCall": {"name": words["tool"], "args": words["arguments"]}}]},
            {"role": "user", "parts": [{"functionResponse": response}]},
        ],
        "tools": [{"functionDeclarations": [{"name": words["tool"], "description": words["described"]}]}],
    }


def _converse(words: dict[str, Any]) -> dict[str, Any]:
    use = {"toolUseId": words["call"], "name": words["tool"], "input": words["arguments"]}
    result = {"toolUseId": words["call"], "content": [{"text": words["result"]}]}
    tool = {"name": words["tool"], "description": words["described"], "inputSchema": {"json": {}}}
    return {
        "system": [{"text": words["system"]}],
        "messages": [
            {"role": "user", "content": [{"text": words["question"]}]},
            {"role": "assistant", "content": [{"toolUse": use}]},
            {"role": "user", "content": [{"toolResult": result}]},
        ],
        "toolConfig": {"tools": [{"toolSpec": tool}]},
    }


def _ollama(words: dict[str, Any]) -> dict[str, Any]:
    body = _chat(words)
    body["messages"][2]["tool_calls"][0]["function"]["arguments"] = words["arguments"]
    return body


def _cohere(words: dict[str, Any]) -> dict[str, Any]:
    body = _chat(words)
    body["messages"][3]["content"] = [{"type": "document", "document": {"data": words["result"]}}]
    return body


WIRES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "openai_chat": _chat,
    "openai_responses": _responses,
    "anthropic_messages": _anthropic,
    "gemini": _gemini,
    "bedrock_converse": _converse,
    "ollama": _ollama,
    "cohere_chat": _cohere,
}


def request(wire: str, machine: Machine = HERE, seed: int = 1, **meaning: Any) -> dict[str, Any]:
    """An agent's second request in a wire format."""
    return WIRES[wire](conversation(machine, seed, **meaning))


def meanings() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Pairs of what is meant that differ: another number, file, result, rule or tool."""
    rng = random.Random(5)
    while True:
        one, two = rng.sample(range(1, 100_000), 2)
        yield {"question": f"Why does test {one} fail?"}, {"question": f"Why does test {two} fail?"}
        yield (
            {"question": f"Sum up day 2026-01-{one % 28 + 1:02}"},
            {"question": f"Sum up day 2025-01-{two % 28 + 1:02}"},
        )
        yield {"question": f"Remind me at {one % 12}:30 pm, id {one}"}, {"question": f"Remind me at {two % 12}:31 pm"}
        yield {"file": f"src/{one}.py"}, {"file": f"src/{two}.py"}
        yield {"file": f"{one}/a.py"}, {"file": f"{two}/a.py"}
        yield {"cost": one}, {"cost": two}
        yield {"cost": f"{one}.{two % 90 + 10} EUR"}, {"cost": f"{two}.{one % 90 + 10} EUR"}
        yield {"rule": f" Answer in {one} words."}, {"rule": f" Answer in {two} words."}
        yield {"tool": f"read{one}"}, {"tool": f"read{two}"}
        yield {"described": f"Reads at most {one} lines."}, {"described": f"Reads at most {two} lines."}


def with_option(body: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    """The request with an option."""
    return {**copy.deepcopy(body), name: value}
