"""SDK environment: the variables that send official SDKs to another server, with no change of code."""

from __future__ import annotations

# What each SDK appends to its base URL decides whether that ends with `/v1`.
_BASE_URLS = {
    "OPENAI_BASE_URL": "/v1",
    "OPENAI_API_BASE": "/v1",  # litellm, langchain
    "ANTHROPIC_BASE_URL": "",
    "ANTHROPIC_API_BASE": "",  # litellm
    "ANTHROPIC_API_URL": "",  # langchain
    "GROQ_BASE_URL": "",
    "GOOGLE_GEMINI_BASE_URL": "",
    "OLLAMA_HOST": "",
    "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "",
    "CO_API_URL": "",
}

# The SDKs refuse to start without a key; these are not secret.
_KEYS = (
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "GROQ_API_KEY",
    "GEMINI_API_KEY",
    "CO_API_KEY",
    "MISTRAL_API_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
)
FAKE_KEY = "tokentape-fake-key"


def sdk_environment(url: str, *, keys: bool = True) -> dict[str, str]:
    """The variables for a server at `url` (with a session's prefix), and keys for the SDKs that need one."""
    made = {name: url.rstrip("/") + ending for name, ending in _BASE_URLS.items()}
    if keys:
        made |= dict.fromkeys(_KEYS, FAKE_KEY)
        made["AWS_DEFAULT_REGION"] = "us-east-1"
    return made
