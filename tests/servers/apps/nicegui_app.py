"""NiceGUI: a button that is off while the answer grows in a label."""

from __future__ import annotations

import sys

from nicegui import ui
from openai_tokens import atokens


@ui.page("/")
def page() -> None:
    """A page for each reader."""
    answer = ui.label()
    button = ui.button("Send")

    async def send() -> None:
        button.disable()
        try:
            answer.text = ""
            async for token in atokens():
                answer.text += token
        finally:
            button.enable()

    button.on_click(send)


ui.run(host="127.0.0.1", port=int(sys.argv[1]), show=False, reload=False)
