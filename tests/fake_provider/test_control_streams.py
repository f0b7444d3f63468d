"""The control API's streams and clock: what the fixtures do from Python, for every language."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.tape import Frame, Tape

REQUEST = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]}
SSE = (("content-type", "text/event-stream"),)


def test_stepping(control: httpx2.Client, session: Session, url: str, http: httpx2.Client) -> None:
    """A stream is taken, stepped, stepped up to a text, held, released and finished."""
    assert control.patch("/settings", json={"timing": "stepped"}).json()["timing"] == {
        "type": "stepped",
        "headers": False,
    }
    events = (b'{"text": "a"}', b'{"text": "b"}', b'{"text": "c"}', b'{"text": "d"}')
    session.push(Tape(tuple(Frame(0, data) for data in events), 200, SSE))
    with http.stream("POST", url, json=REQUEST) as response:
        chunks = response.iter_raw()
        taken = control.post("/streams/next").json()
        state = {"number": 0, "frames": 4, "sent": 0, "left": 5, "held": True, "over": False, "outcome": "pending"}
        state |= {"speed": 1.0, "timed": False}
        assert taken == state
        assert control.get("/streams").json() == {"streams": [state]}
        moved = control.post("/streams/0/step").json()
        assert base64.b64decode(moved.pop("data")) == next(chunks) == events[0]
        assert moved == state | {"sent": 1, "left": 4}
        moved = control.post("/streams/0/step", json={"until": "bc"}).json()
        assert (moved["sent"], next(chunks)) == (3, events[1] + events[2])
        assert control.post("/streams/0/hold").json()["held"] is True
        assert control.get("/streams/0").json()["sent"] == 3
        assert control.post("/streams/0/release").json()["held"] is False
        assert b"".join(chunks) == events[3]
    session.journal.wait()
    over = control.post("/streams/0/finish")
    assert (over.status_code, over.json()["error"]["what"]) == (409, "the response to request 0 is over: complete")
    assert control.get("/streams").json() == {"streams": []}


def test_several_steps_and_the_end(control: httpx2.Client, session: Session, url: str, http: httpx2.Client) -> None:
    """`count` lets several frames go, `finish` all."""
    control.patch("/settings", json={"timing": {"type": "stepped"}})
    session.push(Tape(tuple(Frame(0, b"%d" % number) for number in range(5)), 200, SSE))
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(http.post, url, json=REQUEST)
        assert control.post("/streams/next", json={"timeout": 10}).json()["number"] == 0
        assert base64.b64decode(control.post("/streams/0/step", json={"count": 2}).json()["data"]) == b"01"
        finished = control.post("/streams/0/finish").json()
        assert (finished["over"], finished["outcome"], base64.b64decode(finished["data"])) == (True, "complete", b"234")
        assert asking.result().content == b"01234"


def test_advancing_a_clock(control: httpx2.Client, session: Session, url: str, http: httpx2.Client) -> None:
    """A session's own clock is advanced; the journal has the times of that clock."""
    control.patch("/settings", json={"timing": "recorded", "clock": "controlled"})
    assert control.get("/clock").json() == {"now": 0.0, "next_deadline": None, "automatic": False}
    session.push(Tape(tuple(Frame(at, b"x") for at in (100, 20_000, 60_000)), 200, SSE, end_at=60_000))
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(http.post, url, json=REQUEST)
        control.post("/streams/next")
        advanced = control.post("/clock/advance", json={"seconds": 20, "ms": 1}).json()
        assert advanced == {"now": 20_001.0, "next_deadline": 60_000.0, "automatic": False}
        assert control.get("/streams/0").json()["sent"] == 2
        assert not asking.done()
        control.post("/clock/advance", json={"seconds": 40})
        assert asking.result().content == b"xxx"
    (entry,) = control.get("/journal?frames=1").json()["entries"]
    assert [frame["left"] for frame in entry["frames"]] == [100, 20_000, 60_000]
    assert entry["ended"] == 60_000


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "what"),
    [
        ("POST", "/streams/next", {"timeout": 0}, 504, "no stream to take within 0 s"),
        ("POST", "/streams/next", {"timeout": 1e9}, 400, "timeout must be 0 to 600 s, not 1e+09"),
        ("GET", "/streams/7", None, 404, "no request 7 in this session"),
        ("GET", "/streams/x", None, 404, "no such route"),
        ("POST", "/streams/7/step", {"count": 1}, 404, "no request 7 in this session"),
        ("GET", "/clock", None, 409, "this session uses the server's clock"),
        ("POST", "/clock/advance", {"seconds": 1}, 409, "this session uses the server's clock"),
        ("PATCH", "/settings", {"clock": "fast"}, 400, "Invalid enum value 'fast'"),
    ],
)
def test_refusals(method: str, path: str, body: Any, status: int, what: str, control: httpx2.Client) -> None:
    """What can't be done is refused with the reason."""
    response = control.request(method, path, json=body)
    assert response.status_code == status
    assert what in response.json()["error"]["what"]


def test_steps_that_cannot_be(control: httpx2.Client, session: Session, url: str, http: httpx2.Client) -> None:
    """A bad step is refused and moves nothing; a clock does not go back."""
    control.patch("/settings", json={"timing": "stepped", "clock": "controlled"})
    session.push(Tape((Frame(0, b"x"),), 200, SSE))
    with http.stream("POST", url, json=REQUEST):
        control.post("/streams/next")
        for body, what in [
            ({"count": 9}, "step(9): 2 steps are left"),
            ({"count": 0}, "step(0): step 1 or more"),
            ({"until": "nothing"}, "no unsent frame has that text"),
            ({"count": 1, "until": "x"}, "a step has either `count` or `until`"),
        ]:
            response = control.post("/streams/0/step", json=body)
            assert response.status_code == 400
            assert what in response.json()["error"]["what"]
        assert control.post("/clock/advance", json={"seconds": -1}).status_code == 400
        assert control.get("/streams/0").json()["sent"] == 0
