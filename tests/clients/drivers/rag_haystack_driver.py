"""Haystack: one pipeline fills the store in memory, another retrieves, streams the answer and finds what it cites."""

from pathlib import Path

from haystack import Pipeline
from haystack.components.builders import AnswerBuilder, ChatPromptBuilder
from haystack.components.converters import TextFileToDocument
from haystack.components.embedders import OpenAIDocumentEmbedder, OpenAITextEmbedder
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.components.writers import DocumentWriter
from haystack.dataclasses import ChatMessage
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.utils import Secret
from jobs import KEY, below, serve

TEMPLATE = """Answer from these sources, and name their numbers:
{% for document in documents %}
[{{ loop.index }}] {{ document.content }}
{% endfor %}
{{ question }}"""


def answer(job):
    """The streamed answer, its pieces, and the files that it cites."""
    access = {"api_base_url": below(job.root, "/v1"), "api_key": Secret.from_token(KEY)}
    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    ingest = Pipeline()
    ingest.add_component("read", TextFileToDocument())
    ingest.add_component("split", DocumentSplitter(split_by="word", split_length=100))
    ingest.add_component("embed", OpenAIDocumentEmbedder(model="text-embedding-3-small", progress_bar=False, **access))
    ingest.add_component("write", DocumentWriter(store))
    ingest.connect("read", "split")
    ingest.connect("split", "embed")
    ingest.connect("embed", "write")
    ingest.run({"read": {"sources": sorted(Path(job.folder).iterdir())}})

    pieces = []
    ask = Pipeline()
    ask.add_component("embed", OpenAITextEmbedder(model="text-embedding-3-small", **access))
    ask.add_component("retrieve", InMemoryEmbeddingRetriever(store, top_k=job.top))
    prompt = ChatPromptBuilder([ChatMessage.from_user(TEMPLATE)], required_variables="*")
    ask.add_component("prompt", prompt)
    ask.add_component("generate", OpenAIChatGenerator(model="gpt-5.2", streaming_callback=pieces.append, **access))
    ask.add_component("cite", AnswerBuilder(reference_pattern=r"\[(\d+)\]"))
    ask.connect("embed.embedding", "retrieve.query_embedding")
    ask.connect("retrieve", "prompt.documents")
    ask.connect("prompt", "generate")
    ask.connect("generate.replies", "cite.replies")
    ask.connect("retrieve", "cite.documents")
    question = {"embed": {"text": job.question}, "prompt": {"question": job.question}, "cite": {"query": job.question}}
    result = ask.run(question, include_outputs_from={"retrieve"})
    (found,) = result["cite"]["answers"]
    return {
        "text": found.data,
        "pieces": sum(bool(piece.content) for piece in pieces),
        "found": [Path(each.meta["file_path"]).name for each in result["retrieve"]["documents"]],
        "cited": sorted(
            {Path(each.meta["file_path"]).name for each in found.documents if each.meta.get("referenced", True)}
        ),
    }


serve({"openai_chat": answer})
