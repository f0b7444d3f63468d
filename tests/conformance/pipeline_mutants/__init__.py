"""Broken pipelines: small ASGI and WSGI applications with one fault each."""
