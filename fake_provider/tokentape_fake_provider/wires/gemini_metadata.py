"""What a candidate of `gemini` has beside its content: log probabilities, and where its text is from."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any

from tokentape_fake_provider.script.model import Item, ServerTool, Text
from tokentape_fake_provider.wires.citations import placed_citations
from tokentape_fake_provider.wires.logprobs import Logprobs, logprobs_seed
from tokentape_fake_provider.wires.reading.fields import either
from tokentape_fake_provider.wires.wire import ProviderRequest


class CandidateLogprobs:
    """The log probabilities of a candidate's text."""

    def __init__(self, seed: str, top: int) -> None:
        self._source = Logprobs(seed, top)
        self._top = top
        self._sum = 0.0
        self._count = 0

    @classmethod
    def requested(cls, request: ProviderRequest, index: int) -> CandidateLogprobs | None:
        """Those of the candidate with this index; `None` if they are not requested."""
        config = either(request.body, "generationConfig")
        if either(config, "responseLogprobs") is not True:
            return None
        top = config.get("logprobs")
        return cls(logprobs_seed(request, index), top if isinstance(top, int) and not isinstance(top, bool) else 0)

    def of(self, text: str) -> dict[str, Any]:
        """The field of the part with this text."""
        tokens = self._source.of(text)
        self._sum += sum(token.logprob for token in tokens)
        self._count += len(tokens)
        result: dict[str, Any] = {}
        if self._top > 0:
            result["topCandidates"] = [{"candidates": [_candidate(*other) for other in token.top]} for token in tokens]
        result["chosenCandidates"] = [_candidate(token.token, token.logprob) for token in tokens]
        return {"logprobsResult": result}

    def average(self) -> dict[str, Any]:
        """The average of all, which stands at the end."""
        return {"avgLogprobs": self._sum / self._count} if self._count else {}


def _candidate(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "tokenId": zlib.crc32(token.encode()) % 256_000, "logProbability": logprob}


def source_metadata(items: Iterable[Item]) -> dict[str, Any]:
    """`groundingMetadata` of searches and citations, and `urlContextMetadata` of pages that were read.

    The parts of the text are measured in bytes of UTF-8.
    """
    items = tuple(items)
    tools = [item for item in items if isinstance(item, ServerTool)]
    text = "".join(item.text for item in items if isinstance(item, Text))
    chunks: list[dict[str, Any]] = []
    supports: list[dict[str, Any]] = []
    for placed in placed_citations(items):
        cited = placed.citation
        chunk = _chunk(cited.url, cited.title, cited.quote)
        if chunk not in chunks:
            chunks.append(chunk)
        start = len(text[: placed.start].encode())
        segment = ({"startIndex": start} if start else {}) | {
            "endIndex": len(text[: placed.end].encode()),
            "text": placed.text,
        }
        if supports and supports[-1]["segment"] == segment:
            supports[-1]["groundingChunkIndices"].append(chunks.index(chunk))
        else:
            supports.append({"segment": segment, "groundingChunkIndices": [chunks.index(chunk)]})
    grounding: dict[str, Any] = {}
    queries = [tool.input for tool in tools if tool.kind == "web_search"]
    if queries:
        grounding["searchEntryPoint"] = {"renderedContent": '<div class="container"></div>'}
    if chunks:
        grounding |= {"groundingChunks": chunks, "groundingSupports": supports}
    if queries:
        grounding["webSearchQueries"] = queries
    pages = [
        {
            "retrievedUrl": tool.input,
            "urlRetrievalStatus": f"URL_RETRIEVAL_STATUS_{'ERROR' if tool.error else 'SUCCESS'}",
        }
        for tool in tools
        if tool.kind == "web_fetch"
    ]
    return ({"groundingMetadata": grounding} if grounding else {}) | (
        {"urlContextMetadata": {"urlMetadata": pages}} if pages else {}
    )


def _chunk(url: str, title: str, quote: str) -> dict[str, Any]:
    if url:
        return {"web": {"uri": url, "title": title}}
    return {"retrievedContext": ({"title": title} if title else {}) | {"text": quote}}
