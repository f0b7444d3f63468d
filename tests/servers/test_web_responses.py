"""The library's responses under real servers: each token is read before the next one leaves, and readers may leave."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from tests.servers.reader import Reader
from tests.servers.setups.running import RunningSetup, Sites
from tests.servers.setups.servers import WEB, daphne, flask, granian, gthread, gunicorn, hypercorn, uvicorn, waitress
from tests.servers.setups.setup import Setup
from tokentape_fake_provider.errors import StreamOverError
from tokentape_fake_provider.playback.stepped_stream import SteppedStream
from tokentape_harness.flush import HttpTarget

pytestmark = [pytest.mark.servers, pytest.mark.timeout(120)]

TOKENS = ("alpha ", "beta ", "gamma ", "delta ")


@dataclass(frozen=True)
class Served:
    """A server with an application, and at which paths it answers once, and twice.

    `crossing` is how many frames may still leave the provider after the reader has left.
    """

    name: str
    configure: Any
    paths: tuple[str, ...]
    follow_ups: tuple[str, ...]
    crossing: int = 0
    resumable: tuple[str, ...] = ("/resumable",)
    cancelled: tuple[str, ...] = ("/cancelled",)


_STARLETTE = (("/chat", "/plain"), ("/follow-up", "/plain-follow-up"))
_FLASK = (("/chat", "/heartbeat"), ("/follow-up",))
_DJANGO_WSGI = (("/chat",), ("/follow-up",))
_DJANGO_ASGI = (("/chat", "/achat"), ("/follow-up", "/afollow-up"))
_RESUMABLE_ASGI: Any = {"resumable": ("/resumable", "/aresumable"), "cancelled": ("/cancelled", "/acancelled")}

SERVED = (
    Served("uvicorn, Starlette", uvicorn("starlette_app:library"), *_STARLETTE),
    Served("uvicorn, FastAPI", uvicorn("fastapi_app:app"), ("/chat", "/plain"), ("/follow-up",), cancelled=()),
    Served("uvicorn, Django", uvicorn("django_app:asgi"), *_DJANGO_ASGI, **_RESUMABLE_ASGI),
    Served("hypercorn, Starlette", hypercorn("starlette_app:library"), *_STARLETTE),
    Served("hypercorn, Django", hypercorn("django_app:asgi"), *_DJANGO_ASGI, **_RESUMABLE_ASGI),
    Served("daphne, Starlette", daphne("starlette_app:library"), *_STARLETTE),
    Served("daphne, Django", daphne("django_app:asgi"), *_DJANGO_ASGI, **_RESUMABLE_ASGI),
    Served("granian asgi, Starlette", granian("starlette_app:library", "asgi"), *_STARLETTE),
    Served("granian asgi, Django", granian("django_app:asgi", "asgi"), *_DJANGO_ASGI, **_RESUMABLE_ASGI),
    Served("gunicorn asgi, Starlette", gunicorn("starlette_app:library", "-k", "asgi"), *_STARLETTE),
    Served("gunicorn sync, Flask", gunicorn("flask_app:library"), *_FLASK, crossing=1),
    Served("gunicorn sync, Django", gunicorn("django_app:wsgi"), *_DJANGO_WSGI, crossing=1),
    Served("gunicorn gthread, Flask", gthread("flask_app:library"), *_FLASK, crossing=1),
    Served("gunicorn gthread, Django", gthread("django_app:wsgi"), *_DJANGO_WSGI, crossing=1),
    Served("Werkzeug, Flask", flask("flask_app:library"), *_FLASK, crossing=1),
    Served("waitress, Flask", waitress("flask_app:library"), *_FLASK, crossing=1),
    Served("waitress, Django", waitress("django_app:wsgi"), *_DJANGO_WSGI, crossing=1),
    # It learns that the reader left as it sends: a frame on its way already may cross that.
    Served("granian wsgi, Flask", granian("flask_app:library", "wsgi"), *_FLASK, crossing=2),
    Served("granian wsgi, Django", granian("django_app:wsgi", "wsgi"), *_DJANGO_WSGI, crossing=2),
)


def served(which: str) -> Iterator[Any]:
    """Each server with each of its paths; one server's tests share a worker, and so a process."""
    for each in SERVED:
        for path in getattr(each, which):
            marks = pytest.mark.xdist_group(each.name)
            yield pytest.param(each, path, id=f"{each.name}, {path}", marks=marks)


def started(sites: Sites, served: Served, path: str) -> RunningSetup:
    """The server, with a provider that goes step by step."""
    running = sites.get(Setup(served.name, WEB, served.configure, path))
    running.provider.timing("stepped")
    return running


def url_of(running: RunningSetup) -> str:
    """Where the server is asked."""
    assert isinstance(running.target, HttpTarget)
    return running.target.url


def read_in_step(reader: Reader, stream: SteppedStream) -> None:
    """Read each token before the next one is let go."""
    for token in TOKENS:
        stream.step_until(token.strip())
        body = reader.until(token.strip())
        assert not [other for other in TOKENS[TOKENS.index(token) + 1 :] if other.strip().encode() in body]


def finish(stream: SteppedStream) -> None:
    """Let the rest go. The library reads no further than `[DONE]`, and may have left before the body's end."""
    with suppress(StreamOverError):
        stream.finish()


@pytest.mark.parametrize(("served", "path"), list(served("paths")))
def test_each_token_is_read_before_the_next_one_leaves(sites: Sites, served: Served, path: str) -> None:
    """Nothing on the way waits for anything that comes after, and the response ends as it should."""
    running = started(sites, served, path)
    running.provider.script(*TOKENS)
    with Reader(url_of(running)) as reader:
        stream = running.provider.next_stream()
        read_in_step(reader, stream)
        finish(stream)
        body = reader.rest()
    assert reader.response.headers["x-accel-buffering"] == "no"
    assert (b"event: done" in body) == (path != "/plain")


@pytest.mark.parametrize(("served", "path"), list(served("follow_ups")))
def test_a_follow_up_is_seen_as_it_arrives(sites: Sites, served: Served, path: str) -> None:
    """The stream that a callback returns comes after what was before it, each token at once."""
    running = started(sites, served, path)
    running.provider.script(*TOKENS)
    running.provider.script("and ", "so ", "on")
    with Reader(url_of(running)) as reader:
        first = running.provider.next_stream()
        read_in_step(reader, first)
        finish(first)
        second = running.provider.next_stream()
        for token in ("and", "so", "on"):
            second.step_until(token)
            assert reader.until(token).index(b"delta") < reader.body.index(token.encode(), reader.body.index(b"delta"))
        finish(second)
        reader.rest()


@pytest.mark.parametrize(("served", "path"), list(served("paths")))
def test_the_upstream_closes_when_the_reader_leaves(sites: Sites, served: Served, path: str) -> None:
    """Under ASGI at once, under WSGI with the next frame, as far as the server reports it."""
    running = started(sites, served, path)
    running.provider.script(*TOKENS)
    with Reader(url_of(running)) as reader:
        stream = running.provider.next_stream()
        stream.step_until("alpha")
        reader.until("alpha")
    for _ in range(served.crossing):
        with suppress(StreamOverError):  # it has noticed by itself
            stream.step()
        with suppress(TimeoutError):
            running.provider.journal.wait(timeout=3)
            break
    entries = running.provider.journal.wait()
    assert [entry.outcome for entry in entries] == ["client_left"]


HEARTBEAT = b": heartbeat\n\n"
ID = re.compile(rb"^id: (\S+)$", re.MULTILINE)


@pytest.mark.parametrize(("served", "path"), list(served("resumable")))
def test_a_reader_comes_back_after_each_token(sites: Sites, served: Served, path: str) -> None:
    """Each connection is cut behind a token; the next one goes on there. Together they are the whole, byte for byte."""
    running = started(sites, served, path)
    running.provider.script(*TOKENS)
    received, last, stream = b"", None, None
    for token in TOKENS:
        with Reader(url_of(running), last) as reader:
            stream = stream or running.provider.next_stream()
            stream.step_until(token.strip())
            body = reader.until(token.strip())
        received += body[: body.rindex(b"\n\n") + 2]  # an event that has not ended is received again
        last = ID.findall(received)[-1].decode()
    assert stream is not None
    with Reader(url_of(running), last) as reader:
        finish(stream)
        received += reader.rest()
    with Reader(url_of(running)) as reader:
        whole = reader.rest()
    assert received.replace(HEARTBEAT, b"") == whole.replace(HEARTBEAT, b"")
    assert b"event: done" in received
    with Reader(url_of(running), ID.findall(whole)[-1].decode()) as reader:
        assert reader.response.status == 204
    assert len(running.provider.journal.wait()) == 1


@pytest.mark.parametrize(("served", "path"), list(served("cancelled")))
def test_the_upstream_closes_when_the_last_reader_leaves(sites: Sites, served: Served, path: str) -> None:
    """Without a further frame of the provider: under WSGI with the heartbeat at the latest, or the one after it."""
    running = started(sites, served, path)
    running.provider.script(*TOKENS)
    with Reader(url_of(running)) as reader:
        stream = running.provider.next_stream()
        stream.step_until("alpha")
        reader.until("alpha")
    entries = running.provider.journal.wait()
    assert [entry.outcome for entry in entries] == ["client_left"]
    with Reader(url_of(running)) as reader:
        assert b'"stopped":true' in reader.rest()
