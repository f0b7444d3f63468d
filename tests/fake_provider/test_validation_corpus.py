"""No request that its provider answered is refused: all recorded ones, and those of the real clients."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import pytest

from tests.corpus import ROOT, all_items
from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.wires import WIRES, wire_for_path
from tokentape_fake_provider.wires.prompt_reader import read_prompt
from tokentape_fake_provider.wires.validation.check import check_request
from tokentape_harness.cassettes.reader import read_cassette
from tokentape_harness.errors import CassetteError

CLIENTS = Path(__file__).parents[3] / "shared" / "real" / "client_requests.json"


class Sent(NamedTuple):
    """A request and the status that answered it; 200 where a client sent it to a server that takes anything."""

    name: str
    url: str
    body: Any
    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()


def verdict(sent: Sent) -> str | None:
    """Why the request is refused; empty if it is taken, `None` if it belongs to no wire format or has no body."""
    path = unquote(urlsplit(sent.url).path)
    wire = wire_for_path(path)
    if wire is None or not isinstance(sent.body, dict) or "_dropped" in sent.body:
        return None
    try:
        request = wire.read(path, sent.body, created=0, seed="")
        check_request(request, read_prompt(request), sent.headers)
    except BadRequestError as error:
        return error.message
    return ""


def recorded() -> Iterator[Sent]:
    """The recorded streams' requests."""
    for item in all_items():
        request = item.meta["request"]
        headers = tuple((name.encode(), str(value).encode()) for name, value in request["headers"].items())
        yield Sent(item.id, request["uri"], request.get("json"), item.status, headers)


def taped() -> Iterator[Sent]:
    """The requests in the original cassettes."""
    for path in sorted((ROOT / "cassettes").glob("*/*.yaml")):
        try:
            cassette = read_cassette(path)
        except CassetteError:
            continue
        for number, interaction in enumerate(cassette):
            request = interaction.request
            try:
                body = json.loads(request.body or b"null")
            except ValueError:
                continue
            headers = tuple((name.encode(), value.encode()) for name, value in request.headers)
            yield Sent(f"{path.name}#{number}", request.uri, body, interaction.response.status, headers)


def captured() -> Iterator[Sent]:
    """The requests that real clients sent."""
    for name, requests in json.loads(CLIENTS.read_bytes()).items() if CLIENTS.exists() else ():
        for request in requests:
            headers = tuple((key.encode(), value.encode()) for key, value in request["headers"])
            yield Sent(name, request["request_line"].split()[1], request.get("body_json"), 200, headers)


@pytest.mark.parametrize(("source", "least"), [(recorded, 800), (taped, 90), (captured, 30)])
def test_what_got_an_answer_is_not_refused(source: Any, least: int) -> None:
    """Each request that got a 200 is taken."""
    verdicts = {sent.name: verdict(sent) for sent in source() if sent.status == 200}
    if not verdicts:
        pytest.skip("the recorded requests are not there")
    assert {name: why for name, why in verdicts.items() if why} == {}
    assert sum(why == "" for why in verdicts.values()) >= least


def test_what_was_refused_for_its_temperature_is_refused_in_the_same_words() -> None:
    """The error of a recorded refusal is the one that is made up, parameter and code included."""
    refused = {item.id: item for item in all_items() if item.status == 400 and b"_min_value" in item.body}
    if not refused:
        pytest.skip("the recorded requests are not there")
    for sent in recorded():
        if sent.name in refused:
            request = WIRES[refused[sent.name].wire].read(urlsplit(sent.url).path, sent.body, created=0, seed="")
            with pytest.raises(BadRequestError) as found:
                check_request(request, read_prompt(request))
            real = json.loads(refused[sent.name].body)["error"]
            raised = found.value
            assert (raised.message, raised.param, raised.code) == (real["message"], real["param"], real["code"])
