"""One module for each dress of `openai_chat`, with a `DRESS`."""
