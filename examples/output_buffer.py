"""Capture what is printed while tokens stream, and flush it when a message or a stream ends."""

import sys

from examples.own_provider import echo
from tokentape import OutputBuffer, replay


def main() -> None:
    """`print` goes to the buffer; with `auto_flush="stream"` each stream is seen when it ends."""
    buffer = OutputBuffer(sys.stdout, auto_flush="stream")
    with buffer.capture_print(), buffer.start():
        stream = echo("first stream,")
        stream.add_callback(lambda _: replay("then the one that its callback returned"))
        buffer.write_stream(stream)
        print()


if __name__ == "__main__":
    main()
