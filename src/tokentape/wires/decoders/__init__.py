"""Decoders: one module for each wire format, found by its name; each names its class in `DECODER`."""
