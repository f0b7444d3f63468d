"""LitServe: an API that predicts a stream."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import litserve as ls
from openai_tokens import tokens


class Chat(ls.LitAPI):
    """As LitServe's documentation has it."""

    def setup(self, device: str) -> None:
        """There is no model to load."""

    def decode_request(self, request):  # type: ignore[no-untyped-def]  # LitServe reads the annotations
        """The request as it is."""
        return request

    def predict(self, request: Any) -> Iterator[str]:
        """The tokens."""
        yield from tokens()

    def encode_response(self, output: Iterator[str]) -> Iterator[Any]:
        """Each as JSON."""
        for token in output:
            yield {"text": token}


if __name__ == "__main__":
    server = ls.LitServer(Chat(stream=True, api_path="/chat"), accelerator="cpu", workers_per_device=4, timeout=60)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, num_api_servers=1)
