"""A raw response body, and a server of the command line in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys

SSE = (
    b'data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"Hel"}}]}\n\n'
    b'data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{"content":"lo \\u001b[31m\\u65e5"}}]}\n\n'
    b'data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"t1",'
    b'"function":{"name":"look","arguments":"{\\"a\\": 1}"}}]}}]}\n\n'
    b'data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}\n\n'
    b'data: {"id":"c1","model":"m","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}\n\n'
    b"data: [DONE]\n\n"
)


def start_server(*arguments):
    """`tokentape serve` in a process of its own, and its URL."""
    command = [sys.executable, "-m", "tokentape_harness.cli", "serve", "--port", "0", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Ctrl-C"):
            break
    found = re.search(r"http://\S+", "".join(lines))
    return process, found and found.group(), "".join(lines)
