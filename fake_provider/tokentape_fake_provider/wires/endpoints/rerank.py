"""Rerank: Cohere's, versions 2 and 1, and the shape that others copied from it (Jina, Voyage, vLLM, LiteLLM).

docs.cohere.com/reference/rerank, docs.voyageai.com/reference/reranker-api, jina.ai/reranker. The path of Cohere's
first version is that of the others too: there the model's name and the fields show whose answer is expected.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tokentape_fake_provider.errors import ScriptError
from tokentape_fake_provider.script.results import Ranking
from tokentape_fake_provider.wires.cohere_chat import CohereChat
from tokentape_fake_provider.wires.endpoints.cohere_values import (
    cohere_id,
    cohere_meta,
    cohere_reply,
    expect,
    invalid,
    refuse_unknown,
)
from tokentape_fake_provider.wires.endpoints.endpoint import Endpoint, Format, Read
from tokentape_fake_provider.wires.endpoints.openai_values import openai_reply
from tokentape_fake_provider.wires.openai_chat import OpenAIChat
from tokentape_fake_provider.wires.reading.fields import first, json_text, strings, whole
from tokentape_fake_provider.wires.tasks import Rerank
from tokentape_fake_provider.wires.wire import ProviderRequest

_V2: Final = "/v2/rerank"
# Those of the first version are taken by the second too, which LiteLLM relies on.
_FIELDS: Final = (
    *("model", "query", "documents", "top_n", "max_tokens_per_doc", "priority"),
    *("rank_fields", "return_documents", "max_chunks_per_doc"),
)
_MOST_DOCUMENTS: Final = 10_000
_SEARCH_UNIT: Final = 100
"""The documents that one unit of search covers."""
_COHERE: Final = re.compile(r"rerank-(v\d|english|multilingual|english-v)")
_VOYAGE: Final = re.compile(r"rerank-(lite-)?\d")


def read_rerank(body: Mapping[str, Any]) -> Rerank:
    """The query and the texts of the documents. Raises `BadRequestError`."""
    query, documents = body.get("query"), body.get("documents")
    if query is None:
        raise invalid("query is required")
    expect("query", query, str, "a string")
    if documents is None:
        raise invalid("list of documents must not be empty")
    expect("documents", documents, list, "an array")
    fields = strings(body.get("rank_fields"))
    return Rerank(query, tuple(_text(document, fields) for document in documents))


def _text(document: Any, fields: tuple[str, ...]) -> str:
    """The text of a document: that of its fields, or all of it."""
    if isinstance(document, str):
        return document
    if not isinstance(document, Mapping):
        raise invalid("documents must be strings or objects")
    chosen = [document[name] for name in fields or ("text",) if isinstance(document.get(name), str)]
    return "\n".join(chosen) or json_text(document)


def check_rerank(request: ProviderRequest) -> None:
    """Raise `BadRequestError` for what all refuse."""
    task, most = request.task, first(request.body, "top_n", "top_k")
    assert isinstance(task, Rerank)
    if not task.query:
        raise invalid("query must not be empty")
    if not task.documents:
        raise invalid("list of documents must not be empty")
    if len(task.documents) > _MOST_DOCUMENTS:
        raise invalid(f"too many documents: at most {_MOST_DOCUMENTS}, received {len(task.documents)}")
    if most is not None and (whole(most) is None or int(most) < 1):
        raise invalid(f"top_n must be greater than 0, not {most!r}")


def ranked(result: Ranking, request: ProviderRequest) -> list[tuple[int, float]]:
    """The documents' numbers and scores, the best first, as many as requested. Raises `ScriptError`."""
    assert isinstance(request.task, Rerank)
    if len(result.scores) != len(request.task.documents):
        raise ScriptError(
            f"the script has {len(result.scores)} scores for {len(request.task.documents)} documents: give one for each"
        )
    order = sorted(enumerate(result.scores), key=lambda each: -each[1])
    return order[: whole(first(request.body, "top_n", "top_k"))]


def _read(_path: str, body: Mapping[str, Any]) -> Read:
    model = body.get("model")
    if model is None or model == "":
        raise invalid("model is required")
    expect("model", model, str, "a string")
    return Read(read_rerank(body), model)


def _check_cohere(request: ProviderRequest) -> None:
    refuse_unknown(request.body, _FIELDS)
    check_rerank(request)


def _check_any(request: ProviderRequest) -> None:
    if _is_cohere(request):
        refuse_unknown(request.body, _FIELDS)
    check_rerank(request)


def _is_cohere(request: ProviderRequest) -> bool:
    return _COHERE.match(request.model) is not None and "top_k" not in request.body


def _documents(request: ProviderRequest) -> Iterator[Mapping[str, Any]]:
    for document in request.body["documents"]:
        yield {"text": document} if isinstance(document, str) else document


def _results(result: Ranking, request: ProviderRequest, *, documents: bool) -> list[dict[str, Any]]:
    found = list(_documents(request)) if documents else []
    return [
        {"index": index, **({"document": found[index]} if documents else {}), "relevance_score": score}
        for index, score in ranked(result, request)
    ]


def _write_cohere(result: Ranking, request: ProviderRequest, tokens: int | None) -> Any:
    second = request.path.endswith(_V2)
    shown = request.body.get("return_documents") is True
    units = -(-len(request.body["documents"]) // _SEARCH_UNIT)
    meta = cohere_meta("2" if second else "1", {} if tokens is None else {"search_units": units})
    return {"id": cohere_id(request, "rerank"), "results": _results(result, request, documents=shown), "meta": meta}


def _write_any(result: Ranking, request: ProviderRequest, tokens: int | None) -> Any:
    if _is_cohere(request):
        return _write_cohere(result, request, tokens)
    usage = {} if tokens is None else {"usage": {"total_tokens": tokens}}
    shown = request.body.get("return_documents")
    if _VOYAGE.match(request.model) or "top_k" in request.body:
        data = _results(result, request, documents=False)
        if shown:
            texts = [document.get("text", "") for document in _documents(request)]
            data = [{**each, "document": texts[each["index"]]} for each in data]
        return {"object": "list", "data": data, "model": request.model, **usage}
    head = {"id": "rerank-" + cohere_id(request, "rerank").replace("-", ""), "model": request.model, **usage}
    return {**head, "results": _results(result, request, documents=shown is not False)}


def _reply_any(body: Any, request: ProviderRequest) -> Any:
    return cohere_reply(body, request) if _is_cohere(request) else openai_reply(body, request)


ENDPOINTS: Final = (
    Endpoint(
        "cohere_rerank",
        "rerank",
        CohereChat(),
        (_V2,),
        Format(_read, _check_cohere, _write_cohere, cohere_reply),
        usage=(("meta", "billed_units"),),
    ),
    Endpoint(
        "rerank",
        "rerank",
        OpenAIChat(),
        ("/v1/rerank", "/rerank", "{_base*}/rerank"),
        Format(_read, _check_any, _write_any, _reply_any),
        usage=(("usage",), ("meta", "billed_units")),
        others=("cohere's version 1", "jina", "voyage", "vllm", "litellm"),
    ),
)
