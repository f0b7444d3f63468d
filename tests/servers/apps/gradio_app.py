"""Gradio: a ChatInterface whose function yields the text so far."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr
from openai_tokens import tokens


def chat(message: str, history: Any) -> Iterator[str]:
    """As Gradio's documentation has it."""
    text = ""
    for token in tokens():
        text += token
        yield text


gr.ChatInterface(chat, api_name="chat").launch(server_name="127.0.0.1", server_port=int(sys.argv[1]))
