"""What happens to the file: whole or not at all, never over what can't be read, never shorter, and no secret."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap

import httpx2
import pytest

from tokentape_harness import read_cassette, use_cassette
from tokentape_harness.errors import CassetteError, CassetteSyntaxError, CassetteWriteError
from tokentape_harness.recording import persister as store

URL = "http://provider.test/v1/chat/completions"


def client_of(answer="fine", headers=None):
    """A client whose provider answers this."""

    def respond(request):
        return httpx2.Response(200, text=answer, headers=headers or {"content-type": "text/plain"})

    return httpx2.Client(transport=httpx2.MockTransport(respond))


def post(client, text, **options):
    """One request."""
    return client.post(URL, json={"messages": [{"role": "user", "content": text}]}, **options)


@pytest.fixture
def path(tmp_path):
    """A cassette that is not there yet."""
    return tmp_path / "cassette.yaml"


@pytest.mark.parametrize("mode", ["once", "new_episodes", "none", "all"])
@pytest.mark.parametrize("content", ["interactions: [", "just: text", "interactions:\n- request: {}\nversion: 1\n"])
def test_an_unreadable_file_is_an_error_and_stays(path, mode, content):
    """A file that is no cassette is not overwritten in any mode: opening it fails."""
    path.write_text(content)
    with pytest.raises(CassetteError, match=r"cassette\.yaml"), use_cassette(path, record_mode=mode):
        raise AssertionError("not reached")
    assert path.read_text() == content


def test_an_unreadable_file_that_came_meanwhile_stays(path):
    """A file that was damaged while we recorded is not overwritten either."""
    with client_of() as client:
        cassette = use_cassette(path)
        cassette.__enter__()
        post(client, "one")
        path.write_text("interactions: [")
        with pytest.raises(CassetteWriteError, match="not overwritten"):
            cassette.__exit__(None, None, None)
    assert path.read_text() == "interactions: ["


def test_json_cassettes_too(path):
    """vcrpy's JSON serializer keeps the stream as well, and a damaged JSON file is an error."""
    path = path.with_suffix(".json")
    with client_of() as client, use_cassette(path, serializer="json"):
        post(client, "one")
    with client_of("other") as client, use_cassette(path, serializer="json"):
        assert post(client, "one").text == "fine"
    assert read_cassette(path).interactions[0].response.stream.chunks
    path.write_text(path.read_text()[:-20])
    with pytest.raises(CassetteSyntaxError, match="cut short"), use_cassette(path, serializer="json"):
        raise AssertionError("not reached")


def test_an_empty_file_is_recorded(path):
    """As in vcrpy an empty file is a missing one."""
    path.write_text("")
    with client_of() as client, use_cassette(path):
        post(client, "one")
    assert len(read_cassette(path)) == 1


@pytest.mark.parametrize("mode", ["all", "new_episodes"])
def test_a_failed_run_leaves_nothing_shorter(path, mode):
    """A run that failed early drops no interaction, even where unused ones are to be dropped."""
    with client_of() as client, use_cassette(path):
        post(client, "one")
        post(client, "two")
    with (
        contextlib.suppress(ZeroDivisionError),
        client_of() as client,
        use_cassette(path, record_mode=mode, drop_unused_requests=True),
    ):
        post(client, "one")
        raise ZeroDivisionError
    assert len(read_cassette(path)) == 2


def test_what_another_run_added_is_kept(path):
    """Two runs that record into one file at once both find their interactions in it."""
    with client_of() as client, use_cassette(path):
        post(client, "first")
    outer = use_cassette(path, record_mode="new_episodes")
    with client_of() as client, outer:
        post(client, "mine")
        with use_cassette(path, record_mode="new_episodes"):
            post(client, "theirs")
    texts = [interaction.request.body for interaction in read_cassette(path)]
    assert len(texts) == 3
    assert {b"first", b"mine", b"theirs"} == {text.split(b'"content":"')[1].split(b'"')[0] for text in texts}


def test_two_runs_that_record_the_same_keep_it_once(path):
    """A request that both runs sent is in the file once, so that nothing stays unplayed."""
    with client_of() as client, use_cassette(path):
        post(client, "mine")
        with use_cassette(path):
            post(client, "mine")
            post(client, "theirs")
    assert len(read_cassette(path)) == 2


RECORD = """
import sys
import httpx2
from tokentape_harness import use_cassette

transport = httpx2.MockTransport(lambda request: httpx2.Response(200, text="fine"))
with use_cassette(sys.argv[1], record_mode="new_episodes"), httpx2.Client(transport=transport) as client:
    client.post("http://provider.test/", json={"number": sys.argv[2]})
    print("recorded", flush=True)
    sys.stdin.read()
"""


@pytest.mark.slow
def test_parallel_workers_never_corrupt_a_file(path):
    """Processes that record into one file at the same time lose nothing."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", RECORD, str(path), str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for number in range(3)
    ]
    for worker in workers:
        assert worker.stdout.readline() == b"recorded\n"
    for worker in workers:
        worker.stdin.close()
    for worker in workers:
        assert worker.wait(60) == 0
        worker.stdout.close()
    assert len(read_cassette(path)) == 3
    assert [file.name for file in path.parent.iterdir()] == [path.name], "no lock and no temporary file is left"


@pytest.mark.slow
def test_a_killed_recording_leaves_the_old_cassette_whole(path):
    """After `kill -9` while a stream is recorded the file is what it was."""
    with client_of() as client, use_cassette(path):
        post(client, "one")
    before = path.read_bytes()
    code = f"""
        import sys
        import httpx2
        from tokentape_harness import use_cassette

        def body():
            yield b"data: 1\\n\\n"
            print("streaming", flush=True)
            sys.stdin.read()
            yield b"data: 2\\n\\n"

        transport = httpx2.MockTransport(lambda request: httpx2.Response(200, stream=Stream()))
        class Stream(httpx2.SyncByteStream):
            def __iter__(self):
                return body()
        with use_cassette({str(path)!r}, record_mode="new_episodes"), httpx2.Client(transport=transport) as client:
            client.get("http://provider.test/")
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"streaming\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


PLANTED = "sk-proj-pl4nted0123456789abcdefghijklmnopqrstuvwxyz"


def test_no_planted_secret_reaches_the_file_or_an_error(path, caplog):
    """A key in headers, cookies, query, userinfo, body and response is in no file, no log and no error text."""
    caplog.set_level("DEBUG")
    headers = {
        "authorization": f"Bearer {PLANTED}",
        "x-api-key": PLANTED,
        "cookie": f"session={PLANTED}",
        "openai-organization": "org-" + PLANTED,
    }
    answer = {"content-type": "text/plain", "set-cookie": f"id={PLANTED}; Path=/", "openai-organization": PLANTED}
    with client_of(f"your key {PLANTED} is bad", answer) as client, use_cassette(path):
        post(client, f"my key is {PLANTED}", headers=headers)
        client.get(f"http://me:{PLANTED}@provider.test/v1/models?key={PLANTED}", headers=headers)
    text = path.read_text()
    assert PLANTED not in text
    assert "pl4nted" not in text
    with client_of() as client, use_cassette(path):
        with pytest.raises(Exception, match="Can't play back") as caught:
            client.get(f"http://me:{PLANTED}@provider.test/v1/other?key={PLANTED}", headers=headers)
        post(client, f"my key is {PLANTED}", headers=headers)
    assert "pl4nted" not in str(caught.value)
    ours = [record for record in caplog.records if record.name.startswith("tokentape")]
    assert not [record for record in ours if "pl4nted" in record.getMessage()]


def test_a_key_of_one_request_is_taken_out_of_the_others(path):
    """A key that a later response shows is known from the request that used it."""
    key = "no-known-format-5b7c9e2d4f"
    with client_of() as client, use_cassette(path):
        post(client, "one", headers={"authorization": f"Bearer {key}"})
        with client_of(f"the key was {key}") as other:
            post(other, "two")
    assert key not in path.read_text()
    assert len(read_cassette(path)) == 2


def test_a_file_that_stays_locked_is_a_clear_error(path, monkeypatch, tmp_path):
    """A process that never releases the file leads to a clear error, and the file stays as it was."""
    monkeypatch.setattr(store, "_LOCK_TIMEOUT_S", 0.05)
    cassette = use_cassette(path)
    with client_of() as client:
        cassette.__enter__()
        post(client, "one")
        with store._lock(path.resolve()), pytest.raises(CassetteWriteError, match="another process has been writing"):
            cassette.__exit__(None, None, None)
    assert not path.exists()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    with pytest.raises(CassetteWriteError, match="can't be locked in"), client_of() as client, use_cassette(path):
        post(client, "one")
