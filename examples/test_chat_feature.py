"""How an application's chat feature is tested: `pytest examples`. No network, no key, no mock."""

import openai
import pytest

from tokentape_fake_provider import Error, ToolCall, Usage
from tokentape_harness import FakeProvider


def answer(prompt: str) -> str:
    """The feature: what the application does with the official SDK."""
    with openai.OpenAI(max_retries=0) as client:
        chunks = client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": prompt}], stream=True
        )
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_the_answer_is_put_together(fake_provider_env: FakeProvider) -> None:
    """What the provider streams is what the user sees."""
    fake_provider_env.script("The sea ", "is deep.", usage=Usage(input=9))
    assert answer("Tell me about the sea.") == "The sea is deep."
    fake_provider_env.assert_all_played()
    assert fake_provider_env.requests[0].body["messages"][0]["content"] == "Tell me about the sea."


def test_a_rate_limit_reaches_the_caller(fake_provider_env: FakeProvider) -> None:
    """The provider's error is the SDK's own exception."""
    fake_provider_env.script(error=Error(status=429, message="Slow down.", retry_after=2))
    with pytest.raises(openai.RateLimitError, match="Slow down"):
        answer("Tell me about the sea.")


def test_an_error_in_the_middle_is_not_an_answer(fake_provider_env: FakeProvider) -> None:
    """A stream that breaks after some text raises, too."""
    fake_provider_env.script("The sea ", error=Error(message="We broke.", in_stream=True))
    with pytest.raises(openai.APIError, match="We broke"):
        answer("Tell me about the sea.")


def test_a_tool_call_is_no_text(fake_provider_env: FakeProvider) -> None:
    """A model that calls a tool says nothing."""
    fake_provider_env.script(ToolCall.of("depth", {"of": "the sea"}))
    assert answer("How deep is the sea?") == ""
