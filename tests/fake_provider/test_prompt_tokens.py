"""What a request has besides text counts in the input tokens, by the providers' published rules."""

from __future__ import annotations

import base64
import struct
import wave
from io import BytesIO
from typing import Any

import pytest

from tests.fake_provider.asks import BODIES, BODY, PATHS, ask_of
from tokentape_fake_provider.script.tokenizer import count_tokens
from tokentape_fake_provider.wires.prompt_reader import read_prompt
from tokentape_fake_provider.wires.prompt_tokens import is_plain, tokens_besides_text


def encoded(data: bytes) -> str:
    """In base64."""
    return base64.b64encode(data).decode()


def png(width: int, height: int) -> bytes:
    """The head of a PNG of this size."""
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + bytes(9)


def jpeg(width: int, height: int) -> bytes:
    """The head of a JPEG of this size, behind metadata."""
    metadata = b"\xff\xe1" + struct.pack(">H", 5002) + bytes(5000)
    return b"\xff\xd8" + metadata + b"\xff\xc0" + struct.pack(">HBHH", 17, 8, height, width) + bytes(12)


def gif(width: int, height: int) -> bytes:
    """The head of a GIF of this size."""
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(3)


def webp(width: int, height: int) -> bytes:
    """The head of a WebP of this size."""
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + bytes(4) + b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + size


def wav(seconds: float) -> bytes:
    """A silent WAV file."""
    file = BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(int(seconds * 16_000)))
    return file.getvalue()


def tokens(wire: str, **fields: Any) -> int:
    """The tokens of a request beside its text."""
    return tokens_besides_text(read_prompt(ask_of(wire, **fields)), wire)


def user(*parts: Any) -> dict[str, Any]:
    """Fields of one message of the user."""
    return {"messages": [{"role": "user", "content": list(parts)}]}


def image_for(wire: str, data: bytes, media_type: str = "image/png", **beside: Any) -> dict[str, Any]:
    """Fields of a request with an image."""
    url = f"data:{media_type};base64,{encoded(data)}"
    match wire:
        case "openai_chat" | "cohere_chat":
            return user({"type": "image_url", "image_url": {"url": url, **beside}})
        case "openai_responses":
            return {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": url, **beside}]}]}
        case "anthropic_messages" | "bedrock_invoke":
            source = {"type": "base64", "media_type": media_type, "data": encoded(data)}
            return user({"type": "image", "source": source})
        case "bedrock_converse":
            return user({"image": {"format": "png", "source": {"bytes": encoded(data)}}})
        case "gemini":
            return {"contents": [{"parts": [{"inlineData": {"mimeType": media_type, "data": encoded(data)}}]}]}
        case "gemini_interactions":
            return {"input": [{"type": "image", "mime_type": media_type, "data": encoded(data)}]}
        case _:
            return {"messages": [{"role": "user", "content": "Look.", "images": [encoded(data)]}]}


@pytest.mark.parametrize("header", [png, jpeg, gif, webp])
@pytest.mark.parametrize(
    ("wire", "size", "expected"),
    [
        # platform.openai.com/docs/guides/images-vision has the first two as examples.
        ("openai_chat", (1024, 1024), 765),
        ("openai_chat", (2048, 4096), 1105),
        ("openai_responses", (1024, 1024), 765),
        # platform.claude.com/docs/en/build-with-claude/vision has these.
        ("anthropic_messages", (200, 200), 54),
        ("anthropic_messages", (1000, 1000), 1334),
        ("bedrock_converse", (200, 200), 54),
        ("bedrock_invoke", (200, 200), 54),
        # ai.google.dev/gemini-api/docs/tokens
        ("gemini", (384, 384), 258),
        ("gemini_interactions", (100, 50), 258),
        ("gemini", (960, 540), 1548),
        ("cohere_chat", (512, 512), 512),
        ("ollama", (512, 512), 576),
    ],
)
def test_images_count_by_their_size(wire: str, size: tuple[int, int], expected: int, header: Any) -> None:
    """The size is read from the image's header, of each kind of file."""
    assert tokens(wire, **image_for(wire, header(*size))) == expected


def test_details_of_images() -> None:
    """With low detail an image counts 85; without its data it counts as one of a usual size."""
    for wire in ("openai_chat", "openai_responses"):
        assert tokens(wire, **image_for(wire, png(2048, 2048), detail="low")) == 85
    assert tokens("openai_chat", **user({"type": "image_url", "image_url": {"url": "https://x.test/a.png"}})) == 765
    assert tokens("gemini", contents=[{"parts": [{"fileData": {"mimeType": "image/png", "fileUri": "gs://a"}}]}]) > 258


def test_sounds_count_by_their_length() -> None:
    """A WAV file has its length in the header; other sounds count by their bytes."""
    sound = {"type": "input_audio", "input_audio": {"data": encoded(wav(3)), "format": "wav"}}
    assert tokens("openai_chat", **user(sound)) == 30
    blob = {"mimeType": "audio/wav", "data": encoded(wav(3))}
    assert tokens("gemini", contents=[{"parts": [{"inlineData": blob}]}]) == 96
    mp3 = {"mimeType": "audio/mp3", "data": encoded(bytes(32_000))}
    assert tokens("gemini", contents=[{"parts": [{"inlineData": mp3}]}]) == 64


def test_documents_count_by_their_pages_or_their_text() -> None:
    """The pages of a PDF, and the text of what is text."""
    pdf = b"%PDF-1.4 << /Type /Pages /Count 2 >> << /Type /Page >> <</Type/Page>>"
    source = {"type": "base64", "media_type": "application/pdf", "data": encoded(pdf)}
    assert tokens("anthropic_messages", **user({"type": "document", "source": source})) == 3000
    blob = {"mimeType": "application/pdf", "data": encoded(pdf)}
    assert tokens("gemini", contents=[{"parts": [{"inlineData": blob}]}]) == 516
    plain = {"type": "text", "media_type": "text/plain", "data": "Lisbon is a port."}
    counted = tokens("anthropic_messages", **user({"type": "document", "source": plain}))
    assert counted == count_tokens("Lisbon is a port.")
    assert tokens("bedrock_converse", **user({"document": {"format": "txt", "name": "d", "source": {
        "bytes": encoded(b"Lisbon is a port.")}}})) == counted  # fmt: skip


def test_images_in_results_count() -> None:
    """An image that a tool returns is input, too."""
    image = image_for("anthropic_messages", png(200, 200))["messages"][0]["content"][0]
    call = {"type": "tool_use", "id": "a", "name": "look", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "a", "content": [image]}
    messages = [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    prompt = read_prompt(ask_of("anthropic_messages", messages=messages))
    assert [message.role for message in prompt.messages] == ["assistant", "tool"]
    assert tokens_besides_text(prompt, "anthropic_messages") == 54


def test_tool_definitions_count_as_their_json_text() -> None:
    """A definition counts as it is sent."""
    tool = {"type": "function", "function": {"name": "now", "description": "Tells the time."}}
    text = '{"type":"function","function":{"name":"now","description":"Tells the time."}}'
    assert tokens("openai_chat", tools=[tool]) == count_tokens(text)
    assert tokens("openai_chat", tools=[tool, tool]) == 2 * count_tokens(text)


@pytest.mark.parametrize("wire", PATHS)
def test_text_alone_counts_as_before(wire: str) -> None:
    """A request of text has nothing besides, whichever way the text is written."""
    assert tokens(wire, **BODIES.get(wire, BODY)) == 0
    if wire not in ("gemini", "bedrock_converse", "bedrock_invoke"):
        assert is_plain(ask_of(wire).body)
