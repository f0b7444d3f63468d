"""The RAG apps that run against the fake provider, each by its environment, driver and wire format of the chat."""

from __future__ import annotations

from typing import Final, NamedTuple


class RagApp(NamedTuple):
    """An app: what it is built of stands in its driver. `scripted` is whether a script gives the cited answer."""

    package: str
    environment: str
    driver: str
    wire: str
    scripted: bool = True


RAG_APPS: Final = (
    RagApp("llama-index-core", "llama_index", "rag_llama_index_driver", "openai_chat"),
    RagApp("langchain", "langgraph", "rag_langchain_driver", "openai_chat"),
    RagApp("langchain", "langgraph", "rag_langchain_driver", "anthropic_messages", scripted=False),
    RagApp("haystack-ai", "haystack", "rag_haystack_driver", "openai_chat"),
)
