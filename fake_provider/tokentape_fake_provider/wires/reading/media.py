"""Reads images, sounds, films, files and documents from the parts of a message."""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tokentape_fake_provider.wires.prompt import Media, MediaKind
from tokentape_fake_provider.wires.reading.fields import as_object, either, first, text_of, texts

_KEYS: Final[Mapping[str, MediaKind]] = {
    "image": "image",
    "document": "document",
    "video": "video",
    "audio": "audio",
    "searchResult": "document",
}
"""The fields of Converse's parts, whose values have `format` and `source`."""

_BLOBS: Final = ("inlineData", "inline_data", "fileData", "file_data")
_TYPES: Final[Mapping[str, MediaKind]] = {
    "image_url": "image",
    "input_image": "image",
    "image": "image",
    "computer_screenshot": "image",
    "input_audio": "audio",
    "audio": "audio",
    "audio_url": "audio",
    "video": "video",
    "video_url": "video",
    "input_video": "video",
    "document": "document",
    "document_url": "document",
    "search_result": "document",
    "file": "file",
    "input_file": "file",
    "container_upload": "file",
}
"""The types of parts of the other formats."""

# A JPEG's size stands after its metadata, which is at most 64 kB for each segment.
_HEADER: Final = 256 * 1024
_WAV_HEADER: Final = 44
_PAGE: Final = re.compile(rb"/Type\s*/Page\b")
_TEXTS: Final = frozenset(("text/plain", "text/html", "text/csv", "text/markdown", "txt", "html", "csv", "md"))


def read_media(part: Mapping[str, Any]) -> Media | None:
    """What a part of a message holds besides text, if it is of such a kind."""
    media = _read(part)
    if media is None:
        return None
    word = part.get("type") or next((key for key in part if key in _KEYS or key in _BLOBS), "")
    return msgspec.structs.replace(media, word=str(word))


def _read(part: Mapping[str, Any]) -> Media | None:
    for key in ("inlineData", "fileData"):
        if isinstance(blob := either(part, key), Mapping):
            return _media("file", blob, text_of(either(blob, "mimeType")), blob)
    for key, kind in _KEYS.items():
        if isinstance(inner := part.get(key), Mapping) and "type" not in part:
            extension = text_of(inner.get("format"))
            return _media(kind, inner, f"{kind}/{extension}" if kind != "document" else extension, part)
    kind_of_part = part.get("type")
    if not isinstance(kind_of_part, str) or kind_of_part not in _TYPES:
        return None
    kind = _TYPES[kind_of_part]
    inner = part.get(kind_of_part, part)
    holder = inner if isinstance(inner, Mapping) else {"url": inner}
    if kind == "audio" and isinstance(inner, str) and kind_of_part == "input_audio":
        holder = {"data": inner}  # Mistral's
    return _media(kind, holder, "", part)


def image_of_base64(data: str) -> Media:
    """An image that is nothing but its data (Ollama)."""
    return _with_data("image", "", data)


def pixels(head: bytes) -> tuple[int, int]:
    """The width and height that the header of a PNG, GIF, WebP or JPEG has; zeros if unknown."""
    if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) >= 24:
        width, height = struct.unpack(">II", head[16:24])
        return width, height
    if head[:6] in (b"GIF87a", b"GIF89a") and len(head) >= 10:
        width, height = struct.unpack("<HH", head[6:10])
        return width, height
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP" and len(head) >= 30:
        return _webp_pixels(head)
    return _jpeg_pixels(head) if head[:2] == b"\xff\xd8" else (0, 0)


def _webp_pixels(head: bytes) -> tuple[int, int]:
    match head[12:16]:
        case b"VP8 ":
            width, height = struct.unpack("<HH", head[26:30])
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            bits = int.from_bytes(head[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
        case _:
            return 0, 0


def _jpeg_pixels(head: bytes) -> tuple[int, int]:
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", head[at + 5 : at + 9])
            return width, height
        length = struct.unpack(">H", head[at + 2 : at + 4])[0]
        at += 2 + max(2, length)
    return 0, 0


def _media(kind: MediaKind, holder: Mapping[str, Any], media_type: str, part: Mapping[str, Any]) -> Media:
    """The media by its source: base64, a data URL, text, or a reference."""
    source = as_object(holder.get("source")) or holder
    title = text_of(first(holder, "title", "filename", "name")) or text_of(part.get("title"))
    media_type = text_of(first(source, "media_type", "mime_type", "mimeType")) or media_type
    if not media_type and kind == "audio" and (extension := text_of(holder.get("format"))):
        media_type = f"audio/{extension}"
    data = text_of(first(source, "data", "bytes", "file_data"))
    url = text_of(first(source, "url", "image_url", "file_url", "uri"))
    for place in (data, url):
        if place.startswith("data:"):
            declared, _, data = place.removeprefix("data:").partition(",")
            media_type = declared.partition(";")[0] or media_type
    cites = as_object(holder.get("citations")).get("enabled") is True
    if source.get("type") == "text":
        text = data
    elif data:
        media = _with_data(_kind(kind, media_type), media_type, data)
        return _named(media, title, text_of(holder.get("detail")), cites)
    else:
        text = "\n".join(texts([source.get("text"), source.get("content")]))
    media = Media(_kind(kind, media_type), media_type, len(text.encode(errors="replace")), text=text)
    return _named(media, title, text_of(holder.get("detail")), cites)


def _named(media: Media, title: str, detail: str, cites: bool) -> Media:
    return msgspec.structs.replace(media, detail=detail, title=title, cited=cites)


def _kind(kind: MediaKind, media_type: str) -> MediaKind:
    match media_type.partition("/")[0]:
        case "image":
            return "image"
        case "audio":
            return "audio"
        case "video":
            return "video"
        case _:
            return "document" if kind == "file" and media_type in ("application/pdf", "text/plain") else kind


def _with_data(kind: MediaKind, media_type: str, data: str) -> Media:
    size = len(data) * 3 // 4 - data[-2:].count("=")
    if kind == "image":
        width, height = pixels(_decoded(data, _HEADER))
        return Media(kind, media_type, size, width=width, height=height)
    if kind == "audio":
        return Media(kind, media_type, size, seconds=_seconds(_decoded(data, _WAV_HEADER), size))
    if media_type in ("application/pdf", "pdf"):
        return Media(kind, media_type, size, pages=len(_PAGE.findall(_decoded(data, len(data)))))
    text = _decoded(data, len(data)).decode(errors="replace") if media_type in _TEXTS else ""
    return Media(kind, media_type, size, text=text)


def _seconds(head: bytes, size: int) -> float:
    """The length of a WAV file, from the bytes per second in its header; 0 for other sounds."""
    if head[:4] != b"RIFF" or head[8:16] != b"WAVEfmt " or len(head) < _WAV_HEADER:
        return 0
    rate = int.from_bytes(head[28:32], "little")
    return max(0, size - _WAV_HEADER) / rate if rate else 0


def _decoded(data: str, length: int) -> bytes:
    """The first bytes of what is in base64; empty if it is not."""
    head = data[: -(-length // 3) * 4]
    try:
        return base64.b64decode(head + "=" * (-len(head) % 4))
    except (binascii.Error, ValueError):
        return b""
