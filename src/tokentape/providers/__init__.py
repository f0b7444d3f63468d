"""Clients for providers: each returns the same iterator."""

from tokentape.providers.anthropic_messages import AnthropicMessages
from tokentape.providers.openai_chat import OpenAIChat
from tokentape.providers.response import StreamedChatResponse
from tokentape.providers.tool import Tool

__all__ = ["AnthropicMessages", "OpenAIChat", "StreamedChatResponse", "Tool"]
