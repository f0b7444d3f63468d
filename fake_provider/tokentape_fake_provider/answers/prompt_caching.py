"""Prompt caching by each provider's rules: what of a prompt was read from the cache, and what was written to it.

- OpenAI and Azure: prefixes from 1,024 tokens in steps of 128, for 5 minutes since their last use, or for 24 hours with
  `prompt_cache_retention` (platform.openai.com/docs/guides/prompt-caching).
- DeepSeek: prefixes in blocks of 64 tokens (api-docs.deepseek.com/guides/kv_cache); here for a day.
- Gemini: implicit caching from 1,024 tokens, of Pro models from 4,096 (ai.google.dev/gemini-api/docs/caching). It
  publishes neither steps nor lifetime: here steps of 128 tokens and 5 minutes. Explicit caching: `cached_contents`.
- Anthropic, also on Bedrock: up to a block with `cache_control` (`cachePoint`), from a size that depends on the model,
  for 5 minutes or an hour; a hit is looked for up to 20 blocks before a breakpoint
  (docs.anthropic.com/en/docs/build-with-claude/prompt-caching).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

import msgspec

from tokentape_fake_provider.script.model import Usage
from tokentape_fake_provider.script.tokenizer import count_tokens, split_tokens
from tokentape_fake_provider.sessions.prompt_cache import PromptCache
from tokentape_fake_provider.wires.request_parts import texts_in
from tokentape_fake_provider.wires.wire import ProviderRequest

_MINUTES: Final = 60.0
_DAY: Final = 24 * 3600.0
_LOOKBACK: Final = 20

# Models whose smallest cacheable prefix is not 1,024 tokens.
_SMALLEST: Final = (
    (re.compile(r"claude-(opus-4-[567]|haiku-4-5)"), 4096),
    (re.compile(r"claude-(sonnet-4-6|haiku-3|3-haiku|3-5-haiku)"), 2048),
    (re.compile(r"claude-(opus|fable|mythos)-5"), 512),
    (re.compile(r"gemini-.*pro"), 4096),
)


class _Rule(NamedTuple):
    """How prefixes are cached without being marked: `smallest` and `step` in tokens, `lifetime` in s."""

    smallest: int
    step: int
    lifetime: float


_DEEPSEEK: Final = _Rule(64, 64, _DAY)
_OPENAI: Final = _Rule(1024, 128, 5 * _MINUTES)
_OPENAI_DAY: Final = _Rule(1024, 128, _DAY)


class Block(NamedTuple):
    """A part of a prompt. `lifetime` is in s, if the prompt is to be cached up to and with this part."""

    content: Any
    lifetime: float | None = None


def cache_usage(request: ProviderRequest, cache: PromptCache, now: float) -> Usage | None:
    """The tokens that were read from the cache and written to it; `None` where neither is reported.

    `now` is in s of the session's clock. The cache holds the prompt from then on.
    """
    if request.wire in ("anthropic_messages", "bedrock_converse", "bedrock_invoke"):
        return _marked(request, cache, now)
    if (name := request.body.get("cachedContent")) is not None:
        content = cache.content(str(name), now)
        return None if content is None else Usage(cached=content.tokens)
    rule = _rule(request)
    return None if rule is None else _unmarked(request, rule, cache, now)


def _rule(request: ProviderRequest) -> _Rule | None:
    match request.wire:
        case "openai_chat" if request.dialect == "deepseek":
            return _DEEPSEEK
        case "openai_chat" | "openai_responses" if request.dialect in ("", "openai", "azure"):
            return _OPENAI_DAY if request.body.get("prompt_cache_retention") == "24h" else _OPENAI
        case "gemini" | "gemini_interactions":
            return _Rule(_smallest(request.model), 128, 5 * _MINUTES)
    return None


def _smallest(model: str) -> int:
    return next((tokens for pattern, tokens in _SMALLEST if pattern.search(model)), 1024)


def _unmarked(request: ProviderRequest, rule: _Rule, cache: PromptCache, now: float) -> Usage | None:
    if len(request.text) < rule.smallest:  # a token has at least one character
        return None
    tokens = split_tokens(request.text)
    body = request.body
    digest = _digest(request, [body.get(name) for name in ("tools", "toolConfig", "prompt_cache_key")])
    lengths: dict[bytes, int] = {}
    for end in range(rule.step, len(tokens) + 1, rule.step):
        digest.update("".join(tokens[end - rule.step : end]).encode(errors="surrogatepass"))
        if end >= rule.smallest:
            lengths[digest.digest()] = end
    found = cache.longest(reversed(lengths), now)
    cache.keep(lengths, rule.lifetime, now)
    return Usage(cached=lengths[found]) if found is not None else None


def _marked(request: ProviderRequest, cache: PromptCache, now: float) -> Usage | None:
    blocks = list(_converse_blocks(request.body) if request.wire == "bedrock_converse" else _blocks(request.body))
    if not any(block.lifetime for block in blocks):
        return None
    smallest, digest, total = _smallest(request.model), _digest(request, ()), 0
    prefixes: list[tuple[bytes, int]] = []
    for block in blocks:
        digest.update(_bytes(block.content))
        total += _tokens(block.content)
        prefixes.append((digest.digest(), total))
    lengths = dict(prefixes)
    marked = [(index, block.lifetime) for index, block in enumerate(blocks) if block.lifetime is not None]
    marked = [(index, lifetime) for index, lifetime in marked if prefixes[index][1] >= smallest]
    near = {index - back for index, _ in marked for back in range(_LOOKBACK + 1) if index >= back}
    found = cache.longest((prefixes[index][0] for index in sorted(near, reverse=True)), now)
    cached = lengths[found] if found is not None else 0
    for index, lifetime in marked:
        cache.keep([prefixes[index][0]], lifetime, now)
    written = max((prefixes[index][1] for index, _ in marked), default=0)
    hour = max((prefixes[index][1] for index, lifetime in marked if lifetime > 5 * _MINUTES), default=0)
    return Usage(cached=cached, cache_write=max(0, written - cached), cache_write_1h=max(0, hour - cached))


def _blocks(body: Mapping[str, Any]) -> Iterator[Block]:
    """The parts of a prompt of Anthropic's, in the order in which they are cached: tools, system, messages."""
    parts = [*_list(body.get("tools")), *_list(body.get("system"))]
    for message in _list(body.get("messages")):
        parts += _list(message.get("content")) if isinstance(message, Mapping) else ()
    whole = _lifetime(body.get("cache_control"))
    for index, part in enumerate(parts):
        own = _lifetime(part.get("cache_control")) if isinstance(part, Mapping) else None
        content = {key: value for key, value in part.items() if key != "cache_control"} if own else part
        yield Block(content, own or (whole if index + 1 == len(parts) else None))


def _converse_blocks(body: Mapping[str, Any]) -> Iterator[Block]:
    """The parts of a prompt of Converse, each with the `cachePoint` that follows it."""
    config = body.get("toolConfig")
    parts = [*_list(config.get("tools") if isinstance(config, Mapping) else None), *_list(body.get("system"))]
    for message in _list(body.get("messages")):
        parts += _list(message.get("content")) if isinstance(message, Mapping) else ()
    for part, following in pairwise([*parts, None]):
        if not (isinstance(part, Mapping) and "cachePoint" in part):
            point = following.get("cachePoint") if isinstance(following, Mapping) else None
            yield Block(part, None if point is None else _lifetime(point))


def _lifetime(mark: Any) -> float | None:
    if not isinstance(mark, Mapping):
        return None
    return 60 * _MINUTES if mark.get("ttl") == "1h" else 5 * _MINUTES


def _list(value: Any) -> Sequence[Any]:
    return [value] if isinstance(value, str) else value if isinstance(value, list) else ()


def _tokens(content: Any) -> int:
    """The tokens of a part: those of its text; of a tool, those of its definition."""
    if isinstance(content, Mapping) and ("input_schema" in content or "toolSpec" in content):
        return count_tokens(_bytes(content).decode())
    return sum(count_tokens(text) for text in texts_in(content))


def _digest(request: ProviderRequest, what: Any) -> hashlib.blake2b:
    return hashlib.blake2b(_bytes((request.wire, request.model, what)), digest_size=16)


def _bytes(content: Any) -> bytes:
    return msgspec.json.encode(content)
