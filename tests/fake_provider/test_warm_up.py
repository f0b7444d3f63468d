"""What answers need is loaded before the first request."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from tokentape_fake_provider.answers.answer import HttpRequest
from tokentape_fake_provider.answers.resolver import find_answer
from tokentape_fake_provider.answers.warm_up import warm_up
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.wires import wire_named

warm_up()
loaded = set(sys.modules)
words = ("email", "city", "name", "price", "date", "phone", "company", "url", "id")
schema = {"type": "object", "properties": {word: {"type": "string"} for word in words}, "required": list(words)}
chat = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
form = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
for path, wire, body in (
    ("/v1/chat/completions", "openai_chat", chat),
    ("/v1/chat/completions", "openai_chat", chat | {"tools": [tool]}),
    ("/v1/chat/completions", "openai_chat", chat | {"response_format": form, "stream": True}),
    ("/v1/messages", "anthropic_messages", chat | {"max_tokens": 9}),
    ("/v1/responses", "openai_responses", {"model": "m", "input": "Hi"}),
):
    answer = find_answer(Session(), HttpRequest("POST", path, body, wire_named(wire)))
    assert answer.tape.status == 200, answer.tape.body
print(sorted(set(sys.modules) - loaded))
"""


def test_no_answer_imports_anything_afterwards() -> None:
    """A text, a tool call and JSON of the simulated model need no module that is not there already."""
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
