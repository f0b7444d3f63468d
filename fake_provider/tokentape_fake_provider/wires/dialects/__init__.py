"""One module for each dialect of `openai_chat`, with a `DIALECT`."""
