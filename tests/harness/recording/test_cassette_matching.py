"""Which recording answers which request, and the error when none does."""

from __future__ import annotations

import asyncio
import json
import re

import httpx2
import pytest

from tokentape_harness import MismatchError, read_cassette, use_cassette
from tokentape_harness.errors import UsageError

URL = "http://provider.test/v1/chat/completions"


def question(text, **fields):
    """The body of a request."""
    return {"model": "m", "messages": [{"role": "user", "content": text}], **fields}


class Provider:
    """Answers with the text of the request, in an order that the test decides."""

    def __init__(self):
        self.calls = []
        self.may_answer = {}

    def answer(self, request):
        text = json.loads(request.content)["messages"][0]["content"]
        self.calls.append(text)
        return httpx2.Response(200, text=f"answer to {text}", headers={"content-type": "text/plain"})

    async def answer_in_turn(self, request):
        text = json.loads(request.content)["messages"][0]["content"]
        self.calls.append(text)
        await self.may_answer[text].wait()
        return httpx2.Response(200, text=f"answer to {text}")


@pytest.fixture
def provider():
    """What would be the network."""
    return Provider()


@pytest.fixture
def client(provider):
    """A client of that provider."""
    with httpx2.Client(transport=httpx2.MockTransport(provider.answer)) as opened:
        yield opened


@pytest.fixture
def path(tmp_path):
    """A cassette that is not there yet."""
    return tmp_path / "cassette.yaml"


def test_parallel_requests_never_swap(provider, path):
    """Of two requests at once the first one's recording stands first, and each gets its own answer on replay."""

    async def both(first, second, provider):
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(provider.answer_in_turn)) as client:
            provider.may_answer = {"one": asyncio.Event(), "two": asyncio.Event()}

            async def post(text):
                return (await client.post(URL, json=question(text))).text

            tasks = [asyncio.create_task(post(first)), asyncio.create_task(post(second))]
            provider.may_answer["two"].set()
            await tasks[1]
            provider.may_answer["one"].set()
            return await asyncio.gather(*tasks)

    async def replay():
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(provider.answer)) as client:
            pending = [client.post(URL, json=question(text)) for text in ("two", "one")]
            return [response.text for response in await asyncio.gather(*pending)]

    with use_cassette(path):
        assert asyncio.run(both("one", "two", provider)) == ["answer to one", "answer to two"]
    bodies = [json.loads(interaction.request.body)["messages"][0]["content"] for interaction in read_cassette(path)]
    assert bodies == ["one", "two"]
    assert [interaction.response.stream.seq for interaction in read_cassette(path)] == [0, 1]
    with use_cassette(path, record_mode="none"):
        assert asyncio.run(replay()) == ["answer to two", "answer to one"]


def test_a_body_is_compared_by_its_content(client, provider, path):
    """The order of keys, the user and tracing options don't count; the content of the request does."""
    with use_cassette(path):
        client.post(URL, json=question("one", temperature=1.0, user="me"))
    same = {"user": "you", "temperature": 1, "stream_options": {"include_usage": True}, **question("one")}
    with use_cassette(path):
        assert client.post(URL, json=same).text == "answer to one"
    assert provider.calls == ["one"]


def test_the_same_options_are_preferred(path):
    """Of two recordings that would do, the one with the same tracing options answers, and the other one else."""
    options = {"stream_options": {"include_usage": True}}

    def echo(request):
        return httpx2.Response(200, text="usage" if "stream_options" in json.loads(request.content) else "plain")

    with httpx2.Client(transport=httpx2.MockTransport(echo)) as client:
        with use_cassette(path):
            for body in (question("one"), question("one", **options)):
                client.post(URL, json=body)
        for body, expected in ((question("one", **options), "usage"), (question("one"), "plain")):
            with use_cassette(path, record_mode="none"):
                assert client.post(URL, json=body).text == expected
                other = "plain" if expected == "usage" else "usage"
                assert client.post(URL, json=body).text == other


def test_a_mismatch_names_the_nearest_recording_and_the_field(client, path):
    """The error names the nearest recording and the field of the body that differs."""
    with use_cassette(path):
        client.post(URL, json=question("far", temperature=0, top_p=1))
        client.post(URL, json=question("near", temperature=0.5))
    with use_cassette(path), pytest.raises(MismatchError) as caught:
        client.post(URL, json=question("near", temperature=0.7))
    first = str(caught.value).splitlines()[0]
    assert first == (
        "Nearest recording: interaction 1 (POST http://provider.test/v1/chat/completions), "
        "where llm_body: temperature was 0.5, now 0.7 (record_mode='new_episodes' adds it)"
    )


def test_an_error_shows_no_key(client, path):
    """A request that nothing answers is shown without its keys."""
    with use_cassette(path):
        client.post(URL, json=question("one"))
    with use_cassette(path), pytest.raises(MismatchError) as caught:
        client.post(URL + "?key=AIzaSyPlanted-0123456789abcdefghijklmnop", json=question("one"))
    assert "Planted" not in str(caught.value)


def test_modes(client, provider, path):
    """`new_episodes` adds, `none` records nothing, `all` records again without doubling."""
    with use_cassette(path):
        client.post(URL, json=question("one"))
    with use_cassette(path, record_mode="new_episodes"):
        client.post(URL, json=question("one"))
        client.post(URL, json=question("two"))
    assert provider.calls == ["one", "two"]
    with use_cassette(path, record_mode="all"):
        client.post(URL, json=question("two"))
    assert provider.calls == ["one", "two", "two"]
    assert len(read_cassette(path)) == 2
    with use_cassette(path.with_name("none.yaml"), record_mode="none"), pytest.raises(MismatchError):
        client.post(URL, json=question("one"))
    assert not path.with_name("none.yaml").exists()


def test_unplayed_recordings_fail_on_request(client, path):
    """With `all_played` a recording that no request used is named."""
    with use_cassette(path):
        client.post(URL, json=question("one"))
        client.post(URL, json=question("two"))
    with (
        pytest.raises(AssertionError, match=r"not replayed: interaction 1 \(POST http"),
        use_cassette(path, all_played=True),
    ):
        client.post(URL, json=question("one"))
    with use_cassette(path, all_played=True):
        client.post(URL, json=question("one"))
        client.post(URL, json=question("two"))


def test_recording_again_with_all_played(client, path):
    """What was recorded just now need not be played."""
    with use_cassette(path, all_played=True):
        client.post(URL, json=question("one"))


def test_vcrpys_own_options_hold(client, provider, path):
    """Filters, hooks and ignored hosts are vcrpy's, and see every request."""
    with use_cassette(
        path,
        ignore_hosts=["ignored.test"],
        filter_headers=["x-mine"],
        before_record_response=lambda response: response | {"body": {"string": response["body"]["string"].upper()}},
    ):
        client.post("http://ignored.test/v1/chat/completions", json=question("ignored"))
        client.post(URL, json=question("one"), headers={"x-mine": "private"})
    (interaction,) = read_cassette(path)
    assert interaction.response.body == b"ANSWER TO ONE"
    assert "x-mine" not in dict(interaction.request.headers)
    assert provider.calls == ["ignored", "one"]


def test_a_scrubbed_body_keeps_its_times(client, path):
    """A body that a hook lengthened is split into chunks again, and is read without a warning."""
    with use_cassette(
        path, before_record_response=lambda response: response | {"body": {"string": b"data: a\n\ndata: b\n\n"}}
    ):
        client.post(URL, json=question("one"))
    (interaction,) = read_cassette(path)
    assert sum(chunk.size for chunk in interaction.response.stream.chunks) == 18


def test_nested_cassettes(client, path):
    """The inner cassette alone records, and the outer one again after it."""
    inner = path.with_name("inner.yaml")
    with use_cassette(path):
        client.post(URL, json=question("one"))
        with use_cassette(inner):
            client.post(URL, json=question("two"))
        client.post(URL, json=question("three"))
    assert [len(read_cassette(path)), len(read_cassette(inner))] == [2, 1]


def test_a_failed_request_is_not_recorded(path):
    """Where no response came there is nothing to replay, and what comes after is recorded."""

    def fail(request):
        if b"bad" in request.content:
            raise httpx2.ConnectError("refused")
        return httpx2.Response(200, text="fine")

    with use_cassette(path), httpx2.Client(transport=httpx2.MockTransport(fail)) as client:
        with pytest.raises(httpx2.ConnectError):
            client.post(URL, json=question("bad"))
        client.post(URL, json=question("good"))
    assert len(read_cassette(path)) == 1


def test_as_a_decorator(client, provider, path):
    """A decorated function, or coroutine function, runs with the cassette open, each time anew."""

    @use_cassette(path)
    def post(text):
        return client.post(URL, json=question(text)).text

    @use_cassette(path)
    async def post_async(text):
        return client.post(URL, json=question(text)).text

    assert [post("one"), post("one"), asyncio.run(post_async("one"))] == ["answer to one"] * 3
    assert provider.calls == ["one"]


def test_metadata_is_kept(client, path):
    """What vcrpy keeps beside the interactions survives."""
    with use_cassette(path) as cassette:
        client.post(URL, json=question("one"))
        assert cassette.get_metadata("seed", 7) == 7
    with use_cassette(path, record_mode="new_episodes") as cassette:
        client.post(URL, json=question("two"))
    with use_cassette(path, record_mode="none") as cassette:
        assert cassette.get_metadata("seed", 8) == 7
        assert len(cassette) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spede": 2}, "no option 'spede': is it 'speed'?"),
        ({"filter_header": ["x"]}, "is it 'filter_headers'?"),
        ({"record_mode": "sometimes"}, "record_mode is 'sometimes': give all"),
        ({"match_on": ["bdy"]}, "match_on has 'bdy', which is not one of method"),
    ],
)
def test_unknown_options(path, options, message):
    """vcrpy ignores them, or fails late; here a typing error is reported at once."""
    with pytest.raises(UsageError, match=re.escape(message)):
        use_cassette(path, **options)


def test_the_error_has_what_would_add_a_recording(client, path):
    """The first line states whether no recording matches or it was played already, and what to do."""
    with use_cassette(path, record_mode="none"), pytest.raises(MismatchError) as caught:
        client.post(URL, json=question("one"))
    first, _, rest = str(caught.value).partition("\n\n")
    assert first == f"No recording for POST {URL}, nor for anything else (record_mode='new_episodes' adds it)"
    assert "the cassette doesn't exist" in rest
    with use_cassette(path):
        client.post(URL, json=question("one"))
    with use_cassette(path):
        client.post(URL, json=question("one"))
        with pytest.raises(MismatchError) as caught:
            client.post(URL, json=question("one"))
    first, _, rest = str(caught.value).partition("\n\n")
    assert first == f"Played already: every recording that answers POST {URL} (record_mode='new_episodes' adds it)"
    assert "already been played back" in rest
