"""The message for a request that a queue of scripts no longer answers."""

from __future__ import annotations

from tokentape_fake_provider.script.description import shortened
from tokentape_fake_provider.sessions.condition import IncomingRequest
from tokentape_fake_provider.wires.prompt import Message


def queue_has_run_out(played: int, incoming: IncomingRequest) -> str:
    """How many scripts were played, and what was requested next."""
    scripts = "its only script was played" if played == 1 else f"its {played} scripts were played"
    request = incoming.request
    messages = incoming.prompt.messages
    last = f", which ends with {last_message(messages[-1])}" if messages else ""
    return f"The queue has run out: {scripts}. The next request is POST {request.path} for {request.model}{last}."


def last_message(message: Message) -> str:
    """A message in a few words."""
    if message.results:
        return "; ".join(f'the result of {one.name or "a tool"} "{shortened(one.text)}"' for one in message.results)
    calls = ", ".join(f"{call.name}({shortened(call.arguments)})" for call in message.calls)
    text = f'"{shortened(message.text)}"' if message.text else ""
    return f"the message of the {message.role}: {' + '.join(filter(None, (text, calls))) or 'without text'}"
