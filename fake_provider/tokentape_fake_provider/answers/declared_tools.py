"""Checks that a script calls only tools that the request declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tokentape_fake_provider.script.model import Script, ToolCall
from tokentape_fake_provider.wires.reading.tools import read_tools

# Tools of these kinds bring others, which the request does not list.
_OPEN: Final = frozenset(("mcp", "tool_search"))


def undeclared_calls(script: Script, body: Mapping[str, Any]) -> str:
    """A warning that names the calls of tools which the request does not declare; empty if there are none."""
    called = [item.name for choice in script.choices for item in choice.items if isinstance(item, ToolCall)]
    if not called:
        return ""
    tools = read_tools(body)
    if any(tool.kind in _OPEN for tool in tools):
        return ""
    declared = [tool.name for tool in tools]
    known = {*declared, *(tool.kind for tool in tools), *(tool.definition.get("type") for tool in tools)}
    unknown = list(dict.fromkeys(name for name in called if name not in known))
    if not unknown:
        return ""
    what = f"{_listed(unknown)}, a tool" if len(unknown) == 1 else f"{_listed(unknown)}, tools"
    return f"The script calls {what} that the request does not declare: it declares {_listed(declared) or 'no tools'}."


def _listed(names: list[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
