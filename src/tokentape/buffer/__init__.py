"""Output buffers: text on its way to a sink, flushed when it should be."""

from tokentape.buffer.output_buffer import OutputBuffer

__all__ = ["OutputBuffer"]
