"""`expect_request(...).respond_with(...)`: requests that a test answers in their own order, or in any."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from inline_snapshot import snapshot

from tokentape_fake_provider import TextMatch
from tokentape_harness import FakeProvider
from tokentape_harness.errors import UsageError


@pytest.fixture
def provider(fake_provider_in_process: FakeProvider) -> FakeProvider:
    """A provider without a socket."""
    return fake_provider_in_process


def ask(provider: FakeProvider, text: str, **body: Any) -> str:
    """The answer to a message of the user, or the message of the error."""
    with httpx2.Client(transport=provider.transport()) as client:
        request = {"model": "m", "messages": [{"role": "user", "content": text}], **body}
        answer = client.post(f"{provider.base_url()}/chat/completions", json=request).json()
    return answer["error"]["message"] if "error" in answer else answer["choices"][0]["message"]["content"]


def problem(provider: FakeProvider) -> str:
    """What the end of the test raises."""
    with pytest.raises(AssertionError) as failed:
        provider.finish()
    return str(failed.value)


def test_requests_in_any_order(provider):
    """Each request gets the answer of the expectation that it meets, whichever comes first."""
    provider.expect_request(last_user="weather").respond_with("Sunny.")
    provider.expect_request(last_user=TextMatch(matches="^Hello")).respond_with("Hi.")
    assert ask(provider, "Hello, you") == "Hi."
    assert ask(provider, "How is the weather?") == "Sunny."
    provider.assert_all_played()


def test_requests_in_order(provider):
    """Ordered requests must come one after the other; others may come between them."""
    provider.expect_request(ordered=True, last_user="a").respond_with("1")
    provider.expect_request(ordered=True, last_user="b").respond_with("2")
    provider.expect_request(model="other").respond_with("any time")
    assert ask(provider, "a") == "1"
    assert ask(provider, "x", model="other") == "any time"
    assert ask(provider, "b") == "2"
    provider.assert_all_played()


def test_the_wrong_order(provider):
    """The second before the first gets an error that names the first, which still answers; the test fails."""
    provider.expect_request(ordered=True, last_user="a").respond_with("1")
    provider.expect_request(ordered=True, last_user="b").respond_with("2")
    assert ask(provider, "b").partition(" Queue")[0] == snapshot(
        'This request is not expected. Expected: rule 0 (here last_user is "b", not "a").'
    )
    assert [ask(provider, text) for text in "ab"] == ["1", "2"]
    assert problem(provider).startswith("request 0 (POST /v1/chat/completions): This request is not expected. ")
    provider.finish()  # it is raised once


def test_what_never_came(provider):
    """The end of the test lists what was not requested, with its conditions and its place in the order."""
    provider.expect_request(last_user="a", times=2).respond_with("1")
    provider.expect_request(ordered=True, model="gpt-*").respond_with("2")
    provider.expect_request(ordered=True).respond_with("3")
    assert ask(provider, "a") == "1"
    assert problem(provider) == snapshot(
        'expected requests that never came: last_user "a"; number 1 in order: model "gpt-*"; '
        "number 2 in order: any request"
    )


def test_an_unexpected_request(provider):
    """It gets an error that says what was expected, and the end of the test raises it."""
    provider.expect_request(last_user="weather", stream=False).respond_with("Sunny.")
    expected = 'This request is not expected. Expected: rule 0 (here stream is true, not false; last_user is "Hi", '
    assert ask(provider, "Hi", stream=True).startswith(f'{expected}not "weather"). Queue a script')
    assert ask(provider, "weather") == "Sunny."
    assert problem(provider).startswith(f"request 0 (POST /v1/chat/completions): {expected}")


def test_faults_and_errors_as_in_scripts(provider):
    """The answer may have faults, errors and several items."""
    from tokentape_fake_provider import Error

    provider.expect_request(last_user="a").respond_with("1", faults="http_error@status=500,times=1")
    provider.expect_request(last_user="b").respond_with(error=Error(400, "no"))
    assert ask(provider, "a") == "The server had an error while processing your request."
    assert ask(provider, "a") == "1"
    assert ask(provider, "b") == "no"
    provider.finish()


def test_misuse(provider):
    """Wrong conditions, times and answers are named at once."""
    with pytest.raises(UsageError, match=r"expect_request: .*last_uzer"):
        provider.expect_request(last_uzer="x")
    with pytest.raises(UsageError, match=r"expect_request: `turn` is 0"):
        provider.expect_request(turn=0)
    with pytest.raises(UsageError, match="times is 0"):
        provider.expect_request(times=0)
    with pytest.raises(UsageError):
        provider.expect_request().respond_with(3)


def test_a_server_elsewhere(fake_provider_server, fake_provider):
    """The same over the control API of a server in another process."""
    from tokentape_harness.testing.remote import RemoteProvider

    with RemoteProvider(fake_provider_server.url) as remote:
        provider = FakeProvider(remote, remote.session(fake_provider.session.id))
        provider.expect_request(ordered=True, last_user="a").respond_with("1")
        provider.expect_request(ordered=True, last_user="b").respond_with("2")
        with httpx2.Client(trust_env=False) as client:
            body = {"model": "m", "messages": [{"role": "user", "content": "b"}]}
            answer = client.post(f"{provider.base_url()}/chat/completions", json=body).json()
        assert "This request is not expected. Expected: rule 0 (here last_user is" in answer["error"]["message"]
        assert "expected requests that never came: number 1 in order" in problem(provider)
