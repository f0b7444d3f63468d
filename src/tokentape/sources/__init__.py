"""Where streams come from: bytes, open HTTP responses, and the stream objects of official SDKs."""
