"""Read a stream, and know what it cost. Any server that speaks the format will do: OPENAI_BASE_URL says where."""

from tokentape.providers import OpenAIChat


def main() -> None:
    """Print the answer as it arrives, then how it ended."""
    with OpenAIChat("gpt-4o-mini") as provider:
        stream = provider.chat("Tell me about the sea.", stream=True).normalized
        for message in stream:
            print(message.text, end="", flush=True)
    output = stream.get_chat_output()
    print(f"\n{output.finish_reason}: {output.usage.input} tokens in, {output.usage.output} out")


if __name__ == "__main__":
    main()
