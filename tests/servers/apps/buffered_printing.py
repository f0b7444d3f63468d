"""Programs that print through an output buffer: `buffered_printing.py print|write`."""

from __future__ import annotations

import sys

from answering import followed, stream

from tokentape.buffer.output_buffer import OutputBuffer

out = OutputBuffer(auto_flush="message")
if sys.argv[1] == "print":
    with out.capture_print(), out.start(), out.start(str.upper):
        for message in stream():
            print(message.text, end="", flush=bool(message.text))
else:
    with out.start(), out.start():
        out.write_stream(followed())
