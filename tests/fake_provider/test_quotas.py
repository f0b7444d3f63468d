"""Quotas: requests and tokens that are spent, and the headers that report them."""

from __future__ import annotations

from datetime import datetime

import anthropic
import httpx2
import openai
import pytest

from tests.fake_provider.faulty_server import STREAMED, in_process, provider, statuses
from tests.fake_provider.test_resolver import ask, recorded
from tokentape_fake_provider import ControlledClock, InProcessProvider
from tokentape_fake_provider.script.model import Script, Usage

__all__ = ["provider"]

pytestmark = pytest.mark.both_stores


def test_requests_count_down(provider: InProcessProvider) -> None:
    """A quota of requests is spent one by one; the next window, of the session's clock, has as many again."""
    clock = provider._config.clock
    assert isinstance(clock, ControlledClock)
    provider.default.configure(faults="quota@requests=2")
    client = in_process(provider)
    left = []
    for _ in range(2):
        response = client.chat.completions.with_raw_response.create(model="m", messages=STREAMED["messages"])
        left.append(
            (response.headers["x-ratelimit-limit-requests"], response.headers["x-ratelimit-remaining-requests"])
        )
        clock.jump(10)
    assert left == [("2", "1"), ("2", "0")]
    with pytest.raises(
        openai.RateLimitError, match=r"Limit 2, Used 2, Requested 1\. Please try again in 40s"
    ) as raised:
        ask(client)
    headers = raised.value.response.headers
    assert (headers["retry-after"], headers["x-ratelimit-reset-requests"]) == ("40", "40s")
    assert headers["x-ratelimit-remaining-requests"] == "0"
    clock.jump(39.999)
    assert statuses(client, 1) == [429]
    clock.jump(0.001)
    assert statuses(client, 3) == [200, 200, 429]
    assert provider.default.journal.entries[-1].faults == ("quota@requests=2",)


def test_tokens_count_down(provider: InProcessProvider) -> None:
    """Input tokens are charged with the request, output tokens with the response, of scripts and recordings alike."""
    provider.default.configure(usage=Usage(input=10), faults="quota@tokens=50")
    provider.default.push(Script.of("Hi", usage=Usage(output=20)))
    provider.default.add_recordings([recorded("Hello", "recorded before")])
    client = in_process(provider)
    left = []
    for _ in range(2):
        response = client.chat.completions.with_raw_response.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello"}]
        )
        left.append(response.headers["x-ratelimit-remaining-tokens"])
    assert left == ["20", "9"]  # the recording counts nothing: its one event is one token
    with pytest.raises(openai.RateLimitError, match=r"tokens per min \(TPM\): Limit 50, Used 41, Requested 10"):
        ask(client)


def test_a_stream_without_usage_is_charged(provider: InProcessProvider) -> None:
    """The tokens of a script are charged as it gives them, also where the client did not ask for usage."""
    provider.default.configure(faults="quota@output_tokens=50")
    provider.default.push(Script.of("Hi", usage=Usage(output=20)))
    response = in_process(provider).chat.completions.with_raw_response.create(**STREAMED)
    assert response.headers["x-ratelimit-remaining-tokens"] == "30"


def test_output_may_go_beyond_its_quota(provider: InProcessProvider) -> None:
    """What is generated is known too late to be refused: then the next request is."""
    provider.default.configure(faults="quota@output_tokens=5")
    provider.default.push(Script.of("Hi", usage=Usage(output=20)))
    client = in_process(provider)
    response = client.chat.completions.with_raw_response.create(model="m", messages=STREAMED["messages"])
    assert response.headers["x-ratelimit-remaining-tokens"] == "0"
    assert statuses(client, 1) == [429]


def test_anthropics_quota_headers(provider: InProcessProvider) -> None:
    """Anthropic's headers tell of each kind of token, and when there are more as a time of day."""
    provider.default.configure(
        usage=Usage(input=10, output=7), faults="quota@requests=5,input_tokens=100,output_tokens=200"
    )
    http = httpx2.Client(transport=provider.transport())
    client = anthropic.Anthropic(base_url=provider.url, api_key="k", max_retries=0, http_client=http)
    response = client.messages.with_raw_response.create(
        model="m", max_tokens=9, messages=[{"role": "user", "content": "Hi"}]
    )
    kinds = ("requests", "input-tokens", "output-tokens")
    limits = {
        name: value
        for name, value in response.headers.items()
        if name.startswith(tuple(f"anthropic-ratelimit-{kind}-" for kind in kinds))
    }
    assert {name: value for name, value in limits.items() if not name.endswith("reset")} == {
        "anthropic-ratelimit-input-tokens-limit": "100",
        "anthropic-ratelimit-input-tokens-remaining": "90",
        "anthropic-ratelimit-output-tokens-limit": "200",
        "anthropic-ratelimit-output-tokens-remaining": "193",
        "anthropic-ratelimit-requests-limit": "5",
        "anthropic-ratelimit-requests-remaining": "4",
    }
    entry = provider.default.journal.wait()[-1]
    reset = datetime.fromisoformat(limits["anthropic-ratelimit-requests-reset"])
    assert 59 <= reset.timestamp() - entry.time <= 61
