"""Counts the input tokens of what a prompt has besides text: tool definitions, images, sounds, films and documents.

The rules are those that the providers publish; where a request only refers to a file, it counts as one of a usual size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from tokentape_fake_provider.script.tokenizer import count_tokens
from tokentape_fake_provider.wires.prompt import Media, Prompt
from tokentape_fake_provider.wires.reading.fields import json_text

_USUAL_SIDE: Final = 1024
_USUAL_SECONDS: Final = 30.0
_AUDIO_BYTES_PER_SECOND: Final = 16_000  # MP3 of 128 kbit/s
_VIDEO_BYTES_PER_SECOND: Final = 125_000


class _Rules(NamedTuple):
    """Tokens of an image by its width, height and detail, of a second of sound or film, and of a page."""

    image: Callable[[int, int, str], int]
    audio: float
    video: float
    page: int


def _openai_image(width: int, height: int, detail: str) -> int:
    """85 and 170 for each tile of 512 px, once it fits into 2048 px and its shorter side into 768 px."""
    if detail == "low":
        return 85
    scale = min(1.0, 2048 / max(width, height))
    scale *= min(1.0, 768 / (min(width, height) * scale))
    return 85 + 170 * math.ceil(width * scale / 512) * math.ceil(height * scale / 512)


def _anthropic_image(width: int, height: int, _detail: str) -> int:
    """A token for 750 pixels, once the longer side fits into 1568 px; at most 1600 or so."""
    scale = min(1.0, 1568 / max(width, height))
    return min(1600, math.ceil(width * scale * height * scale / 750))


def _gemini_image(width: int, height: int, _detail: str) -> int:
    """258, or 258 for each tile of a larger image."""
    if max(width, height) <= 384:
        return 258
    tile = min(768, max(256, min(width, height) // 1.5))
    return 258 * math.ceil(width / tile) * math.ceil(height / tile)


def _cohere_image(width: int, height: int, detail: str) -> int:
    """256 for the whole image, and for each of at most 12 tiles of 512 px unless the detail is low."""
    tiles = 0 if detail == "low" else min(12, math.ceil(width / 512) * math.ceil(height / 512))
    return 256 * (1 + tiles)


# platform.openai.com/docs/guides/images-vision and /guides/realtime-costs: sound is a token for 100 ms.
_OPENAI: Final = _Rules(_openai_image, 10, 85, 765)
# platform.claude.com/docs/en/build-with-claude/vision and /pdf-support: 1,500 to 3,000 for a page.
_ANTHROPIC: Final = _Rules(_anthropic_image, 10, 258, 1500)
# ai.google.dev/gemini-api/docs/tokens
_GEMINI: Final = _Rules(_gemini_image, 32, 263, 258)
_RULES: Final[Mapping[str, _Rules]] = {
    "anthropic_messages": _ANTHROPIC,
    "bedrock_converse": _ANTHROPIC,
    "bedrock_invoke": _ANTHROPIC,
    "gemini": _GEMINI,
    "gemini_interactions": _GEMINI,
    # docs.cohere.com/docs/image-inputs
    "cohere_chat": _OPENAI._replace(image=_cohere_image),
    # LLaVA's encoder: 24 by 24 patches, whatever the image's size.
    "ollama": _OPENAI._replace(image=lambda _width, _height, _detail: 576),
}


_MORE_THAN_TEXT: Final = frozenset(
    ("tools", "functions", "toolConfig", "mcp_servers", "images", "contents", "chat_history")
)


def is_plain(body: Mapping[str, Any]) -> bool:
    """Whether a request body can have nothing but text; then its prompt need not be read to count it."""
    if not _MORE_THAN_TEXT.isdisjoint(body):
        return False
    for name in ("messages", "input"):
        items = body.get(name)
        for item in items if isinstance(items, list) else ():
            if not (isinstance(item, dict) and isinstance(item.get("content"), str)):
                return False
    return True


def tokens_besides_text(prompt: Prompt, wire: str) -> int:
    """The input tokens of the tools and of all media; tool definitions count as their JSON text."""
    rules = _RULES.get(wire, _OPENAI)
    tools = sum(count_tokens(json_text(tool.definition)) for tool in prompt.tools)
    return tools + sum(_media_tokens(media, rules) for message in prompt.messages for media in message.media)


def _media_tokens(media: Media, rules: _Rules) -> int:
    match media.kind:
        case "image":
            return rules.image(media.width or _USUAL_SIDE, media.height or _USUAL_SIDE, media.detail)
        case "audio":
            seconds = media.seconds or media.size / _AUDIO_BYTES_PER_SECOND or _USUAL_SECONDS
            return math.ceil(seconds * rules.audio)
        case "video":
            return math.ceil((media.size / _VIDEO_BYTES_PER_SECOND or _USUAL_SECONDS) * rules.video)
        case "document" | "file":
            return count_tokens(media.text) if media.text else rules.page * max(1, media.pages)
