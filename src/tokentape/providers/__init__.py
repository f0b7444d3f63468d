"""Clients for providers, which all return the same iterator."""

from tokentape.providers.anthropic_messages import AnthropicMessages
from tokentape.providers.base import CLIENT_DEFAULT, ChatProvider
from tokentape.providers.bedrock import BedrockConverse, BedrockInvoke
from tokentape.providers.cohere_chat import CohereChat
from tokentape.providers.gemini import Gemini
from tokentape.providers.gemini_interactions import GeminiInteractions
from tokentape.providers.ollama import Ollama
from tokentape.providers.openai_chat import OpenAIChat
from tokentape.providers.openai_completions import OpenAICompletions
from tokentape.providers.openai_responses import OpenAIResponses
from tokentape.providers.response import StreamedChatResponse
from tokentape.providers.tool import Tool

__all__ = [
    "CLIENT_DEFAULT",
    "AnthropicMessages",
    "BedrockConverse",
    "BedrockInvoke",
    "ChatProvider",
    "CohereChat",
    "Gemini",
    "GeminiInteractions",
    "Ollama",
    "OpenAIChat",
    "OpenAICompletions",
    "OpenAIResponses",
    "StreamedChatResponse",
    "Tool",
]
