"""What the simulated model's answer has beside its text: server tools, citations, images and audio."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import struct
import wave
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from tokentape_fake_provider.script.ids import HEX, make_id
from tokentape_fake_provider.script.model import Audio, Choice, Citation, Item, ServerTool, Source, Text
from tokentape_fake_provider.script.tokenizer import count_tokens
from tokentape_fake_provider.simulation.synthetic import synthetic_text
from tokentape_fake_provider.wires.prompt import Document, Prompt, Tool

_SENTENCE: Final = re.compile("[^.!?\u3002\uff01\uff1f\n]+[.!?\u3002\uff01\uff1f]*")
_URL: Final = re.compile(r"https?://[^\s\"'<>)\]]+")
_CITED_SENTENCES: Final = 3
_SOURCES: Final = 3
_QUERY_WORDS: Final = 8
_BYTES_PER_TOKEN: Final = 480
"""Of silence, 24,000 samples of 16 bits a second: 10 ms."""


def with_server_items(choice: Choice, prompt: Prompt, *, seed: str, locale: str) -> Choice:
    """The choice with what the request asks of the provider itself, if the choice has a text.

    The server tools that the request offers run once each, before the text. The first sentences cite what they found,
    else the documents of the request if it wants citations. An image is generated, and the text spoken, if the
    request wants these modalities.
    """
    if not (prompt.tools or prompt.modalities or prompt.citations):
        return choice
    at = next((index for index, item in enumerate(choice.items) if isinstance(item, Text)), None)
    if at is None:
        return choice
    tools = tuple(_tools(prompt, seed, locale))
    items: list[Item] = [*choice.items[:at], *tools]
    if prompt.output.kind == "text":
        sources = tuple(_found(tools)) or tuple(_documents(prompt))
        items += (_cited(text, sources) if isinstance(text, Text) else text for text in choice.items[at:])
    else:
        items += choice.items[at:]
    if "audio" in prompt.modalities:
        items = [_spoken(item, prompt.audio_format) if isinstance(item, Text) else item for item in items]
    return msgspec.structs.replace(choice, items=tuple(items))


def _tools(prompt: Prompt, seed: str, locale: str) -> Iterator[ServerTool]:
    if prompt.tool_choice.mode != "none":
        kinds: set[str] = set()
        for number, tool in enumerate(prompt.tools):
            if tool.kind == "mcp" or tool.kind not in kinds:
                kinds.add(tool.kind)
                yield from _run(tool, prompt, f"{seed} tool {number}", locale)
        if "image_generation" in kinds:
            return
    if "image" in prompt.modalities:
        yield ServerTool("image_generation", _query(prompt), images=(_image(seed),))


def _run(tool: Tool, prompt: Prompt, seed: str, locale: str) -> Iterator[ServerTool]:
    query = _query(prompt)
    match tool.kind:
        case "web_search":
            yield ServerTool("web_search", query, sources=_pages(seed, locale))
        case "web_fetch":
            found = _URL.search(prompt.last_user)
            (page, *_) = _pages(seed, locale)
            page = msgspec.structs.replace(page, url=found[0].rstrip(".,;:!?")) if found else page
            yield ServerTool("web_fetch", page.url, page.text, (page,))
        case "file_search":
            sources = tuple(
                Source("", f"document-{number + 1}.txt", page.text, "file-" + make_id(f"{seed} {number}", "file", 22))
                for number, page in enumerate(_pages(seed, locale))
            )
            yield ServerTool("file_search", query, sources=sources)
        case "code_interpreter":
            first, second = hashlib.blake2b(seed.encode(), digest_size=2).digest()
            yield ServerTool("code_interpreter", f"print({first} * {second})", f"{first * second}\n")
        case "image_generation":
            previews = tool.definition.get("partial_images")
            count = previews if isinstance(previews, int) and not isinstance(previews, bool) else 0
            images = tuple(_image(f"{seed} {number}") for number in range(min(max(count, 0), 3) + 1))
            yield ServerTool("image_generation", query, images=images)
        case "mcp":
            yield from _mcp(tool, query, seed, locale)
        case _:
            pass


def _mcp(tool: Tool, query: str, seed: str, locale: str) -> Iterator[ServerTool]:
    """The list of the server's tools, and a call of the first one."""
    label = tool.definition.get("server_label")
    server = label if isinstance(label, str) else tool.name
    names = _allowed(tool.definition) or ("search",)
    listed = tuple(Source("", name, synthetic_text(8, seed=f"{seed} {name}", locale=locale)) for name in names)
    yield ServerTool("mcp", server=server, sources=listed)
    arguments = msgspec.json.encode({"query": query}).decode()
    output = synthetic_text(20, seed=f"{seed} output", locale=locale)
    yield ServerTool("mcp", arguments, output, name=names[0], server=server)


def _allowed(definition: Mapping[str, Any]) -> tuple[str, ...]:
    """The tools of an MCP server that a request allows, in the form of either provider."""
    allowed = definition.get("allowed_tools")
    if isinstance(allowed, Mapping):
        allowed = allowed.get("tool_names")
    if allowed is None and isinstance(own := definition.get("tool_configuration"), Mapping):
        allowed = own.get("allowed_tools")
    return tuple(name for name in allowed if isinstance(name, str)) if isinstance(allowed, list) else ()


def _query(prompt: Prompt) -> str:
    return " ".join(prompt.last_user.split()[:_QUERY_WORDS]) or "news"


def _pages(seed: str, locale: str) -> tuple[Source, ...]:
    """Pages that were found; their hosts are of the domain that no one can own."""
    pages = []
    for number in range(_SOURCES):
        title = synthetic_text(4, seed=f"{seed} title {number}", locale=locale).rstrip(".。")
        text = synthetic_text(25, seed=f"{seed} page {number}", locale=locale)
        slug = make_id(f"{seed} {number}", "page", 10, HEX)
        pages.append(Source(f"https://www.example.com/{slug}", title, text))
    return tuple(pages)


def _found(tools: Sequence[ServerTool]) -> Iterator[Citation]:
    for tool in tools:
        if tool.kind in ("web_search", "web_fetch", "file_search"):
            for source in tool.sources:
                yield Citation(source.url, source.title, _quote(source.text), id=source.id)


def _documents(prompt: Prompt) -> Iterator[Citation]:
    for number, document in enumerate(prompt.documents if prompt.citations else ()):
        if document.text:
            yield _document_citation(number, document)


def _document_citation(number: int, document: Document) -> Citation:
    quote = _quote(document.text)
    start = document.text.find(quote)
    return Citation("", document.title, quote, document=number, id=document.id, quote_start=start)


def _quote(text: str) -> str:
    """The first sentence of a text."""
    return next((sentence for match in _SENTENCE.finditer(text) if (sentence := match[0].strip())), text)


def _cited(text: Text, sources: Sequence[Citation]) -> Text:
    """The text, whose first sentences cite one source each."""
    sentences = [match for match in _SENTENCE.finditer(text.text) if match[0].strip()][:_CITED_SENTENCES]
    if not sources:
        return text
    citations = tuple(
        msgspec.structs.replace(
            sources[number % len(sources)],
            start=match.end() - len(match[0].lstrip()),
            end=match.start() + len(match[0].rstrip()),
        )
        for number, match in enumerate(sentences)
    )
    return msgspec.structs.replace(text, citations=citations)


def _spoken(text: Text, audio_format: str) -> Audio:
    """The text as silence, in a WAV file if that is requested, else as bare samples."""
    samples = bytes(_BYTES_PER_TOKEN * count_tokens(text.text))
    if audio_format == "wav":
        file = io.BytesIO()
        with wave.open(file, "wb") as writer:
            writer.setparams((1, 2, 24_000, 0, "NONE", "not compressed"))
            writer.writeframes(samples)
        samples = file.getvalue()
    return Audio(text.text, base64.b64encode(samples).decode(), pieces=text.pieces, at=text.at)


def _image(seed: str) -> str:
    """A PNG of one pixel, whose colour depends on the seed."""
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixel = zlib.compress(b"\0" + hashlib.blake2b(seed.encode(), digest_size=3).digest())
    chunks = ((b"IHDR", header), (b"IDAT", pixel), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + body).decode()
