"""The public surface: what the front doors export, that it is documented, and that the docs import from there alone."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

REPOSITORY = Path(__file__).parent.parent
DOORS = {
    "tokentape": """
        AsyncCallbackError AsyncStreamedChatMessageIterator AuthenticationError BadRequestError BufferFullError
        BufferUnavailableError CallbackError ChatMessage ChatOutput ConfigurationError ConflictError
        ConnectionFailedError DecodeError EventDecoder EventsDroppedError FinishReason FollowUpError NDJSONFraming
        NotFoundError OutputBuffer OutputBufferError OverloadedError Part PermissionDeniedError
        PostStreamingResponseEvent ProviderError ProviderPart RateLimitError ReadCancelledError ReasoningPart
        ReentrantIterationError RequestTimeoutError ResponseNotFoundError ResumeError Role SSEFraming ServerError
        StreamContext StreamStatus StreamTiming StreamedChatMessageIterator StreamingFailedEvent TextPart TokenUsage
        TokentapeError ToolCall ToolCallDelta TruncatedStreamError UnknownWireError WireDecoder WorkerLostError
        astream_bytes post_streaming_response replay stream_bytes stream_response streaming_failed wire_names wrap
    """,
    "tokentape.providers": """
        AnthropicMessages BedrockConverse BedrockInvoke CLIENT_DEFAULT ChatProvider CohereChat Gemini
        GeminiInteractions Ollama OpenAIChat OpenAICompletions OpenAIResponses StreamedChatResponse Tool
    """,
    "tokentape.web": """
        ASGIStream Format FrameEncoder MemoryBuffer RedisBuffer ResumableResponses StreamingChatHttpResponse
        StreamingChatResponse WSGIStream response_headers smooth wsgi_stream
    """,
    "tokentape.filters": """
        Boundary FilterFactory StopStream TextFilter hold_to limit_length replace stop_at
    """,
    "tokentape.buffer": """
        OutputBuffer
    """,
    "tokentape.telemetry": """
        Conventions instrument trace uninstrument
    """,
    "tokentape_fake_provider": """
        AppConfig Audio Choice Citation Condition ControlledClock CustomFault Embeddings Error
        FakeProviderServer Fault FaultContext FirstToken Frame InProcessProvider Instant InterToken Load
        Moderation Pauses Profile Ranking Reasoning Recorded Recording Refusal Rule Script
        ServerTool Session SessionSettings Source StepTimeoutError Stepped SteppedStream
        StreamOverError Synthetic Tape Text TextMatch TokenCount ToolCall ToolResultMatch Usage
        create_app encode errors parse_fault parse_timing
    """,
    "tokentape_harness": """
        Cassette Chunk DEFAULT_RULES FakeProvider Fault Interaction MismatchError RecordedError Request
        Response StreamRecord call errors format_cassette load_recordings output_of parse_cassette read_cassette
        recordings_of sdk_environment secrets_of_environment transcode use_cassette write_cassette
    """,
    "tokentape_harness.testing": """
        ClientBehaviour ExpectedRequest FakeProvider Project Verdict call sdk_environment
    """,
    "tokentape_conformance": """
        Adapter AsyncSource Baseline Call Case Deviation Finding Grammar GrammarEvent IteratorTrial Job Kind
        Machine OpenedStream PipelineTrial Problem PromiseBrokenError Prose ProviderTrial Report RequestFormat
        ResponseContent Result Run Scenario Sdk Source Step Suite SyncSource TimedFrame TokentapeAdapter Trial
        anthropic_sdk_adapter async_http_client case count_problems exactly having http_client judge
        openai_sdk_adapter read_baseline tokentape_adapter
    """,
}
"""What each front door exports. Everything else may move; to take a name away from here breaks users' code."""
EXTENSION_DOORS = ("tokentape_fake_provider.wires", "tokentape_harness.load", "tokentape_harness.testcontainers")
"""What wire formats of other packages, locustfiles and tests with containers are built of, beside the front doors."""
RAISES = re.compile(r"\b[Rr]ais(es?|ed|ing)\b|`\w+Error`")


@pytest.mark.parametrize("door", DOORS)
def test_a_front_door_exports_these_names(door: str) -> None:
    """A front door exports these names and no other, and has each of them."""
    module = import_module(door)
    assert sorted(module.__all__) == sorted(DOORS[door].split())
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize("door", DOORS)
def test_each_public_name_is_documented(door: str) -> None:
    """Each class and function has a docstring of its own, and each other value one behind its assignment."""
    module = import_module(door)
    undocumented = [name for name in module.__all__ if not is_documented(module, name)]
    assert undocumented == []


@pytest.mark.parametrize("door", DOORS)
def test_what_a_public_name_raises_is_documented(door: str) -> None:
    """Where a public function, method or constructor raises an error, its docstring or its class's says so."""
    module = import_module(door)
    silent = [where for name in module.__all__ for where in silent_raisers(getattr(module, name))]
    assert silent == []


PAGES = ["README.md", *(str(path.relative_to(REPOSITORY)) for path in REPOSITORY.glob("docs/**/*.md"))]
PAGES += [str(path.relative_to(REPOSITORY)) for path in REPOSITORY.glob("examples/**/*.py")]
# Not the group of an entry point, nor what stands in a path.
DOTTED = re.compile(r"(?<![\w/.-])(?<!entry-points\.\")tokentape(?:_\w+)?(?:\.\w+)+")


@pytest.mark.parametrize("page", PAGES)
def test_pages_and_examples_name_the_front_doors_only(page: str) -> None:
    """No dotted path in the README, the docs or an example goes deeper than a front door, or a module it exports."""
    assert deeper_than_doors((REPOSITORY / page).read_text()) == []


@pytest.mark.parametrize(
    ("text", "deeper"),
    [
        ("from tokentape.wires.event_decoder import X", ["tokentape.wires.event_decoder"]),
        ("`tokentape_harness.flush.check_flush` is", ["tokentape_harness.flush"]),
        ("import tokentape.web\n`tokentape.wrap`, `tokentape_harness.errors`, `tokentape.yaml`", []),
        ('[project.entry-points."tokentape.wires"]\n[a file](../src/tokentape.wires)', []),
    ],
)
def test_a_deeper_path_is_found(text: str, deeper: list[str]) -> None:
    """A module that no front door exports is found in an import and in a sentence."""
    assert deeper_than_doors(text) == deeper


def deeper_than_doors(text: str) -> list[str]:
    """The modules that a text names although no front door is or exports them."""
    return [module for path in DOTTED.findall(text) if not is_public(module := module_in(path))]


def module_in(path: str) -> str:
    """The longest beginning of a dotted path that is a module."""
    try:
        found = find_spec(path)
    except ModuleNotFoundError:  # what is before the last point is not a package
        found = None
    return path if found is not None else module_in(path.rpartition(".")[0])


def is_public(path: str) -> bool:
    """Whether a path is a front door, or a module that one exports by name."""
    parent, _, name = path.rpartition(".")
    return path in DOORS or path in EXTENSION_DOORS or name in DOORS.get(parent, "").split()


def is_documented(module: ModuleType, name: str) -> bool:
    """Whether a public name has a docstring."""
    value = getattr(module, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        return bool(vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__)
    if isinstance(value, ModuleType):
        return bool(value.__doc__)
    root = Path(str(import_module(module.__name__.partition(".")[0]).__file__)).parent
    return any(has_docstring(path, name) for path in root.rglob("*.py"))


def has_docstring(path: Path, name: str) -> bool:
    """Whether a module assigns this name and a docstring stands behind it."""
    source = path.read_text()
    if not re.search(rf"^{name}\b.* = ", source, re.MULTILINE):
        return False
    body = ast.parse(source).body
    return any(
        name in {target.id for target in ast.walk(first) if isinstance(target, ast.Name) and is_stored(target)}
        and isinstance(second, ast.Expr)
        and isinstance(second.value, ast.Constant)
        for first, second in pairwise(body)
        if isinstance(first, ast.Assign | ast.AnnAssign)
    )


def is_stored(name: ast.Name) -> bool:
    """Whether a name is assigned."""
    return isinstance(name.ctx, ast.Store)


def silent_raisers(value: Any) -> Iterator[str]:
    """The functions and methods of a public value that raise an error which no docstring names."""
    if inspect.isfunction(value) and raises(value) and not RAISES.search(value.__doc__ or ""):
        yield value.__qualname__
    if inspect.isclass(value) and not getattr(value, "_is_protocol", False):
        for name, member in vars(value).items():
            function = getattr(member, "__func__", getattr(member, "fget", member))
            public = not name.startswith("_") or name in ("__init__", "__post_init__", "__call__")
            if public and inspect.isfunction(function) and raises(function):
                docs = f"{function.__doc__ or ''} {value.__doc__ if name.startswith('__') else ''}"
                if not RAISES.search(docs):
                    yield f"{value.__qualname__}.{name}"


def raises(function: Any) -> bool:
    """Whether a function's own body raises a named error."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError):
        return False
    return any(isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) for node in ast.walk(tree))
