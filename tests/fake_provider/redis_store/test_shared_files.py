"""Two servers with one store have the same files."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from tests.fake_provider.redis_store.shared_servers import Servers
from tests.redis_server import RedisServer

pytestmark = pytest.mark.slow


def test_files_are_those_of_both(servers: Servers, sdks: list[openai.OpenAI], redis: RedisServer) -> None:
    """What one server receives the other lists, sends, knows in a prompt, and deletes."""
    first, second = (sdk.files for sdk in sdks)
    data = bytes(range(256)) * 1000
    stored = [files.create(file=(f"{number}", data), purpose="batch") for number, files in enumerate((first, second))]
    for files in (first, second):
        assert [file.id for file in files.list(order="asc")] == [file.id for file in stored]
        assert [files.content(file.id).read() for file in stored] == [data, data]
    content: Any = [{"type": "file", "file": {"file_id": stored[0].id}}]
    assert servers[1].text(messages=[{"role": "user", "content": content}])
    second.delete(stored[0].id)
    with pytest.raises(openai.NotFoundError):
        first.content(stored[0].id)
    assert servers[0].ask(messages=[{"role": "user", "content": content}]).status_code == 400
    with redis.client() as store:
        names: Any = store.hkeys("tokentape:s:default:fields")
    assert [name for name in names if name.startswith(b"part:")] == [f"part:{stored[1].id}/0".encode()]


def test_files_that_arrive_at_once(sdks: list[openai.OpenAI]) -> None:
    """Uploads that change the session at the same time: each file is kept, once, with its own content."""

    def upload(number: int) -> tuple[str, bytes]:
        data = b"%d" % number
        return sdks[number % 2].files.create(file=("f", data), purpose="batch").id, data

    with ThreadPoolExecutor(8) as pool:
        uploaded = dict(pool.map(upload, range(40)))
    for sdk in sdks:
        assert {file.id: sdk.files.content(file.id).read() for file in sdk.files.list()} == uploaded


def test_an_upload_in_parts_reaches_both(servers: Servers) -> None:
    """Each part may reach another server; the whole file is there over both."""
    one, two = servers
    begun = one.http.post("/upload/v1beta/files", json={"file": {"name": "files/abc"}})
    path = begun.headers["x-goog-upload-url"].partition("/upload")[2]
    commands = [(two, "upload", b"a" * 1000), (one, "upload", b"b"), (two, "upload, finalize", b"c")]
    for server, command, part in commands:
        sent = server.http.post(f"/upload{path}", content=part, headers={"x-goog-upload-command": command})
        assert sent.status_code == 200
    for server in servers:
        assert server.http.get("/v1beta/files/abc").json()["sizeBytes"] == "1002"
        assert server.http.get("/v1/files/abc/content").content == b"a" * 1000 + b"bc"
        late = server.http.post(f"/upload{path}", content=b"d", headers={"x-goog-upload-command": "upload"})
        assert late.status_code == 400
