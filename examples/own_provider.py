"""A provider of one's own returns the same iterator: any iterable of chunks is a source."""

from collections.abc import Iterator

from tokentape import ChatMessage, StreamContext, StreamedChatMessageIterator, TokenUsage


def echo(prompt: str) -> StreamedChatMessageIterator:
    """Say the prompt again, a word at a time."""

    def chunks() -> Iterator[ChatMessage]:
        words = prompt.split(" ")
        for word in words:
            yield ChatMessage(word + " ")
        usage = TokenUsage(input=len(words), output=len(words))
        yield ChatMessage(finish_reason="stop", usage=usage)

    return StreamedChatMessageIterator(chunks(), context=StreamContext(provider="echo", model="echo-1"))


def main() -> None:
    """The promises come with the iterator: output, usage, callbacks, the event, closing."""
    stream = echo("Hello from my own provider")
    stream.add_callback(lambda message: print(f"\n[complete: {message.text!r}]"))
    for message in stream:
        print(message.text, end="", flush=True)
    print(stream.status, stream.usage.total)


if __name__ == "__main__":
    main()
