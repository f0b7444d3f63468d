"""Flask with the library's body: /ndjson and /heartbeat."""

from __future__ import annotations

import logging

import flask

from tests.conformance.pipelines.chatting import stream
from tokentape.web import wsgi_stream

app = flask.Flask("pipeline")
app.logger.setLevel(logging.CRITICAL)  # the suite has providers refuse on purpose


def _answer(**options: object) -> flask.Response:
    body = wsgi_stream(stream(), environ=flask.request.environ, **options)  # type: ignore[arg-type]
    return flask.Response(body, headers=body.headers)


@app.get("/ndjson")
def ndjson() -> flask.Response:
    """Lines of JSON."""
    return _answer(format="ndjson")


@app.get("/heartbeat")
def heartbeat() -> flask.Response:
    """With a sign of life, so that the stream is read in a thread."""
    return _answer(format="sse", heartbeat=15)
