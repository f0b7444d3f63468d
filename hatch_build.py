"""Metadata of the packages: the README, whose links lead to the repository, as a package index has no other files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


def absolute_links(markdown: str, source: str) -> str:
    """The text with its relative links and pictures leading to the repository at the address `source`."""
    return re.sub(
        r"(!\[[^\]]*\]\(|\]\()(?![a-z]+:|#)([^)]+)\)",
        lambda link: f"{link[1]}{source}/{'raw' if link[1].startswith('!') else 'blob'}/main/{link[2]})",
        markdown,
    )


class ReadmeHook(MetadataHookInterface):
    """Sets `readme`, from README.md and the address in `project.urls`."""

    def update(self, metadata: dict[str, Any]) -> None:
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        text = absolute_links(text, metadata["urls"]["Source"])
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
