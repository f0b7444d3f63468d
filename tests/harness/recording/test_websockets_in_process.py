"""WebSockets of clients in the test's own process, which are not recorded."""

from __future__ import annotations

import aiohttp
import pytest

from tests.harness.recording.proxy.websocket_server import ScriptedServer
from tokentape_harness import use_cassette
from tokentape_harness.errors import CassetteWarning
from tokentape_harness.recording.recorder import MismatchError


async def echo(connection):
    """Send each message back."""
    async for message in connection:
        await connection.send(message)


async def talk(url):
    """A message over aiohttp, whose handshakes are requests like others."""
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/v1/x") as client:
        await client.send_str("a")
        return (await client.receive()).data


@pytest.mark.asyncio
async def test_a_websocket_passes_with_a_warning(tmp_path):
    """A WebSocket works while a cassette records, which says in one line that it is not recorded."""
    path = tmp_path / "x.yaml"
    with ScriptedServer(echo) as server:
        for _ in range(2):
            with (
                use_cassette(path, record_mode="new_episodes"),
                pytest.warns(CassetteWarning, match="/v1/x is not recorded: WebSockets are recorded and replayed by"),
            ):
                assert await talk(server.url) == "a"
    assert not path.exists()


@pytest.mark.asyncio
async def test_a_websocket_where_nothing_may_be_sent(tmp_path):
    """In record mode none a WebSocket is refused with the reason."""
    with ScriptedServer(echo) as server:
        with use_cassette(tmp_path / "x.yaml", record_mode="none"), pytest.raises(MismatchError) as caught:
            await talk(server.url)
        assert server.handshakes == []
    assert "is a WebSocket (WebSockets are recorded and replayed by tokentape record" in str(caught.value)
