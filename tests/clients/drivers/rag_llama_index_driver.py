"""llama-index: files are read, embedded and kept in memory; a query engine streams an answer that cites its sources."""

from jobs import KEY, below, serve
from llama_index.core import SimpleDirectoryReader, VectorStoreIndex
from llama_index.core.query_engine import CitationQueryEngine
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai_like import OpenAILike
from rag_jobs import cited


def answer(job):
    """The streamed answer, its pieces, and the files that it cites."""
    url = below(job.root, "/v1")
    files = SimpleDirectoryReader(job.folder).load_data()
    index = VectorStoreIndex.from_documents(
        files, embed_model=OpenAIEmbedding(model="text-embedding-3-small", api_base=url, api_key=KEY)
    )
    model = OpenAILike(model="gpt-5.2", api_base=url, api_key=KEY, is_chat_model=True)
    engine = CitationQueryEngine.from_args(index, llm=model, similarity_top_k=job.top, streaming=True)
    response = engine.query(job.question)
    pieces = list(response.response_gen)
    sources = [source.node.metadata["file_name"] for source in response.source_nodes]
    return {"text": "".join(pieces), "pieces": len(pieces), "found": sources, "cited": cited("".join(pieces), sources)}


serve({"openai_chat": answer})
