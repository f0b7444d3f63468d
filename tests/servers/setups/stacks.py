"""Stacks: the same stream in many frameworks, each as its documentation has it, and what the checker says of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tests.servers.programs import Node, Python
from tests.servers.setups.servers import WEB, daphne, module, uvicorn
from tests.servers.setups.setup import Setup
from tests.servers.site import APPS, Site
from tokentape_harness.flush import Verdict
from tokentape_harness.flush.report import Leaving, TruncationOutcome

CHAINLIT = Python("chainlit")
GRADIO = Python("gradio")
NICEGUI = Python("nicegui")
STREAMLIT = Python("streamlit")
STACKS_OF_PYTHON = Python("stacks")
NODE = Node()


@dataclass(frozen=True)
class Stack:
    """A stack with what a flush check is to find. Those that are `tested` are checked by the tests, too."""

    setup: Setup
    verdict: Verdict
    cut: TruncationOutcome
    leaving: Leaving
    tested: bool = False


Configure = Callable[[Site], Sequence[str]]


def script(program: Python, name: str, *arguments: str) -> Configure:
    """A program of `apps/`, with its port as the last argument."""

    def configure(site: Site) -> Sequence[str]:
        return (program.path(), str(APPS / name), *arguments, str(site.port))

    return configure


def node(name: str) -> Configure:
    """A framework of frameworks.mjs."""

    def configure(site: Site) -> Sequence[str]:
        return (NODE.path(), str(NODE.folder() / "frameworks.mjs"), name, str(site.port))

    return configure


def streamlit(site: Site) -> Sequence[str]:
    """Streamlit without a browser."""
    options = {"headless": "true", "port": str(site.port), "address": "127.0.0.1", "fileWatcherType": "none"}
    given = [word for name, value in options.items() for word in (f"--server.{name}", value)]
    app = str(APPS / "streamlit_app.py")
    return (STREAMLIT.path(), "-m", "streamlit", "run", app, *given, "--browser.gatherUsageStats", "false")


def chainlit(site: Site) -> Sequence[str]:
    """Chainlit without a browser; it writes its configuration beside the site."""
    app = str(APPS / "chainlit_app.py")
    return (CHAINLIT.path(), "-m", "chainlit", "run", app, "--headless", "--port", str(site.port))


def _python(name: str, app: str, verdict: Verdict, cut: TruncationOutcome, leaving: Leaving, **more: bool) -> Stack:
    configure = uvicorn(f"frameworks:{app}", STACKS_OF_PYTHON)
    return Stack(Setup(name, STACKS_OF_PYTHON, configure, "/chat"), verdict, cut, leaving, **more)


def _script(name: str, file: str, *arguments: str) -> Setup:
    return Setup(name, STACKS_OF_PYTHON, script(STACKS_OF_PYTHON, file, *arguments), "/chat")


def _node(name: str, framework: str, verdict: Verdict, cut: TruncationOutcome, leaving: Leaving, **more: bool) -> Stack:
    return Stack(Setup(name, NODE, node(framework), "/chat"), verdict, cut, leaving, **more)


def _channels(site: Site) -> Sequence[str]:
    return module(STACKS_OF_PYTHON, "daphne", "-b", "127.0.0.1", "-p", "@port@", "frameworks:channels")(site)


STACKS: Final = (
    _python("FastAPI, StreamingResponse", "fastapi", "flushed", "passed_on", "passed_on", tested=True),
    _python("sse-starlette", "sse_starlette", "flushed", "passed_on", "passed_on"),
    _python("pydantic-ai, stream_text", "pydantic_ai", "flushed", "passed_on", "passed_on"),
    _python("Litestar, ServerSentEvent", "litestar", "flushed", "passed_on", "passed_on"),
    _python("Quart under uvicorn", "quart", "flushed", "passed_on", "passed_on"),
    Stack(_script("Sanic", "sanic_app.py"), "flushed", "hidden_truncation", "passed_on", tested=True),
    Stack(_script("LitServe", "litserve_app.py"), "flushed", "hidden_truncation", "ignored"),
    Stack(_script("aiohttp", "frameworks.py", "aiohttp"), "flushed", "passed_on", "passed_on"),
    Stack(_script("Tornado", "frameworks.py", "tornado"), "flushed", "hidden_truncation", "passed_on"),
    Stack(_script("Flask under gevent", "frameworks.py", "gevent_flask"), "flushed", "passed_on", "passed_on"),
    Stack(
        Setup("daphne, Starlette without a handler", WEB, daphne("starlette_app:plain"), "/chat"),
        "flushed",
        "hangs",
        "passed_on",
    ),
    Stack(
        Setup("Channels under daphne, WebSocket", STACKS_OF_PYTHON, _channels, "/chat", scheme="ws"),
        "flushed",
        "passed_on",
        "ignored",
        tested=True,
    ),
    Stack(
        Setup("Streamlit, write_stream", STREAMLIT, streamlit, reader="streamlit"),
        "flushed",
        "reported",
        "passed_on",
        tested=True,
    ),
    Stack(Setup("Chainlit", CHAINLIT, chainlit, reader="chainlit"), "flushed", "reported", "ignored", tested=True),
    Stack(
        Setup("NiceGUI, label", NICEGUI, script(NICEGUI, "nicegui_app.py"), reader="nicegui"),
        "flushed",
        "hidden_truncation",
        "ignored",
        tested=True,
    ),
    Stack(
        Setup("Gradio, ChatInterface", GRADIO, script(GRADIO, "gradio_app.py"), reader="gradio"),
        "first_reader_blocks",
        "reported",
        "passed_on",
        tested=True,
    ),
    _node("node:http", "node", "flushed", "hangs", "ignored"),
    _node("Express", "express", "flushed", "passed_on", "ignored"),
    _node("Fastify, Readable", "fastify", "flushed", "passed_on", "passed_on"),
    _node("Koa, Readable", "koa", "flushed", "passed_on", "passed_on"),
    _node("Hono, stream", "hono_stream", "flushed", "hidden_truncation", "ignored"),
    _node("Hono, streamSSE", "hono_sse", "flushed", "hidden_truncation", "ignored", tested=True),
    _node("AI SDK, pipeTextStreamToResponse", "ai_sdk_text", "flushed", "hidden_truncation", "ignored"),
    _node("AI SDK, pipeUIMessageStreamToResponse", "ai_sdk_ui", "flushed", "unfinished", "ignored"),
)
