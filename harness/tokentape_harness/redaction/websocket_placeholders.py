"""WebSocket placeholders: its frames hold none of the client's folders and names, and get a replay's own back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec

from tokentape_fake_provider.sessions.matching.normaliser import Named, Normaliser
from tokentape_fake_provider.sessions.matching.placeholders import Values, with_placeholders
from tokentape_fake_provider.sessions.matching.request_comparison import message_value
from tokentape_fake_provider.tape import WebSocket, WebSocketFrame
from tokentape_harness.cassettes.chunks import Chunk
from tokentape_harness.cassettes.model import Response, StreamRecord
from tokentape_harness.redaction.body_text import decode, encode
from tokentape_harness.redaction.placeholders import (
    NOTE,
    placeholders_of,
    with_response_placeholders,
    with_response_values,
)
from tokentape_harness.redaction.websocket import with_edited


def message_values(messages: Iterable[str | bytes], normaliser: Normaliser) -> Named:
    """The values of what a client has sent so far."""
    return normaliser.values(*map(message_value, messages))


def with_websocket_placeholders(response: Response, normaliser: Normaliser) -> Response:
    """The response that began a WebSocket with placeholders in its frames; its stream record lists the server's.

    What the server sent has placeholders only for values that the client had sent before.
    """
    record = response.stream
    if record is None or record.websocket is None or not normaliser.active:
        return response
    frames, used, sent = list[WebSocketFrame](), dict[str, None](), list[str | bytes]()
    for turn in _turns(record.websocket):
        if turn.frames[0].sender == "client":
            sent.append(turn.frames[0].data)
        values = message_values(sent, normaliser)

        def of_client(body: bytes, _: str, own: Values = values.own) -> bytes:
            return encode(with_placeholders(decode(body), own))

        def of_server(body: bytes, kind: str, known: Values = values.all) -> bytes:
            changed = with_response_placeholders(_response(body, kind), known)
            used.update(dict.fromkeys(placeholders_of(changed)))
            return changed.body

        frames += with_edited(with_edited(turn, "client", of_client), "server", of_server).frames
    return _noted(response, WebSocket(tuple(frames), record.websocket.close), used)


def with_websocket_values(response: Response, values: Values) -> Response:
    """The response that began a WebSocket with values in place of the placeholders of the server's frames."""
    record, names = response.stream, placeholders_of(response)
    if record is None or record.websocket is None or not names:
        return response

    def edit(body: bytes, kind: str) -> bytes:
        return with_response_values(_response(body, kind, names), values).body

    return _noted(response, with_edited(record.websocket, "server", edit), names)


def _turns(websocket: WebSocket) -> Iterable[WebSocket]:
    """Each message of the client with the server's messages after it."""
    starts = [number for number, frame in enumerate(websocket.frames) if number == 0 or frame.sender == "client"]
    for start, end in pairwise((*starts, len(websocket.frames))):
        yield WebSocket(websocket.frames[start:end])


def _response(body: bytes, kind: str, names: Sequence[str] = ()) -> Response:
    record = StreamRecord((Chunk(len(body), 0.0),), extra={NOTE: " ".join(names)})
    return Response(200, "", (("content-type", kind),), body, record)


def _noted(response: Response, websocket: WebSocket, names: Iterable[str]) -> Response:
    assert response.stream is not None
    note = " ".join(names)
    extra = {**response.stream.extra, NOTE: note} if note else response.stream.extra
    return msgspec.structs.replace(
        response, stream=msgspec.structs.replace(response.stream, websocket=websocket, extra=extra)
    )
