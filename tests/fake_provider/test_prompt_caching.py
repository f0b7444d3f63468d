"""Prompt caching: what of a prompt counts as read from the cache and as written to it, by each provider's rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import openai
import pytest

from tests.fake_provider.asks import ask_of
from tokentape_fake_provider.answers.prompt_caching import cache_usage
from tokentape_fake_provider.script.model import Usage
from tokentape_fake_provider.sessions.prompt_cache import PromptCache
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.wires import wire_named
from tokentape_fake_provider.wires.openai_dialects import DialectName, with_dialect

pytestmark = pytest.mark.both_stores

MINUTE = 60.0
LONG = "one two three four five six seven eight nine ten " * 110  # 1,100 tokens and a space
HAIKU, SONNET, OPUS_5 = "claude-haiku-4-5", "claude-sonnet-4-5", "claude-opus-5"


def words(number: int, word: str = "word") -> str:
    """A text of this many tokens."""
    return " ".join([word] * number)


def ask(
    cache: PromptCache,
    body: Mapping[str, Any],
    *,
    now: float = 0.0,
    wire: str = "openai_chat",
    path: str = "",
    dialect: DialectName | None = None,
) -> Usage | None:
    """What a request finds in the cache at this time, in s."""
    kind = wire_named(wire)
    request = kind.read(path or kind.paths[0], body, created=0, seed="")
    return cache_usage(with_dialect(request, dialect, ()), cache, now)


def chat(*texts: str, **fields: Any) -> dict[str, Any]:
    """A request of openai_chat with these messages."""
    return {"model": "gpt-5", "messages": [{"role": "user", "content": text} for text in texts], **fields}


def messages(*content: Any, model: str = SONNET, **fields: Any) -> dict[str, Any]:
    """A request of anthropic_messages with these parts in one message."""
    return {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": list(content)}], **fields}


def part(number: int, word: str = "word", ttl: str | None = None) -> dict[str, Any]:
    """A part of text of this many tokens; with `ttl`, cached up to here."""
    mark = {"cache_control": {"type": "ephemeral", "ttl": ttl}} if ttl else {}
    return {"type": "text", "text": words(number, word), **mark}


@pytest.mark.parametrize(("tokens", "cached"), [(1023, None), (1024, 1024), (1151, 1024), (1152, 1152), (2000, 1920)])
def test_openai_caches_from_1024_tokens_in_steps_of_128(tokens: int, cached: int | None) -> None:
    """The second of two equal prompts finds whole steps of the first; the first finds nothing."""
    cache, body = PromptCache(), chat(words(tokens))
    assert ask(cache, body) is None
    found = ask(cache, body)
    assert found == (None if cached is None else Usage(cached=cached))


def test_a_longer_conversation_finds_its_beginning() -> None:
    """A prompt that continues another finds what both begin with; one that begins otherwise finds nothing."""
    cache = PromptCache()
    ask(cache, chat(words(1300)))
    assert ask(cache, chat(words(1300), "answer", "go on")) == Usage(cached=1280)
    assert ask(cache, chat("Now:", words(1300))) is None
    assert ask(cache, chat(words(1200) + " " + words(200, "other"))) == Usage(cached=1152)


@pytest.mark.parametrize(
    "change", [{"model": "gpt-5-mini"}, {"tools": [{"type": "function"}]}, {"prompt_cache_key": "b"}], ids=str
)
def test_another_model_tool_or_key_finds_nothing(change: dict[str, Any]) -> None:
    """The cache of one model, set of tools or key is none of another's."""
    cache = PromptCache()
    ask(cache, chat(LONG))
    assert ask(cache, chat(LONG) | change) is None


@pytest.mark.parametrize(("retention", "minutes"), [("in_memory", 5), ("24h", 24 * 60)])
def test_the_cache_lives_since_its_last_use(retention: str, minutes: int) -> None:
    """Each use begins the lifetime anew; at its end the prompt is forgotten."""
    cache, body = PromptCache(), chat(LONG, prompt_cache_retention=retention)
    ask(cache, body)
    assert ask(cache, body, now=minutes * MINUTE - 1) is not None
    assert ask(cache, body, now=2 * minutes * MINUTE - 2) is not None
    assert ask(cache, body, now=3 * minutes * MINUTE) is None


def test_deepseek_caches_in_blocks_of_64() -> None:
    """DeepSeek's dialect has smaller blocks and no smallest prompt beyond one block."""
    cache, body = PromptCache(), chat(words(200))
    assert ask(cache, body, dialect="deepseek") is None
    assert ask(cache, body, dialect="deepseek") == Usage(cached=192)


@pytest.mark.parametrize(("model", "cached"), [("gemini-2.5-flash", 1152), ("gemini-2.5-pro", None)])
def test_gemini_caches_implicitly(model: str, cached: int | None) -> None:
    """A Pro model's prompt must have 4,096 tokens."""
    cache, path = PromptCache(), f"/v1beta/models/{model}:generateContent"
    body = {"contents": [{"role": "user", "parts": [{"text": words(1200)}]}]}
    ask(cache, body, wire="gemini", path=path)
    assert ask(cache, body, wire="gemini", path=path) == (Usage(cached=cached) if cached else None)


def test_anthropic_writes_up_to_a_breakpoint_and_reads_it_again() -> None:
    """What is marked is written once, then read; what follows the mark is neither."""
    cache, body = PromptCache(), messages(part(1100, ttl="5m"), part(50))
    assert ask(cache, body, wire="anthropic_messages") == Usage(cached=0, cache_write=1100, cache_write_1h=0)
    other = messages(part(1100, ttl="5m"), part(70, "else"))
    assert ask(cache, other, wire="anthropic_messages") == Usage(cached=1100, cache_write=0, cache_write_1h=0)
    assert ask(cache, messages(part(1100), part(50)), wire="anthropic_messages") is None


@pytest.mark.parametrize(("model", "smallest"), [(OPUS_5, 512), (SONNET, 1024), (HAIKU, 4096)])
def test_anthropic_writes_nothing_that_is_too_small(model: str, smallest: int) -> None:
    """A prefix below the model's smallest is not cached, and the usage says so with zeros."""
    for tokens, written in ((smallest - 1, 0), (smallest, smallest)):
        found = ask(PromptCache(), messages(part(tokens, ttl="5m"), model=model), wire="anthropic_messages")
        assert found == Usage(cached=0, cache_write=written, cache_write_1h=0)


def test_anthropic_looks_back_20_parts() -> None:
    """A conversation that grew by 20 parts since its mark is found, one that grew by 21 is not."""
    for grown, cached in ((20, 1100), (21, 0)):
        cache = PromptCache()
        ask(cache, messages(part(1100, ttl="5m")), wire="anthropic_messages")
        more = [part(1) for _ in range(grown - 1)]
        found = ask(cache, messages(part(1100), *more, part(1, ttl="5m")), wire="anthropic_messages")
        assert found is not None
        assert (found.cached, found.cache_write) == (cached, 1100 + grown - cached)


def test_anthropic_keeps_for_an_hour_what_is_marked_so() -> None:
    """After 5 minutes only what was marked with an hour is left."""
    cache, body = PromptCache(), messages(part(1100, ttl="1h"), part(200, ttl="5m"))
    assert ask(cache, body, wire="anthropic_messages") == Usage(cached=0, cache_write=1300, cache_write_1h=1100)
    again = ask(cache, body, wire="anthropic_messages", now=6 * MINUTE)
    assert again == Usage(cached=1100, cache_write=200, cache_write_1h=0)
    assert ask(cache, body, wire="anthropic_messages", now=70 * MINUTE) == Usage(
        cached=0, cache_write=1300, cache_write_1h=1100
    )


def test_anthropic_marks_the_whole_prompt() -> None:
    """A mark on the request stands for one on its last part; tools and system come before the messages."""
    fields = {"system": words(1100), "cache_control": {"type": "ephemeral"}}
    tool = {"name": "a", "input_schema": {"type": "object"}}
    cache = PromptCache()
    first = ask(cache, messages(part(5), **fields), wire="anthropic_messages")
    assert first == Usage(cached=0, cache_write=1105, cache_write_1h=0)
    second = ask(cache, messages(part(5), part(3), **fields), wire="anthropic_messages")
    assert second == Usage(cached=1105, cache_write=3, cache_write_1h=0)
    with_tool = ask(cache, messages(part(5), tools=[tool], **fields), wire="anthropic_messages")
    assert with_tool is not None
    assert with_tool.cached == 0


def test_bedrock_caches_up_to_a_cache_point() -> None:
    """A `cachePoint` marks what stands before it, as `cache_control` does."""
    body = {
        "system": [{"text": words(1100)}, {"cachePoint": {"type": "default"}}],
        "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
    }
    cache, path = PromptCache(), f"/model/anthropic.{SONNET}-v1:0/converse"
    seen = [ask(cache, body, wire="bedrock_converse", path=path) for _ in range(2)]
    assert seen == [
        Usage(cached=0, cache_write=1100, cache_write_1h=0),
        Usage(cached=1100, cache_write=0, cache_write_1h=0),
    ]


@pytest.mark.parametrize("wire", ["ollama", "cohere_chat", "openai_completions"])
def test_others_report_no_cache(wire: str) -> None:
    """A provider that has no cache of prompts finds nothing, however often the prompt comes."""
    body = {"model": "m", "prompt": LONG, "messages": [{"role": "user", "content": LONG}]}
    cache = PromptCache()
    assert [ask(cache, body, wire=wire) for _ in range(2)] == [None, None]


def test_the_cache_is_bounded() -> None:
    """What was unused for longest is forgotten first."""
    cache = PromptCache()
    cache.keep([b"old"], 60.0, 0.0)
    cache.keep([b"used"], 60.0, 0.0)
    assert cache.longest([b"used"], 1.0) == b"used"
    cache.keep([b"%d" % number for number in range(19_999)], 60.0, 1.0)
    assert (cache.longest([b"old"], 1.0), cache.longest([b"used"], 1.0)) == (None, b"used")


@pytest.mark.both_stores(False)  # a clock of its own is in one process
def test_usage_and_the_first_token_follow_the_cache(openai_client: openai.OpenAI, session: Session) -> None:
    """The simulated model reports what it read from the cache, and begins earlier by the prefill that it saved."""
    session.configure(clock="automatic", timing="synthetic:ttft=100ms,prefill=1ms,tps=1000")
    clock = session.clock
    assert clock is not None
    seen = []
    for _ in range(2):
        began = clock.now()
        answer = openai_client.chat.completions.create(
            model="gpt-5", messages=[{"role": "user", "content": words(1200)}], max_completion_tokens=1
        )
        assert answer.usage is not None
        assert answer.usage.prompt_tokens_details is not None
        seen.append((answer.usage.prompt_tokens_details.cached_tokens, clock.now() - began))
    assert seen == [(0, 1300.0), (1152, 148.0)]


def test_caching_is_switched_off(openai_client: openai.OpenAI, session: Session) -> None:
    """Without it, and for scripts and after `clear`, nothing is read from the cache."""

    def cached() -> int | None:
        answer = openai_client.chat.completions.create(
            model="gpt-5", messages=[{"role": "user", "content": words(1200)}]
        )
        assert answer.usage is not None
        assert answer.usage.prompt_tokens_details is not None
        return answer.usage.prompt_tokens_details.cached_tokens

    assert [cached(), cached()] == [0, 1152]
    session.push("Hi")
    assert cached() == 0
    session.clear()
    assert [cached(), cached()] == [0, 1152]
    session.configure(simulation={"caching": False})
    assert cached() == 0


def test_a_prompt_without_parts_has_no_cache() -> None:
    """Converse without any content is counted, too."""
    request = ask_of("bedrock_converse", messages=[{"role": "user", "content": []}])
    assert cache_usage(request, PromptCache(), 0.0) is None
