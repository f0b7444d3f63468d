"""The clients: which driver asks in which wire format, and what each can't show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from tests.clients.environments import NODE, OWN

Counts = Mapping[str, int]


def as_reported(counts: Counts) -> Counts:
    """Cached and written tokens inside input, reasoning inside output."""
    return counts


def cache_beside(counts: Counts) -> Counts:
    """Anthropic's and Bedrock's: input is what was neither read from nor written to the cache."""
    return {**counts, "input": counts["input"] - counts["cached"] - counts["cache_write"]}


def reasoning_beside(counts: Counts) -> Counts:
    """Gemini's: output is what is not reasoning."""
    return {**counts, "output": counts["output"] - counts["reasoning"]}


class Client(NamedTuple):
    """A client and one wire format that it speaks.

    `path` is what it asks for, as the server sees it, `stream_path` while streaming. `variable` is the
    environment variable that alone redirects it, if one does. `shows` are its own words
    for finish reasons, where they are not the provider's. `lacks` maps what it can't show to the reason why:
    "text", "reasoning", "tool_calls", "finish_reason", "usage", or one count as "usage.cached". `own` are counts
    that it makes up itself. `fails` maps the names of cases that it gets wrong to how. Each of these with
    "stream:" or "complete:" before it holds in that mode only. `only` are the cases that make sense for it, if
    not all do, and `only_why` says why.
    """

    name: str
    environment: str
    driver: str
    package: str
    wire: str
    path: str
    stream_path: str = ""
    variable: str = ""
    model: str = "m"
    counts: Callable[[Counts], Counts] = as_reported
    shows: Mapping[str, str | None] = {}
    lacks: Mapping[str, str] = {}
    own: Mapping[str, str] = {}
    fails: Mapping[str, str] = {}
    only: frozenset[str] = frozenset()
    only_why: str = ""

    def missing(self, what: str, *, stream: bool) -> str | None:
        """Why this client can't show it, if so."""
        return _in_mode(self.lacks, what, stream)

    def computes(self, what: str, *, stream: bool) -> str | None:
        """Why this count is not the provider's, if so."""
        return _in_mode(self.own, what, stream)

    def fault(self, case: str, *, stream: bool) -> str | None:
        """What it gets wrong in this case, if it does."""
        return _in_mode(self.fails, case, stream)


def _in_mode(facts: Mapping[str, str], what: str, stream: bool) -> str | None:
    return facts.get(what) or facts.get(f"{'stream' if stream else 'complete'}:{what}")


def _client(
    environment: str, driver: str, package: str, wire: str, path: str, stream_path: str = "", **more: Any
) -> Client:
    return Client(f"{package}-{wire}", environment, f"{driver}_driver", package, wire, path, stream_path, **more)


def _own(package: str, wire: str, path: str, stream_path: str = "", **more: Any) -> Client:
    return _client(OWN, package.replace("-", "_"), package, wire, path, stream_path, **more)


CHAT: Final = "/v1/chat/completions"
RESPONSES: Final = "/v1/responses"
MESSAGES: Final = "/v1/messages"
CLAUDE: Final = "/model/anthropic.claude-v2:1"

# Words for finish reasons that are the client's own, over several providers.
LITELLM: Final = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "pause": "stop",
    "other": "content_filter",
}
PYDANTIC_AI: Final = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_call",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "pause": None,
    "other": None,
}
AI: Final = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool-calls",
    "content_filter": "content-filter",
    "refusal": "content-filter",
    "pause": "stop",
    "other": "other",
}

# httpx's iter_lines() takes more characters for the end of a line than SSE and NDJSON do.
SPLITS: Final = "splits lines at characters such as U+0085 and U+2028"
NO_REASONING_CONTENT: Final = "has no field for `reasoning_content`"
LAST_CALLS_ONLY: Final = {
    "only": frozenset({"one_tool", "error"}),
    "only_why": "it makes an object of the call of one tool, and fails without it",
    "lacks": {
        "text": "shows the object only",
        "reasoning": "shows the object only",
        "stream:finish_reason": "partial objects come without their response",
        "stream:usage": "partial objects come without their response",
    },
}

CLIENTS: Final[tuple[Client, ...]] = (
    _own(
        "openai",
        "openai_chat",
        CHAT,
        variable="OPENAI_BASE_URL",
    ),
    _own(
        "openai",
        "openai_responses",
        RESPONSES,
        variable="OPENAI_BASE_URL",
    ),
    _own(
        "openai",
        "openai_completions",
        "/v1/completions",
        variable="OPENAI_BASE_URL",
    ),
    _own(
        "anthropic",
        "anthropic_messages",
        MESSAGES,
        counts=cache_beside,
        variable="ANTHROPIC_BASE_URL",
    ),
    _own(
        "google-genai",
        "gemini",
        "/v1/models/m:generateContent",
        "/v1/models/m:streamGenerateContent",
        counts=reasoning_beside,
        variable="GOOGLE_GEMINI_BASE_URL",
    ),
    _own(
        "ollama",
        "ollama",
        "/api/chat",
        fails={"stream:line_separators": SPLITS},
        variable="OLLAMA_HOST",
    ),
    _own(
        "cohere",
        "cohere_chat",
        "/v2/chat",
        variable="CO_API_URL",
    ),
    _own(
        "mistralai",
        "openai_chat",
        CHAT,
        model="magistral-small-latest",
        lacks={"usage.reasoning": "Mistral does not count reasoning tokens"},
    ),
    _own(
        "groq",
        "openai_chat",
        "/openai/v1/chat/completions",
        variable="GROQ_BASE_URL",
    ),
    _own(
        "boto3",
        "bedrock_converse",
        f"{CLAUDE}/converse",
        f"{CLAUDE}/converse-stream",
        model="anthropic.claude-v2:1",
        counts=cache_beside,
        variable="AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
    ),
    _own(
        "boto3",
        "bedrock_invoke",
        f"{CLAUDE}/invoke",
        f"{CLAUDE}/invoke-with-response-stream",
        model="anthropic.claude-v2:1",
        counts=cache_beside,
        variable="AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
    ),
    _client(
        "litellm",
        "litellm",
        "litellm",
        "openai_chat",
        CHAT,
        shows=LITELLM,
        variable="OPENAI_API_BASE",
    ),
    _client(
        "litellm",
        "litellm",
        "litellm",
        "anthropic_messages",
        MESSAGES,
        shows=LITELLM,
        fails={"stream:line_separators": SPLITS},
        variable="ANTHROPIC_API_BASE",
    ),
    _client(
        "litellm",
        "litellm",
        "litellm",
        "gemini",
        "/models/m:generateContent",
        "/models/m:streamGenerateContent",
        shows=LITELLM,
        fails={
            "stream:line_separators": SPLITS,
            "complete:finish_content_filter": "drops the text of a response that safety ended",
        },
        variable="GEMINI_API_BASE",
    ),
    _client(
        "litellm",
        "litellm",
        "litellm",
        "ollama",
        "/api/chat",
        shows=LITELLM,
        own={"stream:usage.reasoning": "counts reasoning tokens itself"},
        fails={
            "stream:line_separators": SPLITS,
            "stream:parallel_tools": "gives each line's call the index 0, so that calls run into each other",
        },
        variable="OLLAMA_API_BASE",
    ),
    _client(
        "langchain",
        "langchain",
        "langchain-openai",
        "openai_chat",
        CHAT,
        lacks={"reasoning": NO_REASONING_CONTENT},
        variable="OPENAI_API_BASE",
    ),
    _client(
        "langchain",
        "langchain",
        "langchain-openai",
        "openai_responses",
        RESPONSES,
        variable="OPENAI_API_BASE",
    ),
    _client(
        "langchain",
        "langchain",
        "langchain-anthropic",
        "anthropic_messages",
        MESSAGES,
        variable="ANTHROPIC_API_URL",
    ),
    _client(
        "langchain",
        "langchain",
        "langchain-google-genai",
        "gemini",
        "/v1beta/models/m:generateContent",
        "/v1beta/models/m:streamGenerateContent",
        fails={"stream:line_separators": SPLITS},
        variable="GOOGLE_GEMINI_BASE_URL",
    ),
    _client(
        "langchain",
        "langchain",
        "langchain-ollama",
        "ollama",
        "/api/chat",
        fails={"line_separators": SPLITS},
        variable="OLLAMA_HOST",
    ),
    _client(
        "pydantic_ai",
        "pydantic_ai",
        "pydantic-ai-slim",
        "openai_chat",
        CHAT,
        shows=PYDANTIC_AI,
        variable="OPENAI_BASE_URL",
    ),
    _client(
        "pydantic_ai",
        "pydantic_ai",
        "pydantic-ai-slim",
        "openai_responses",
        RESPONSES,
        shows=PYDANTIC_AI | {"tool_calls": "stop"},
        variable="OPENAI_BASE_URL",
    ),
    _client(
        "pydantic_ai",
        "pydantic_ai",
        "pydantic-ai-slim",
        "anthropic_messages",
        MESSAGES,
        shows=PYDANTIC_AI,
        lacks={"usage.reasoning": "does not read thinking tokens"},
        variable="ANTHROPIC_BASE_URL",
    ),
    _client(
        "pydantic_ai",
        "pydantic_ai",
        "pydantic-ai-slim",
        "gemini",
        "/v1beta/models/m:generateContent",
        "/v1beta/models/m:streamGenerateContent",
        fails={"stream:line_separators": SPLITS},
        shows=PYDANTIC_AI | {"tool_calls": "stop"},
        variable="GOOGLE_GEMINI_BASE_URL",
    ),
    _client(
        "instructor", "instructor", "instructor", "openai_chat", CHAT, variable="OPENAI_BASE_URL", **LAST_CALLS_ONLY
    ),
    _client(
        "instructor",
        "instructor",
        "instructor",
        "anthropic_messages",
        MESSAGES,
        counts=cache_beside,
        variable="ANTHROPIC_BASE_URL",
        **LAST_CALLS_ONLY,
    ),
    _client(
        "llm",
        "llm",
        "llm",
        "openai_chat",
        CHAT,
        lacks={
            "reasoning": NO_REASONING_CONTENT,
            "finish_reason": "keeps it in the raw response only",
        },
    ),
    _client(
        NODE,
        "node_openai",
        "openai (npm)",
        "openai_chat",
        CHAT,
        variable="OPENAI_BASE_URL",
    ),
    _client(
        NODE,
        "node_openai",
        "openai (npm)",
        "openai_responses",
        RESPONSES,
        variable="OPENAI_BASE_URL",
    ),
    _client(
        NODE,
        "node_anthropic",
        "@anthropic-ai/sdk",
        "anthropic_messages",
        MESSAGES,
        counts=cache_beside,
        variable="ANTHROPIC_BASE_URL",
    ),
    _client(
        NODE,
        "node_genai",
        "@google/genai",
        "gemini",
        "/v1beta/models/m:generateContent",
        "/v1beta/models/m:streamGenerateContent",
        counts=reasoning_beside,
        variable="GOOGLE_GEMINI_BASE_URL",
    ),
    _client(
        NODE,
        "ai",
        "@ai-sdk/openai",
        "openai_chat",
        CHAT,
        shows=AI,
        lacks={"reasoning": NO_REASONING_CONTENT},
        variable="OPENAI_BASE_URL",
    ),
    _client(
        NODE,
        "ai",
        "@ai-sdk/openai",
        "openai_responses",
        RESPONSES,
        shows=AI,
        variable="OPENAI_BASE_URL",
    ),
    _client(
        NODE,
        "ai",
        "@ai-sdk/anthropic",
        "anthropic_messages",
        MESSAGES,
        shows=AI,
        variable="ANTHROPIC_BASE_URL",
    ),
    _client(
        NODE,
        "ai",
        "@ai-sdk/google",
        "gemini",
        "/v1beta/models/m:generateContent",
        "/v1beta/models/m:streamGenerateContent",
        shows=AI,
    ),
)
