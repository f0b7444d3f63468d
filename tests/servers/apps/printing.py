"""A program that prints the answer as it comes, or believes it does."""

from __future__ import annotations

from answering import stream

for message in stream():
    print(message.text, end="")
