"""Server tools as output items of `openai_responses`, and the events that lead to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from tokentape_fake_provider.script.ids import HEX, make_id
from tokentape_fake_provider.script.model import ServerTool
from tokentape_fake_provider.wires.deltas import Delta, split_item
from tokentape_fake_provider.wires.wire import ProviderRequest


class ToolEvent(NamedTuple):
    """An event between the beginning and the end of a tool's item: one, or one for each of `deltas`."""

    name: str
    fields: dict[str, Any]
    tokens: int = 0
    at: float | None = None
    deltas: Iterable[Delta] | None = None


def tool_item(tool: ServerTool, index: int, request: ProviderRequest) -> dict[str, Any]:
    """The output item when the tool has ended."""
    prefix = _PREFIXES[tool.kind] if not is_tool_list(tool) else "mcpl"
    item_id = tool.id or f"{prefix}_" + make_id(request.seed, f"item {index}", 50, HEX)
    return {"id": item_id} | _ITEMS[tool.kind](tool, request)


def begun_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """The output item when the tool begins: without its action, its input and its result."""
    empty: dict[str, Any] = {"tools": [], "code": "", "arguments": "", "queries": [], "output": None, "results": None}
    kept = {name: empty.get(name, value) for name, value in item.items() if name not in _LATER}
    if item.get("outputs") is not None:
        kept["outputs"] = []
    return kept | ({"status": "in_progress"} if "status" in item else {})


def tool_events(tool: ServerTool, item: Mapping[str, Any]) -> Iterator[ToolEvent]:
    """The events of the tool; `item` is the one that ends them."""
    kind = f"response.{item['type']}"
    yield ToolEvent(f"{kind}.in_progress", {})
    match tool.kind:
        case "web_search" | "web_fetch" | "file_search":
            yield _whole(tool, f"{kind}.searching")
        case "code_interpreter":
            yield ToolEvent(f"{kind}_code.delta", {}, deltas=split_item(tool))
            yield ToolEvent(f"{kind}_code.done", {"code": tool.input})
            yield ToolEvent(f"{kind}.interpreting", {})
        case "image_generation":
            yield _whole(tool, f"{kind}.generating")
            look = {name: item[name] for name in ("size", "quality", "background", "output_format")}
            for number, image in enumerate(tool.images[:-1]):
                fields = {"partial_image_index": number, "partial_image_b64": image} | look
                yield ToolEvent(f"{kind}.partial_image", fields)
        case "mcp":
            if not is_tool_list(tool):
                yield ToolEvent(f"{kind}_arguments.delta", {}, deltas=split_item(tool))
                yield ToolEvent(f"{kind}_arguments.done", {"arguments": tool.input})
    yield ToolEvent(f"{kind}.failed" if tool.error else f"{kind}.completed", {})


def is_tool_list(tool: ServerTool) -> bool:
    """Whether the item is the list of an MCP server's tools."""
    return tool.kind == "mcp" and not tool.name


def _whole(tool: ServerTool, name: str) -> ToolEvent:
    """One event for all of the input, with its tokens and its last time."""
    deltas = list(split_item(tool))
    return ToolEvent(name, {}, sum(delta.tokens for delta in deltas), deltas[-1].at if deltas else None)


def is_included(request: ProviderRequest, name: str) -> bool:
    """Whether the request's `include` has this name."""
    included = request.body.get("include")
    return isinstance(included, list) and name in included


def _web_search(tool: ServerTool, request: ProviderRequest) -> dict[str, Any]:
    action: dict[str, Any] = {"type": "search", "query": tool.input}
    if tool.kind == "web_fetch":
        action = {"type": "open_page", "url": tool.input}
    elif is_included(request, "web_search_call.action.sources"):
        action["sources"] = [{"type": "url", "url": source.url} for source in tool.sources]
    return {"type": "web_search_call", "status": _status(tool), "action": action}


def _file_search(tool: ServerTool, request: ProviderRequest) -> dict[str, Any]:
    found = [
        {"attributes": {}, "file_id": each.id, "filename": each.title, "score": 0.9, "text": each.text}
        for each in tool.sources
    ]
    results = found if is_included(request, "file_search_call.results") else None
    return {"type": "file_search_call", "status": _status(tool), "queries": [tool.input], "results": results}


def _code_interpreter(tool: ServerTool, request: ProviderRequest) -> dict[str, Any]:
    logs = [{"type": "logs", "logs": tool.output or tool.error}] if tool.output or tool.error else []
    return {
        "type": "code_interpreter_call",
        "status": _status(tool),
        "code": tool.input,
        "container_id": "cntr_" + make_id(request.seed, "container", 48, HEX),
        "outputs": logs if is_included(request, "code_interpreter_call.outputs") else None,
    }


def _image_generation(tool: ServerTool, request: ProviderRequest) -> dict[str, Any]:
    tools = request.body.get("tools")
    offered = (
        next((each for each in tools if isinstance(each, Mapping) and each.get("type") == "image_generation"), {})
        if isinstance(tools, list)
        else {}
    )

    def chosen(name: str, default: str) -> Any:
        value = offered.get(name)
        return default if value in (None, "auto") else value

    return {
        "type": "image_generation_call",
        "status": _status(tool),
        "background": chosen("background", "opaque"),
        "output_format": chosen("output_format", "png"),
        "quality": chosen("quality", "medium"),
        "result": tool.images[-1] if tool.images else None,
        "revised_prompt": tool.input,
        "size": chosen("size", "1024x1024"),
    }


def _mcp(tool: ServerTool, _request: ProviderRequest) -> dict[str, Any]:
    if is_tool_list(tool):
        schema = {"type": "object", "properties": {}, "additionalProperties": True}
        tools = [
            {"annotations": {"read_only": False}, "description": each.text, "input_schema": schema, "name": each.title}
            for each in tool.sources
        ]
        return {"type": "mcp_list_tools", "server_label": tool.server, "tools": tools}
    return {
        "type": "mcp_call",
        "status": _status(tool),
        "approval_request_id": None,
        "arguments": tool.input,
        "error": tool.error or None,
        "name": tool.name,
        "output": None if tool.error else tool.output,
        "server_label": tool.server,
    }


def _status(tool: ServerTool) -> str:
    return "failed" if tool.error else "completed"


_ITEMS: Mapping[str, Callable[[ServerTool, ProviderRequest], dict[str, Any]]] = {
    "web_search": _web_search,
    "web_fetch": _web_search,
    "file_search": _file_search,
    "code_interpreter": _code_interpreter,
    "image_generation": _image_generation,
    "mcp": _mcp,
}
_PREFIXES = {
    "web_search": "ws",
    "web_fetch": "ws",
    "file_search": "fs",
    "code_interpreter": "ci",
    "image_generation": "ig",
    "mcp": "mcp",
}
_LATER = ("action", "result", "revised_prompt", "background", "output_format", "quality", "size")
"""The fields of an item that it does not begin with."""
