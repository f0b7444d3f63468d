"""The content blocks of `anthropic_messages` that an item of a script becomes: cited text, server tools."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias

import msgspec

from tokentape_fake_provider.script.ids import BASE58, BASE62, make_id
from tokentape_fake_provider.script.model import (
    Audio,
    Citation,
    Item,
    Reasoning,
    Refusal,
    ServerTool,
    Text,
    ToolCall,
)
from tokentape_fake_provider.wires.citations import cited_runs
from tokentape_fake_provider.wires.deltas import Delta, input_deltas
from tokentape_fake_provider.wires.wire import ProviderRequest

# Recorded deltas carry one to half a dozen tokens, the first of a block mostly one.
TOKENS_PER_DELTA = (1, 3, 2, 4, 1, 5, 2, 3)
_NAMES = {"web_search": "query", "web_fetch": "url", "code_interpreter": "code"}
"""The field that is the input of each of the provider's tools."""


class ToolUse(NamedTuple):
    """A call of a server tool: its block, and the tool whose input it streams."""

    block: dict[str, Any]
    tool: ServerTool

    def deltas(self) -> Iterator[Delta]:
        """The input as JSON, in the pieces of the script's input."""
        return input_deltas(self.tool, _NAMES.get(self.tool.kind, ""), TOKENS_PER_DELTA)


class ToolOutcome(NamedTuple):
    """The block of a server tool's result, which comes whole."""

    block: dict[str, Any]


ContentBlock: TypeAlias = Text | Refusal | Reasoning | ToolCall | ToolUse | ToolOutcome


def blocks_of(items: Iterable[Item], request: ProviderRequest) -> list[ContentBlock]:
    """The content blocks of a script's items."""
    blocks: list[ContentBlock] = []
    for number, item in enumerate(items):
        match item:
            case Text():
                blocks += cited_runs(item, TOKENS_PER_DELTA)
            case Audio():
                blocks.append(Text(item.transcript, item.pieces, item.at))
            case ServerTool():
                blocks += _tool_blocks(item, number, request)
            case _:
                blocks.append(item)
    return blocks


def citation_object(citation: Citation, request: ProviderRequest) -> dict[str, Any]:
    """A citation of a whole text block."""
    if citation.url:
        index = make_id(request.seed, f"encrypted index {citation.url}", 160, BASE62)
        return {
            "type": "web_search_result_location",
            "cited_text": citation.quote,
            "url": citation.url,
            "title": citation.title,
            "encrypted_index": f"E{index}==",
        }
    return {
        "type": "char_location",
        "cited_text": citation.quote,
        "document_index": citation.document or 0,
        "document_title": citation.title or None,
        "start_char_index": citation.quote_start,
        "end_char_index": citation.quote_start + len(citation.quote),
    }


def server_tool_usage(items: Iterable[Item]) -> dict[str, Any]:
    """The field of usage that counts the requests of server tools; nothing without one."""
    kinds = [item.kind for item in items if isinstance(item, ServerTool)]
    if not kinds:
        return {}
    counts = {"web_search_requests": kinds.count("web_search"), "web_fetch_requests": kinds.count("web_fetch")}
    return {"server_tool_use": counts}


def _tool_blocks(tool: ServerTool, number: int, request: ProviderRequest) -> Iterator[ContentBlock]:
    mcp = tool.kind == "mcp"
    if tool.kind in ("file_search", "image_generation") or (mcp and not tool.name):
        return
    prefix = "mcptoolu_01" if mcp else "srvtoolu_01"
    tool_id = tool.id or prefix + make_id(request.seed, f"tool {number}", 22, BASE58)
    name = "code_execution" if tool.kind == "code_interpreter" else tool.kind
    use: dict[str, Any] = {"type": "server_tool_use", "id": tool_id, "name": name, "input": _input(tool)}
    if mcp:
        use |= {"type": "mcp_tool_use", "name": tool.name, "server_name": tool.server}
    yield ToolUse(use, tool)
    kind = "mcp_tool_result" if mcp else f"{name}_tool_result"
    head = {"type": kind, "tool_use_id": tool_id}
    if mcp:
        output = [{"type": "text", "text": tool.error or tool.output}]
        yield ToolOutcome(head | {"is_error": bool(tool.error), "content": output})
    elif tool.error and tool.kind != "code_interpreter":
        failed = {"type": f"{kind}_error", "error_code": tool.error}
        yield ToolOutcome(head | {"content": failed})
    else:
        yield ToolOutcome(head | {"content": _result(tool, request)})


def _input(tool: ServerTool) -> Any:
    if (name := _NAMES.get(tool.kind)) is not None:
        return {name: tool.input}
    try:
        return msgspec.json.decode(tool.input or "{}")
    except msgspec.DecodeError:
        return tool.input


def _result(tool: ServerTool, request: ProviderRequest) -> Any:
    match tool.kind:
        case "web_search":
            return [
                {
                    "type": "web_search_result",
                    "title": source.title,
                    "url": source.url,
                    "encrypted_content": f"E{make_id(request.seed, f'content {source.url}', 240, BASE62)}==",
                    "page_age": None,
                }
                for source in tool.sources
            ]
        case "web_fetch":
            source = {"type": "text", "media_type": "text/plain", "data": tool.output}
            document: dict[str, Any] = {"type": "document", "source": source}
            if tool.sources and tool.sources[0].title:
                document["title"] = tool.sources[0].title
            return {
                "type": "web_fetch_result",
                "url": tool.input,
                "retrieved_at": datetime.fromtimestamp(request.created, UTC).isoformat(),
                "content": document,
            }
        case _:
            return {
                "type": "code_execution_result",
                "stdout": tool.output,
                "stderr": tool.error,
                "return_code": int(bool(tool.error)),
                "content": [],
            }
