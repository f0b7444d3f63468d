"""Decoders: one module per wire format, named after it, with the decoder class as `DECODER`."""
