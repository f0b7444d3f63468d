"""Connections, access control and request bodies: the part of HTTP before any wire format."""
