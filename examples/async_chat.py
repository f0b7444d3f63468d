"""The same under asyncio: the callback and the listener are coroutines, and a second stream follows the first."""

import asyncio

from tokentape import (
    AsyncStreamedChatMessageIterator,
    ChatMessage,
    PostStreamingResponseEvent,
    post_streaming_response,
)
from tokentape.providers import AnthropicMessages


async def main() -> None:
    """Ask, and let a callback ask on."""
    async with AnthropicMessages("claude-sonnet-4-5") as provider:

        async def ask_on(message: ChatMessage) -> AsyncStreamedChatMessageIterator:
            history = [ChatMessage.user("Name a river."), message, ChatMessage.user("Where is its source?")]
            return (await provider.achat(history, stream=True)).normalized

        async def done(sender: object, event: PostStreamingResponseEvent) -> None:
            print(f"\n[{event.provider} {event.model}: {event.usage.total} tokens]")

        with post_streaming_response.connected_to(done):
            stream = (await provider.achat("Name a river.", stream=True)).normalized
            stream.add_callback(ask_on)
            async for message in stream:
                print(message.text, end="", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
