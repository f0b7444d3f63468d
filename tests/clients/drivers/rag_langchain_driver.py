"""LangChain: files are split, embedded and kept in memory; what is found goes to Claude as documents that it cites."""

from pathlib import Path

from jobs import KEY, below, serve
from langchain_anthropic import ChatAnthropic
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langchain_text_splitters import RecursiveCharacterTextSplitter
from rag_jobs import cited


def found(job):
    """The passages that are nearest to the question."""
    loaded = [Document(file.read_text(), metadata={"source": file.name}) for file in sorted(Path(job.folder).iterdir())]
    pieces = RecursiveCharacterTextSplitter(chunk_size=500, chunk_overlap=50).split_documents(loaded)
    # By default it counts tokens with a vocabulary that tiktoken downloads.
    embeddings = OpenAIEmbeddings(
        model="text-embedding-3-small", base_url=below(job.root, "/v1"), api_key=KEY, check_embedding_ctx_length=False
    )
    store = InMemoryVectorStore(embeddings)
    store.add_documents(pieces)
    return store.as_retriever(search_kwargs={"k": job.top}).invoke(job.question)


def answer_from_prompt(job):
    """OpenAI's chat: the sources stand in the prompt, and the answer names their numbers."""
    sources = found(job)
    listed = "\n\n".join(f"[{number}] {source.page_content}" for number, source in enumerate(sources, 1))
    model = ChatOpenAI(model="gpt-5.2", base_url=below(job.root, "/v1"), api_key=KEY, use_responses_api=False)
    messages = [("system", f"Answer from these sources, and name their numbers:\n\n{listed}"), ("user", job.question)]
    pieces = [chunk.text for chunk in model.stream(messages) if chunk.text]
    names = [source.metadata["source"] for source in sources]
    return {"text": "".join(pieces), "pieces": len(pieces), "found": names, "cited": cited("".join(pieces), names)}


def answer_with_citations(job):
    """Claude's own citations of the documents that it got."""
    sources = found(job)
    documents = [
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": source.page_content},
            "title": source.metadata["source"],
            "citations": {"enabled": True},
        }
        for source in sources
    ]
    model = ChatAnthropic(model="claude-sonnet-5", base_url=job.root, api_key=KEY)
    message, pieces = None, 0
    for chunk in model.stream([("user", [*documents, {"type": "text", "text": job.question}])]):
        message = chunk if message is None else message + chunk
        pieces += bool(chunk.text)
    blocks = message.content if isinstance(message.content, list) else []
    citations = [citation for block in blocks for citation in block.get("citations") or ()]
    titles = {citation["document_title"] for citation in citations}
    names = [source.metadata["source"] for source in sources]
    return {"text": message.text, "pieces": pieces, "found": names, "cited": sorted(titles)}


serve({"openai_chat": answer_from_prompt, "anthropic_messages": answer_with_citations})
