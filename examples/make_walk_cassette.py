"""How the demo's cassette was made: two scripted responses with synthetic timing, written as a recording.

python -m examples.make_walk_cassette cassettes/openai_chat/walk.yaml
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from examples.walk import QUESTION, TOOLS, forecast
from tokentape import ChatMessage
from tokentape import ToolCall as ToolCallMade
from tokentape.providers import OpenAIChat
from tokentape_fake_provider import Reasoning, Script, Synthetic, Text, ToolCall, Usage, encode
from tokentape_fake_provider.wires import wire_named
from tokentape_harness import Cassette, Chunk, Interaction, Request, Response, StreamRecord, write_cassette

CALL = ToolCallMade("call_walk_1", "forecast", {"city": "Lisbon", "day": "tomorrow"})

ASKS_FOR_THE_FORECAST = Script.of(
    Reasoning("They ask what to take along; that depends on the weather, so look it up first."),
    Text("Let me look at the forecast first."),
    ToolCall.of(CALL.name, CALL.arguments, id=CALL.id),
    usage=Usage(input=96, cached=64, reasoning=18),
)
ANSWERS = Script.of(
    Text(
        "It will be 19 °C and sunny until four, so take sunglasses and a bottle of water 🧴. "
        "The wind comes from the sea: a light jacket is enough, and it keeps the showers after four off you too. "
        "For the way back, the tram along the river is never far."
    ),
    usage=Usage(input=158, cached=96, reasoning=0),
)


def main(path: Path) -> None:
    """Write the cassette: the question, and the request that brings the tool's result."""
    question = ChatMessage.user(QUESTION)
    called = ChatMessage.assistant("Let me look at the forecast first.", tool_calls=(CALL,))
    result = ChatMessage.tool(forecast(**CALL.arguments), tool_call_id=CALL.id)
    interactions = (
        interaction([question], ASKS_FOR_THE_FORECAST, seed=1),
        interaction([question, called, result], ANSWERS, seed=2),
    )
    write_cassette(path, Cassette(interactions))


def interaction(messages: list[ChatMessage], script: Script, *, seed: int) -> Interaction:
    """A request as the provider client makes it, and what answers it."""
    body = OpenAIChat("gpt-4o-mini", api_key="none").request_body(messages, stream=True, tools=TOOLS, options={})
    wire = wire_named("openai_chat")
    ask = wire.read("/v1/chat/completions", body, created=1_790_000_000, seed=f"walk {seed}")
    tape = encode(script, ask, Synthetic(ttft_ms=450, tps=18, jitter=0.4, seed=seed))
    chunks = tuple(Chunk(len(frame.data), frame.at) for frame in tape.frames)
    return Interaction(
        Request(
            "POST",
            "https://api.openai.com/v1/chat/completions",
            (("content-type", "application/json"),),
            msgspec.json.encode(body),
        ),
        Response(tape.status, "OK", tape.headers, tape.body, StreamRecord(chunks, tape.start, "complete", tape.end_at)),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
