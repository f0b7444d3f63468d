"""SDKs: which one sent a request, and its usual remedy for each kind of finding."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple, assert_never

from tokentape_fake_provider.verdict.finding import Kind


class Sdk(NamedTuple):
    """An SDK: how its user agent looks, and where it has retries, the end of a stream, its errors, and closing."""

    name: str
    agent: str
    retries: str
    end: str
    errors: str
    close: str


class SentBy(NamedTuple):
    """The SDK that sent a request, and its version."""

    sdk: Sdk
    version: str

    @property
    def label(self) -> str:
        """Its name with its version."""
        return f"{self.sdk.name} {self.version}".strip()


_OPENAI: Final = (
    "check that a chunk had a finish_reason (chat: choices[0].finish_reason; responses: the event response.completed) "
    "before you use the text; the loop ends without an error where the body just ends"
)
_ANTHROPIC: Final = (
    "check that stop_reason of the final message is not None before you use it; the loop ends without an error where "
    "the body just ends"
)
_GEMINI: Final = (
    "check that the last chunk's candidates[0].finish_reason is set before you use the text; the loop ends without an "
    "error where the body just ends"
)

# The first whose pattern is found counts: those built upon others come before them.
SDKS: Final = (
    Sdk(
        "langchain-google-genai",
        r"langchain-google-genai/(?P<version>[\w.]+)",
        "max_retries of the chat model",
        "check finish_reason in response_metadata of the joined message before you use it",
        "let the exception of stream() reach the caller; do not return what was joined so far",
        "close the generator of stream() (contextlib.closing), and aclose() that of astream()",
    ),
    Sdk(
        "langchain-anthropic",
        r"langchain-anthropic/(?P<version>[\w.]+)",
        "max_retries of ChatAnthropic (2), or with_retry() of the runnable, but not both",
        "check stop_reason in response_metadata of the joined message before you use it",
        "let the exception of stream() reach the caller; do not return what was joined so far",
        "close the generator of stream() (contextlib.closing), and aclose() that of astream()",
    ),
    Sdk(
        "litellm",
        r"litellm/(?P<version>[\w.]+)",
        "num_retries of completion(), or num_retries and retry_policy of a Router, but not both",
        "check that a chunk had a finish_reason of the provider before you use the text: litellm sends a last chunk "
        "with `stop` where the body just ends; compare with the usage, or read the raw chunks",
        "let MidStreamFallbackError and APIError reach the caller",
        "call close() of the response's completion_stream, or aclose() of an async one",
    ),
    Sdk(
        "Vercel AI SDK",
        r"(?:^|\s)(?:ai/(?P<version>[\w.]+)|ai-sdk/[\w-]+/(?P<provider>[\w.]+))",
        "maxRetries of streamText() and generateText() (2)",
        "check that `await result.finishReason` is not `unknown` or `other` before you use the text",
        "pass onError to streamText(), or read the parts of type `error` of fullStream: textStream hides them",
        "pass abortSignal and abort it; read the stream to its end with consumeStream() where its client leaves",
    ),
    Sdk(
        "pydantic-ai",
        r"pydantic-ai/(?P<version>[\w.]+)",
        "max_retries of the provider's own client, or the AsyncTenacityTransport of pydantic_ai.retries",
        "check finish_reason of the ModelResponse before you use it",
        "let ModelAPIError and UnexpectedModelBehavior reach the caller",
        "use `async with agent.run_stream(...)`, which closes the stream at its end",
    ),
    Sdk(
        "openai (Python)",
        r"(?:Async)?OpenAI/Python (?P<version>[\w.]+)",
        "max_retries of the client (2), or with_options(max_retries=...); a framework above it may retry as well",
        _OPENAI,
        "let openai.APIError reach the caller; do not return what was received so far",
        "use `with client.chat.completions.create(..., stream=True) as stream:`, or stream.close()",
    ),
    Sdk(
        "openai (npm)",
        r"(?:Azure)?OpenAI/JS (?P<version>[\w.]+)",
        "maxRetries of the client or of the call (2)",
        _OPENAI,
        "let APIError reach the caller; do not return what was received so far",
        "call stream.controller.abort(), or pass a signal and abort it",
    ),
    Sdk(
        "anthropic (Python)",
        r"(?:Async)?Anthropic\w*/Python (?P<version>[\w.]+)",
        "max_retries of the client (2), or with_options(max_retries=...); a framework above it may retry as well",
        _ANTHROPIC,
        "let anthropic.APIStatusError reach the caller; do not return what was received so far",
        "use `with client.messages.stream(...) as stream:`, or stream.close()",
    ),
    Sdk(
        "@anthropic-ai/sdk",
        r"Anthropic\w*/JS (?P<version>[\w.]+)",
        "maxRetries of the client or of the call (2)",
        _ANTHROPIC,
        "let APIError reach the caller, or handle the event `error` of messages.stream()",
        "call stream.abort() or stream.controller.abort(), or pass a signal and abort it",
    ),
    Sdk(
        "groq (Python)",
        r"(?:Async)?Groq/Python (?P<version>[\w.]+)",
        "max_retries of the client (2), or with_options(max_retries=...)",
        _OPENAI,
        "let groq.APIError reach the caller; do not return what was received so far",
        "use `with client.chat.completions.create(..., stream=True) as stream:`, or stream.close()",
    ),
    Sdk(
        "google-genai (npm)",
        r"google-genai-sdk/(?P<version>[\w.]+) gl-node",
        "retryOptions of httpOptions: {retryOptions: {attempts: 5}}",
        _GEMINI,
        "let ApiError reach the caller; do not return what was received so far",
        "pass abortSignal in the config and abort it",
    ),
    Sdk(
        "google-genai (Python)",
        r"google-genai-sdk/(?P<version>[\w.]+)",
        "http_options=types.HttpOptions(retry_options=types.HttpRetryOptions(attempts=5)): without it "
        "nothing is retried",
        _GEMINI,
        "let google.genai.errors.APIError reach the caller; do not return what was received so far",
        "close the generator of generate_content_stream() (contextlib.closing), and aclose() an async one",
    ),
    Sdk(
        "boto3",
        r"Boto3/(?P<version>[\w.]+)|aiobotocore/(?P<other>[\w.]+)|Botocore/(?P<core>[\w.]+)",
        "Config(retries={'mode': 'standard', 'max_attempts': 3}) of the client",
        "check that the event messageStop came before you use the text; the loop ends without an error where the body "
        "just ends",
        "let botocore.exceptions.EventStreamError reach the caller",
        "call response['stream'].close() in a finally",
    ),
    Sdk(
        "cohere (Python)",
        r"cohere/(?P<version>[\w.]+)",
        "request_options={'max_retries': 2} of the call",
        "check that the event message-end came, with its finish_reason, before you use the text",
        "check finish_reason of message-end for ERROR: the client raises nothing for it",
        "close the generator of chat_stream() (contextlib.closing)",
    ),
    Sdk(
        "mistralai",
        r"mistral-client-python/(?P<version>[\w.]+)",
        "retry_config=utils.RetryConfig('backoff', ...) of the client: without it nothing is retried",
        "check that a chunk had a finish_reason before you use the text",
        "let mistralai's errors reach the caller; do not return what was received so far",
        "use `with client.chat.stream(...) as stream:`",
    ),
    Sdk(
        "ollama",
        r"ollama-python/(?P<version>[\w.]+)",
        "it retries nothing: call it in a loop with back-off (tenacity, stamina)",
        "check that the last chunk has done=True before you use the text",
        "let ollama.ResponseError reach the caller",
        "close the generator of chat(stream=True) (contextlib.closing)",
    ),
)
"""The SDKs that are known."""

_GENERIC: Final = Sdk(
    "",
    "",
    "the HTTP client's, or a library for it (tenacity, stamina, p-retry)",
    "check that the stream had its terminal event or finish reason before you use the text",
    "look for error events (`error`) in the stream, and raise them",
    "close the response in a finally or a with block, and pass a timeout",
)


def sdk_of(headers: Mapping[str, str]) -> SentBy | None:
    """The SDK that sent these headers; `None` for a client that is unknown."""
    agent = headers.get("user-agent", "")
    for sdk in SDKS:
        if found := re.search(sdk.agent, agent):
            return SentBy(sdk, next((version for version in found.groups() if version), ""))
    return None


def remedy_for(kind: Kind, sent_by: SentBy | None) -> str:
    """What to change so that there is no such finding."""
    sdk = _GENERIC if sent_by is None else sent_by.sdk
    match kind:
        case "truncation_accepted":
            return sdk.end
        case "error_ignored":
            return sdk.errors
        case "retry_storm":
            return f"bound the retries, in one layer only: {sdk.retries}"
        case "no_backoff":
            return f"let each retry wait longer than the one before, with jitter: {sdk.retries}"
        case "retry_after_ignored":
            return (
                "wait as long as the header requires, or report the error if that is too long for users; where the "
                f"SDK has a limit of its own, retry above it: {sdk.retries}"
            )
        case "retried_in_vain":
            return f"retry only 408, 429, 5xx and connection errors, and report the others at once: {sdk.retries}"
        case "not_retried":
            return f"retry it once or twice, with back-off: {sdk.retries}"
        case "duplicate_side_effect":
            return (
                "retry the one request that failed, not the whole run of the agent; keep each tool's result under its "
                "call's name and arguments, and give tools with effects an idempotency key"
            )
        case "left_open" | "slow_cancel":
            return sdk.close
        case _:
            assert_never(kind)
