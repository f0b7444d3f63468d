"""Connections, access, and request bodies, before a wire format reads the request."""
