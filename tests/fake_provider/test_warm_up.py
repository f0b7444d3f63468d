"""What answers need is loaded before the first request."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from re import _compiler as compiler
from tokentape_fake_provider.answers.answer import HttpRequest
from tokentape_fake_provider.answers.resolver import find_answer
from tokentape_fake_provider.answers.warm_up import warm_up
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.wires import served_at

warm_up()
loaded, compile_pattern, compiled = set(sys.modules), compiler.compile, []
compiler.compile = lambda pattern, flags=0: compiled.append(pattern) or compile_pattern(pattern, flags)
words = ("email", "city", "name", "price", "date", "phone", "company", "url", "id")
schema = {"type": "object", "properties": {word: {"type": "string"} for word in words}, "required": list(words)}
chat = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
form = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
for path, body in (
    ("/v1/chat/completions", chat),
    ("/v1/chat/completions", chat | {"stream": True}),
    ("/v1/chat/completions", chat | {"tools": [tool]}),
    ("/v1/chat/completions", chat | {"response_format": form, "stream": True}),
    ("/v1/messages", chat | {"max_tokens": 9}),
    ("/v1/responses", {"model": "m", "input": "Hi"}),
):
    answer = find_answer(Session(), HttpRequest("POST", path, body, served_at(path)))
    assert answer.tape.status == 200, answer.tape.body
print(sorted(set(sys.modules) - loaded), compiled)
"""


def test_no_answer_imports_or_compiles_anything_afterwards() -> None:
    """A text, a stream, a tool call and JSON of the simulated model need no module and no pattern that is not there."""
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert ran.stdout == "[] []\n"
