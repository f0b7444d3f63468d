"""SDK environment: the variables that send official SDKs to another server, with no change of code."""

from __future__ import annotations

from typing import Final, NamedTuple


class BaseUrl(NamedTuple):
    """Whose requests a variable redirects, and with what its value ends: that depends on what the SDK appends."""

    provider: str
    ending: str = ""


BASE_URLS: Final = {
    "OPENAI_BASE_URL": BaseUrl("openai", "/v1"),
    "OPENAI_API_BASE": BaseUrl("openai", "/v1"),  # litellm, langchain
    "ANTHROPIC_BASE_URL": BaseUrl("anthropic"),
    "ANTHROPIC_API_BASE": BaseUrl("anthropic"),  # litellm
    "ANTHROPIC_API_URL": BaseUrl("anthropic"),  # langchain
    "GROQ_BASE_URL": BaseUrl("groq"),
    "GOOGLE_GEMINI_BASE_URL": BaseUrl("gemini"),
    "OLLAMA_HOST": BaseUrl("ollama"),
    "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": BaseUrl("bedrock"),
    "CO_API_URL": BaseUrl("cohere"),
}

# The SDKs refuse to start without a key; these are not secret.
_KEYS = (
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "GROQ_API_KEY",
    "GEMINI_API_KEY",
    "CO_API_KEY",
    "MISTRAL_API_KEY",
    "DEEPSEEK_API_KEY",
    "XAI_API_KEY",
    "OPENROUTER_API_KEY",
    "TOGETHER_API_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
)
FAKE_KEY = "tokentape-fake-key"


def sdk_environment(url: str, *, keys: bool = True) -> dict[str, str]:
    """The variables for a server at `url` (with a session's prefix), and keys for the SDKs that need one."""
    made = {name: url.rstrip("/") + base.ending for name, base in BASE_URLS.items()}
    return made | fake_keys() if keys else made


def fake_keys() -> dict[str, str]:
    """What the SDKs need beside a base URL to start at all."""
    return {**dict.fromkeys(_KEYS, FAKE_KEY), "AWS_DEFAULT_REGION": "us-east-1"}
