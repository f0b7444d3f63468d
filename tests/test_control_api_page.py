"""The JSON that docs/control-api.md shows is accepted, and the error is the one that a mistake gets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2

from tests.pages import code_blocks, page_text
from tokentape_harness import FakeProvider

PAGE = page_text("docs/control-api.md")


def documents(block: str) -> Iterator[Any]:
    """The JSON documents of a block."""
    while block := block.strip():
        found, end = json.JSONDecoder().raw_decode(block)
        yield found
        block = block[end:]


def test_each_document_of_the_page(fake_provider: FakeProvider) -> None:
    """Scripts and tapes can be queued, rules added, and the error is that of an unknown field."""
    root = f"{fake_provider.url.partition('/s/')[0]}/_tokentape/sessions"
    session = f"{root}/{fake_provider.session.id}"
    error = None
    for document in (one for block in code_blocks(PAGE, "json") for one in documents(block)):
        if "choices" in document or "frames" in document:
            item = {"script" if "choices" in document else "tape": document}
            assert httpx2.post(f"{session}/queue", json={"items": [item]}).is_success
        elif "scripts" in document:
            assert httpx2.post(f"{session}/rules", json=document).is_success
        else:
            error = document
    assert (len(fake_provider.session.queue), len(fake_provider.session.rules)) == (2, 5)
    httpx2.post(f"{root}", json={"id": "t1"})
    refused = httpx2.post(f"{root}/t1/queue", json={"items": [{"script": {"choice": []}}]})
    assert refused.json() == error
    fake_provider.session.clear()
