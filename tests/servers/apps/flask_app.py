"""Applications of Flask: the right one, and one that compresses."""

from __future__ import annotations

from typing import Any

from answering import CANCELLED, RESUMABLE, events, followed, stream
from flask import Flask, Response, request
from flask_compress import Compress

from tokentape.web import ResumableResponses, wsgi_stream

library = Flask("library")


@library.route("/chat", methods=["GET", "POST"])
def chat() -> Response:
    """The library's body, which knows its request and so whether the reader is still there."""
    body = wsgi_stream(stream(), format="sse", environ=request.environ)
    return Response(body, headers=body.headers)


@library.route("/follow-up", methods=["GET", "POST"])
def follow_up() -> Response:
    """Two answers, the second asked for by a callback."""
    body = wsgi_stream(followed(), format="text", environ=request.environ)
    return Response(body, headers=body.headers)


@library.route("/heartbeat", methods=["GET", "POST"])
def heartbeat() -> Response:
    """The library's body with a sign of life, so that a thread reads the stream."""
    body = wsgi_stream(stream(), format="sse", heartbeat=600, environ=request.environ)
    return Response(body, headers=body.headers)


@library.route("/buffered", methods=["GET", "POST"])
def buffered() -> Response:
    """The same without the header that keeps nginx from buffering."""
    body = wsgi_stream(stream(), format="sse", headers={"X-Accel-Buffering": None})
    return Response(body, headers=body.headers)


def answer(responses: ResumableResponses) -> Any:
    """The library's response for readers that come back."""
    responses.start("a", stream)
    return responses.wsgi("a")


library.add_url_rule("/resumable", "resumable", lambda: answer(RESUMABLE), methods=["GET", "POST"])
library.add_url_rule("/cancelled", "cancelled", lambda: answer(CANCELLED), methods=["GET", "POST"])

plain = Flask("plain")


@plain.route("/chat", methods=["GET", "POST"])
def by_hand() -> Response:
    """A generator as the documentation has it."""
    return Response(events(), mimetype="text/event-stream")


compressed = Flask("compressed")
compressed.config["COMPRESS_MIMETYPES"] = ["text/event-stream"]
Compress(compressed)
compressed.add_url_rule("/chat", view_func=by_hand, methods=["GET", "POST"])
