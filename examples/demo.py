"""The whole idea in a terminal: a recorded stream plays with its own timing, no key and no network needed.

A callback sees the tool call that the model makes, runs the tool and returns the stream of the next request: its
tokens go on in the same loop. Then the same recording is read by the official openai SDK.
"""

from __future__ import annotations

import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import openai
from rich.console import Console

from examples.walk import QUESTION, TOOLS, forecast
from tokentape import (
    ChatMessage,
    PostStreamingResponseEvent,
    StreamedChatMessageIterator,
    TokenUsage,
    post_streaming_response,
)
from tokentape.providers import OpenAIChat
from tokentape_fake_provider import FakeProviderServer, Recorded
from tokentape_harness import load_recordings

CASSETTE = Path(__file__).parents[1] / "cassettes" / "openai_chat" / "walk.yaml"

console = Console(highlight=False)


def main() -> None:
    """Play the recording through the iterator, then through the official SDK."""
    with FakeProviderServer() as server:
        for read in (read_with_tokentape, read_with_the_openai_sdk):
            session = server.create_session(timing=Recorded())
            session.add_recordings(load_recordings(CASSETTE))
            read(server.base_url("openai_chat", session.id))


def read_with_tokentape(base_url: str) -> None:
    """One loop reads two streams: the second one comes from the callback."""
    console.rule("[bold]tokentape's iterator")
    provider = OpenAIChat("gpt-4o-mini", base_url=base_url, api_key="not-needed")
    history = [ChatMessage.user(QUESTION)]
    console.print(f"[dim]user[/]       {QUESTION}")

    def run_tools(message: ChatMessage) -> StreamedChatMessageIterator:
        """Called once, with the complete message: run its tool calls, and stream what the model says to the results."""
        results = []
        for call in message.tool_calls:
            result = forecast(**call.arguments)
            console.print(f"\n[dim]callback[/]   {call.name}({call.arguments}) -> {result}")
            results.append(ChatMessage.tool(result, tool_call_id=call.id))
        response = provider.chat([*history, message, *results], stream=True, tools=TOOLS, thread_id="walk-2")
        console.print("[dim]assistant[/]  ", end="")
        return response.normalized

    events: list[PostStreamingResponseEvent] = []

    @post_streaming_response.connect
    def done(sender: object, event: PostStreamingResponseEvent) -> None:
        events.append(event)

    started = time.perf_counter()
    arrivals: list[float] = []
    with provider:
        stream = provider.chat(history, stream=True, tools=TOOLS, thread_id="walk-1").normalized
        stream.add_callback(run_tools)
        console.print("[dim]reasoning[/]  ", end="")
        thinking = True
        for message in stream:
            arrivals.append((time.perf_counter() - started) * 1000)
            if message.text and thinking:
                console.print("\n[dim]assistant[/]  ", end="")
                thinking = False
            console.print(f"[italic dim]{message.reasoning}[/]{message.text}", end="", soft_wrap=True)
    console.print()
    for event in events:
        console.print(
            f"[dim]event[/]      thread {event.request_thread_id}: {event.model}, {event.finish_reason}, "
            f"{describe(event.usage)}"
        )
    console.print(f"[dim]together[/]   {describe(stream.get_combined_output().usage)}")
    gaps = sorted(after - before for before, after in pairwise(arrivals))
    console.print(
        f"[dim]timing[/]     first token after {arrivals[0]:.0f} ms, {len(arrivals)} chunks in {arrivals[-1]:.0f} ms, "
        f"median gap {gaps[len(gaps) // 2]:.0f} ms"
    )


def read_with_the_openai_sdk(base_url: str) -> None:
    """The official SDK, unmodified, on the same recording."""
    console.rule(f"[bold]openai {openai.__version__}, unmodified")
    console.print("[dim]assistant[/]  ", end="")
    with openai.OpenAI(base_url=base_url, api_key="not-needed") as client:
        chunks = client.chat.completions.create(
            model="gpt-4o-mini",
            messages=[{"role": "user", "content": QUESTION}],
            tools=sdk_tools(),
            stream=True,
            stream_options={"include_usage": True},
        )
        for chunk in chunks:
            for choice in chunk.choices:
                console.print(choice.delta.content or "", end="", soft_wrap=True)
                for call in choice.delta.tool_calls or ():
                    if call.function is not None:
                        console.print(f"[cyan]{call.function.name or ''}{call.function.arguments or ''}[/]", end="")
            if chunk.usage is not None:
                console.print(f"\n[dim]usage[/]      {chunk.usage.prompt_tokens} + {chunk.usage.completion_tokens}")


def sdk_tools() -> Any:
    """The tools as the openai SDK takes them."""
    functions = [{"name": tool.name, "description": tool.description, "parameters": tool.parameters} for tool in TOOLS]
    return [{"type": "function", "function": function} for function in functions]


def describe(usage: TokenUsage) -> str:
    """Usage in one line."""
    return (
        f"{usage.total} tokens: {usage.input} in (of them {usage.cached} cached), "
        f"{usage.output} out (of them {usage.reasoning} reasoning)"
    )


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
