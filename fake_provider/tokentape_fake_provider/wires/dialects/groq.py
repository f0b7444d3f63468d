"""Groq: tool calls whole, `reasoning`, `x_groq` in the first and last chunk, usage beside the last choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tokentape_fake_provider.script.ids import make_id, make_uuid
from tokentape_fake_provider.script.model import ServerTool
from tokentape_fake_provider.script.usage import Counts
from tokentape_fake_provider.wires.dialect import Dialect, Object, Place
from tokentape_fake_provider.wires.dialects.common import LOWER, details, rename
from tokentape_fake_provider.wires.wire import ProviderRequest

_TOOLS: Mapping[str, tuple[str, str]] = {
    "web_search": ("search", "query"),
    "web_fetch": ("visit", "url"),
    "code_interpreter": ("python", "code"),
}
"""The types of its compound systems' tools, and the name of their argument."""


def _id(seed: str) -> str:
    return "req_01" + make_id(seed, "request", 24, LOWER)


def _usage(counts: Counts, _request: ProviderRequest) -> Object:
    prompt, completion = counts.input / 20_000, counts.output / 500
    return {
        "queue_time": 0.02,
        "prompt_tokens": counts.input,
        "prompt_time": prompt,
        "completion_tokens": counts.output,
        "completion_time": completion,
        "total_tokens": counts.total,
        "total_time": prompt + completion,
        **details(counts),
    }


def _part(message: Object, request: ProviderRequest) -> None:
    rename(message, "reasoning_content", "reasoning")
    message.pop("annotations", None)
    if "reasoning" in message and "gpt-oss" in request.model and "role" not in message:
        message["channel"] = "analysis"


def _server_tool(tool: ServerTool, number: int) -> Sequence[Object]:
    """The tool when it begins, and with its output."""
    kind = _TOOLS.get(tool.kind)
    if kind is None:
        return ()
    name, argument = kind
    arguments = msgspec.json.encode({argument: tool.input}).decode()
    begun: Object = {"index": number, "type": name, "arguments": arguments}
    found = [{"title": each.title, "url": each.url, "content": each.text, "score": 1.0} for each in tool.sources]
    searches = {"search_results": {"results": found}} if tool.kind == "web_search" else {}
    pages = "\n".join(f"Title: {each.title}\nURL: {each.url}\nContent: {each.text}\n" for each in tool.sources)
    ended = begun | {"output": tool.output or tool.error or pages} | searches
    if tool.kind == "web_search":
        begun["search_results"] = {"results": []}
    return ({"executed_tools": [begun]}, {"executed_tools": [ended]})


def _chunk(chunk: Object, request: ProviderRequest, place: Place) -> None:
    if chunk["object"] == "chat.completion":
        chunk["service_tier"] = "on_demand"
    else:
        chunk.pop("service_tier", None)
    own: Object = {"id": _id(request.seed)}
    if place.usage is not None:
        own["usage"] = place.usage
    if place.first or place.usage is not None:
        chunk["x_groq"] = own


DIALECT = Dialect(
    "groq",
    _usage,
    frozenset({"last", "requested"}),
    completion_id=lambda request: "chatcmpl-" + make_uuid(request.seed, "completion"),
    call_id=lambda seed: make_id(seed, "call", 9, LOWER),
    part=_part,
    server_tool=_server_tool,
    chunk=_chunk,
    own={"choices": [], "service_tier": "on_demand"},
    whole_calls=True,
    headers=lambda seed: (("x-groq-region", "dls"), ("x-request-id", _id(seed))),
)
