from tokentape.providers import OpenAIChat

with OpenAIChat("gpt-4o-mini") as provider:
    for message in provider.chat("Hi", stream=True).normalized:
        print(message.text, end="", flush=True)
