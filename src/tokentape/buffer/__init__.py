"""Output buffers hold text on its way to a sink, with control over when it is flushed."""

from tokentape.buffer.output_buffer import OutputBuffer

__all__ = ["OutputBuffer"]
