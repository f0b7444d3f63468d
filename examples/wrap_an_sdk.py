"""Keep the official SDK, and read its stream through the iterator."""

import openai

from tokentape import wrap


def main() -> None:
    """The SDK makes the request, the iterator reads the response's own bytes."""
    with openai.OpenAI() as client:
        stream = wrap(
            client.chat.completions.create(
                model="gpt-4o-mini",
                messages=[{"role": "user", "content": "Tell me about the sea."}],
                stream=True,
                stream_options={"include_usage": True},
            )
        )
        for message in stream:
            print(message.text, end="", flush=True)
        print(f"\n{stream.finish_reason}: {stream.usage.total} tokens")


if __name__ == "__main__":
    main()
