"""chat: send a prompt to a model and print the response as it arrives."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx2
import typer

from tokentape import ChatMessage, ChatOutput, ConnectionFailedError, TokentapeError
from tokentape.providers import AnthropicMessages, OpenAIChat, OpenAICompletions, OpenAIResponses
from tokentape.providers.base import DEFAULT_TIMEOUT, ChatProvider
from tokentape_fake_provider.http.loopback import is_loopback
from tokentape_harness import terminal_text
from tokentape_harness.cli import report
from tokentape_harness.cli.messages import report_error
from tokentape_harness.cli.options import Json
from tokentape_harness.conversion.output_fields import message_fields, output_fields
from tokentape_harness.errors import UsageError
from tokentape_harness.profiles.stream_timing import StreamTiming, timing_of
from tokentape_harness.testing.sdk_environment import FAKE_KEY

_PROVIDERS: dict[str, tuple[Callable[..., ChatProvider], str, tuple[str, ...], str]] = {
    "openai_chat": (OpenAIChat, "gpt-4o-mini", ("OPENAI_API_KEY",), "OPENAI_BASE_URL"),
    "openai_responses": (OpenAIResponses, "gpt-4o-mini", ("OPENAI_API_KEY",), "OPENAI_BASE_URL"),
    "openai_completions": (OpenAICompletions, "gpt-3.5-turbo-instruct", ("OPENAI_API_KEY",), "OPENAI_BASE_URL"),
    "anthropic_messages": (
        AnthropicMessages,
        "claude-haiku-4-5",
        ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
        "ANTHROPIC_BASE_URL",
    ),
}


def chat(
    prompt: Annotated[str, typer.Argument(help="The prompt; - reads it from standard input.")],
    provider: Annotated[
        str, typer.Option(metavar="P", help="The client: openai_chat, openai_responses, anthropic_messages, ...")
    ] = "openai_chat",
    base_url: Annotated[
        str | None, typer.Option(help="Base URL, as in the provider's SDK. Local servers need no key.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The model.")] = None,
    as_json: Json = False,
) -> int:
    """Stream one answer to stdout; usage and timing go to stderr, so that a pipe receives only the answer.

    Returns the exit code. Of a stream that is cut off it prints what had arrived.
    """
    started = time.perf_counter()

    def start(_: httpx2.Request) -> None:
        # The setup before the request, mostly of certificates, is not the provider's time.
        nonlocal started
        started = time.perf_counter()

    http_client = httpx2.Client(timeout=DEFAULT_TIMEOUT, follow_redirects=True, event_hooks={"request": [start]})
    client = _client(provider, base_url, model, http_client)
    if prompt == "-":
        prompt = sys.stdin.buffer.read().decode("utf-8", "replace")
    show = _JsonChat() if as_json else _TextChat()
    arrivals: list[float] = []
    failure: TokentapeError | None = None
    with http_client, client:
        try:
            stream = client.chat([ChatMessage.user(prompt)], stream=True).normalized
        except ConnectionFailedError as error:
            raise ConnectionFailedError(f"{error}: check that the server runs, and --base-url") from error
        try:
            for message in stream:
                at = (time.perf_counter() - started) * 1000
                if message.text or message.reasoning or message.refusal or message.tool_call_deltas:
                    arrivals.append(at)
                show.message(message, at)
        except TokentapeError as error:
            failure = error
        total = (time.perf_counter() - started) * 1000
    output = stream.get_chat_output()
    show.end(output, timing_of(arrivals, total, output.usage.output))
    return 0 if failure is None else report_error(failure) or 1


class _TextChat:
    """The answer on stdout, everything else on stderr."""

    def __init__(self) -> None:
        self._line_open = False
        self._reasoning_open = False
        self._dim = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
        # A terminal must not receive control characters.
        self._safe = terminal_text.printable if sys.stdout.isatty() else str

    def message(self, message: ChatMessage, _at: float) -> None:
        """Print what a chunk adds, at once."""
        if message.reasoning:
            reasoning = terminal_text.printable(message.reasoning)
            print(f"\x1b[2m{reasoning}\x1b[22m" if self._dim else reasoning, end="", flush=True, file=sys.stderr)
            self._reasoning_open = True
        text = message.text + message.refusal
        if self._reasoning_open and (text or message.tool_calls):
            print("\n", flush=True, file=sys.stderr)
            self._reasoning_open = False
        if text:
            print(self._safe(text), end="", flush=True)
            self._line_open = not text.endswith("\n")
        for call in message.tool_calls:
            start = "\n" if self._line_open else ""
            print(self._safe(f"{start}{call.name}({call.raw_arguments})"), flush=True)
            self._line_open = False

    def end(self, output: ChatOutput, timing: StreamTiming) -> None:
        """Print usage and timing."""
        if self._line_open:
            print(flush=True)
        print(f"\n{report.usage_line(output.usage)}\n{report.timing_line(timing)}", file=sys.stderr)


class _JsonChat:
    """A line of JSON for each chunk, then one for the output."""

    def message(self, message: ChatMessage, at: float) -> None:
        """Print a chunk, with its arrival in ms."""
        print(terminal_text.dump({"type": "message", "at": round(at, 3), **message_fields(message)}), flush=True)

    def end(self, output: ChatOutput, timing: StreamTiming) -> None:
        """Print the output, with the stream's timing."""
        fields = {"type": "output", **output_fields(output), "timing": terminal_text.builtins(timing)}
        print(terminal_text.dump(fields), flush=True)


def _client(provider: str, base_url: str | None, model: str | None, http_client: httpx2.Client) -> ChatProvider:
    if provider not in _PROVIDERS:
        raise UsageError(f"no provider {provider!r}: the known ones are {', '.join(_PROVIDERS)}")
    client_type, default_model, keys, url_variable = _PROVIDERS[provider]
    url = base_url or os.environ.get(url_variable)
    options: dict[str, Any] = {"base_url": url, "http_client": http_client}
    if not any(os.environ.get(name) for name in keys):
        if not url or not is_loopback(urlsplit(url).hostname or ""):
            raise UsageError(f"no API key: set {keys[0]}, or use a local server (--base-url)")
        options["api_key"] = FAKE_KEY
    return client_type(model or default_model, **options)
