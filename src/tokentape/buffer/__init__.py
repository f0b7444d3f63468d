"""Output buffers: text on its way to a sink, flushed when it should be."""
