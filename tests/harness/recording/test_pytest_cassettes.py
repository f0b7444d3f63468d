"""Cassettes in pytest runs of their own: with pytest-recording, and with our own marker without it."""

from __future__ import annotations

# httpx2 imports it late and keeps its exceptions for good: were it first imported in a run within this process, which
# forgets its imports, every later test here would meet exceptions that httpx2 does not know.
import httpcore2  # noqa: F401
import pytest

# It imports every client that is installed: were that done in such a run, a stream would end before it is read.
import vcr.patch  # noqa: F401

from tests.projects import NO_LOOP, off
from tokentape_fake_provider import Script, Text
from tokentape_harness import read_cassette

pytestmark = pytest.mark.slow

pytest_plugins = ["pytester"]

OFF = off(*NO_LOOP, "xdist", "socket")
WITHOUT_RECORDING = [*OFF, "-p", "no:recording"]

TEST = """
import httpx2
import pytest

BODY = {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": "Hello?"}]}

CONFIG

@pytest.mark.MARK
def test_stream(NAMES):
    with httpx2.Client() as client, client.stream("POST", "URL/chat/completions", json=BODY) as response:
        pieces = list(response.iter_raw())
    assert len(pieces) > 2, "a stream, not one body"
    assert b"".join(pieces).endswith(b"data: [DONE]\\n\\n")


class TestClass:
    @pytest.mark.MARK
    @pytest.mark.parametrize("text", ["a/b"])
    def test_method(self, text):
        assert httpx2.post("URL/chat/completions", json=BODY | {"stream": False}).json()["object"]
"""


def write(pytester, url, mark, config="", names=""):
    """The test module, against this base URL."""
    text = TEST.replace("CONFIG", config).replace("MARK", mark).replace("URL", url).replace("NAMES", names)
    pytester.makepyfile(test_streams=text)


@pytest.fixture
def upstream(fake_provider):
    """A provider that answers two questions, in several chunks each."""
    # Frames that are due at different times leave in writes of their own, and so do the parts of a late one.
    fake_provider.timing("synthetic:ttft=1ms,tps=50")
    fake_provider.fault("split", inside="event")
    for _ in range(2):
        fake_provider.script(Script.of(Text("One two three four five six seven")))
    return fake_provider


def cassettes(pytester):
    """The cassettes that were written, relative to their folder."""
    folder = pytester.path / "cassettes"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


LAYOUT = ["test_streams/TestClass.test_method[a-b].yaml", "test_streams/test_stream.yaml"]


def test_pytest_recordings_mark_keeps_streams(pytester, upstream):
    """With pytest-recording installed its mark, flags and layout work unchanged, and streams stay streams."""
    config = "@pytest.fixture\ndef vcr_config():\n    return {'filter_headers': ['user-agent']}\n"
    write(pytester, upstream.base_url(), "vcr", config, "vcr")
    pytester.runpytest_inprocess(*OFF, "--record-mode=once").assert_outcomes(passed=2)
    assert cassettes(pytester) == LAYOUT
    assert len(upstream.requests) == 2
    (interaction,) = read_cassette(pytester.path / "cassettes" / LAYOUT[1])
    assert len(interaction.response.stream.chunks) > 2
    assert "user-agent" not in dict(interaction.request.headers)
    pytester.runpytest_inprocess(*OFF, "--block-network").assert_outcomes(passed=2)
    assert len(upstream.requests) == 2, "the replay sent no request"


def test_without_record_mode_nothing_is_recorded(pytester, upstream):
    """pytest-recording's default is to replay only, and a missing cassette fails."""
    write(pytester, upstream.base_url(), "vcr")
    result = pytester.runpytest_inprocess(*OFF)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*MismatchError: No recording for POST *--record-mode=new_episodes adds it)"])
    assert upstream.requests == ()
    assert not (pytester.path / "cassettes").exists()


def test_disable_recording(pytester, upstream):
    """`--disable-recording` leaves the clients alone."""
    write(pytester, upstream.base_url(), "vcr")
    pytester.runpytest_inprocess(*OFF, "--disable-recording").assert_outcomes(passed=2)
    assert len(upstream.requests) == 2
    assert not (pytester.path / "cassettes").exists()


def test_what_pytest_recording_alone_recorded_replays(pytester, upstream):
    """A cassette of plain pytest-recording, without chunks, replays event by event."""
    write(pytester, upstream.base_url(), "vcr")
    pytester.runpytest_subprocess(*OFF, "-p", "no:tokentape", "--record-mode=once").assert_outcomes(passed=1, failed=1)
    pytester.runpytest_inprocess(*OFF).assert_outcomes(passed=2)


def test_ours_replays_in_plain_pytest_recording(pytester, upstream):
    """What we recorded passes where only pytest-recording is installed, as one body."""
    write(pytester, upstream.base_url(), "vcr")
    pytester.runpytest_inprocess(*OFF, "--record-mode=once").assert_outcomes(passed=2)
    result = pytester.runpytest_subprocess(*OFF, "-p", "no:tokentape")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*a stream, not one body*"])


def test_our_own_marker_without_pytest_recording(pytester, upstream):
    """The marker `tape` records by `--tape-record-mode`, in the same layout, and replays by default."""
    config = "@pytest.fixture\ndef tape_config():\n    return {'filter_headers': ['user-agent'], 'all_played': True}\n"
    write(pytester, upstream.base_url(), "tape", config, "tape")
    pytester.runpytest_inprocess(*WITHOUT_RECORDING, "--tape-record-mode=once").assert_outcomes(passed=2)
    assert cassettes(pytester) == LAYOUT
    (interaction,) = read_cassette(pytester.path / "cassettes" / LAYOUT[1])
    assert "user-agent" not in dict(interaction.request.headers)
    pytester.runpytest_inprocess(*WITHOUT_RECORDING, "-W", "error").assert_outcomes(passed=2)
    assert len(upstream.requests) == 2, "the replay sent no request"


def test_our_marker_takes_a_path_and_options(pytester, upstream):
    """A path names the cassette, and the options are those of `use_cassette`."""
    write(pytester, upstream.base_url(), "tape('shared', record_mode='new_episodes')".replace("shared", "shared.yaml"))
    pytester.runpytest_inprocess(*WITHOUT_RECORDING).assert_outcomes(passed=2)
    assert cassettes(pytester) == ["test_streams/shared.yaml"]
    assert len(read_cassette(pytester.path / "cassettes/test_streams/shared.yaml")) == 2


def test_rewrite_records_again(pytester, upstream):
    """`--tape-record-mode=rewrite` deletes the cassette and records it again."""
    write(pytester, upstream.base_url(), "tape")
    for _ in range(2):
        pytester.runpytest_inprocess(*WITHOUT_RECORDING, "--tape-record-mode=rewrite").assert_outcomes(passed=2)
    assert len(upstream.requests) == 4
    assert [len(read_cassette(pytester.path / "cassettes" / name)) for name in LAYOUT] == [1, 1]


def test_a_missing_recording_fails(pytester, upstream):
    """By default nothing is recorded, and a request without a recording fails."""
    write(pytester, upstream.base_url(), "tape")
    result = pytester.runpytest_inprocess(*WITHOUT_RECORDING)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*MismatchError: No recording for POST *--tape-record-mode=new_episodes adds it)"])
    assert upstream.requests == ()


@pytest.mark.parametrize(("option", "meant"), [("al_played", "all_played"), ("mode", "record_mode")])
def test_an_unknown_option_fails(pytester, upstream, option, meant):
    """A typing error in the mark, or the command's word for it, is an error of the test's setup."""
    write(pytester, upstream.base_url(), f"tape({option}=True)")
    result = pytester.runpytest_inprocess(*WITHOUT_RECORDING)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines([f"*UsageError: use_cassette has no option '{option}': is it '{meant}'?"])


def test_a_failed_test_is_only_that(pytester, upstream):
    """A test that failed before its last request gets no error for unplayed recordings; its cassette keeps them."""
    url = upstream.base_url()
    write(pytester, url, "tape")
    pytester.runpytest_inprocess(*WITHOUT_RECORDING, "--tape-record-mode=once").assert_outcomes(passed=2)
    code = """
        import pytest

        @pytest.mark.tape("test_stream.yaml", all_played=True, drop_unused_requests=True, record_mode="new_episodes")
        def test_stream():
            assert FINE
    """
    pytester.makepyfile(test_streams=code.replace("FINE", "False"))
    pytester.runpytest_inprocess(*WITHOUT_RECORDING).assert_outcomes(failed=1)
    assert len(read_cassette(pytester.path / "cassettes" / LAYOUT[1])) == 1
    pytester.makepyfile(test_streams=code.replace("FINE", "True").replace(", drop_unused_requests=True", ""))
    result = pytester.runpytest_inprocess(*WITHOUT_RECORDING)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*UnplayedRecordingError: *test_stream.yaml: not replayed: interaction 0*"])


@pytest.mark.parametrize(
    ("mark", "fixture", "plugins"), [("vcr", "vcr_config", OFF), ("tape", "tape_config", WITHOUT_RECORDING)]
)
def test_own_rules_of_redaction(pytester, upstream, mark, fixture, plugins):
    """Rules in the configuration hold for every test of the module, with pytest-recording and without it."""
    config = (
        "from tokentape_harness.redaction import DEFAULT_RULES\n"
        f"@pytest.fixture\ndef {fixture}():\n"
        "    return {'rules': DEFAULT_RULES.adding(headers=['user-agent'], json_paths=['messages[*].content'])}\n"
    )
    write(pytester, upstream.base_url(), mark, config)
    option = "--record-mode=once" if mark == "vcr" else "--tape-record-mode=once"
    pytester.runpytest_inprocess(*plugins, option).assert_outcomes(passed=2)
    for name in LAYOUT:
        (interaction,) = read_cassette(pytester.path / "cassettes" / name)
        assert dict(interaction.request.headers)["user-agent"] == "REDACTED"
        assert b"Hello?" not in interaction.request.body
    pytester.runpytest_inprocess(*plugins).assert_outcomes(passed=2)
    assert len(upstream.requests) == 2, "the replay sent no request"


TWO = """
interactions:
- request: {method: POST, uri: "http://api.example.test/ask", headers: {}, body: '{"model":"a"}'}
  response: {status: {code: 200, message: OK}, headers: {}, body: {string: one}}
- request: {method: POST, uri: "http://api.example.test/ask", headers: {}, body: '{"model":"b"}'}
  response: {status: {code: 200, message: OK}, headers: {}, body: {string: two}}
version: 1
"""


@pytest.mark.parametrize("plugin", [["-p", "no:tokentape"], []])
def test_the_same_recording_answers_as_in_plain_vcrpy(plugin, pytester):
    """The first in the file, unless `body` is in `match_on`, with repeats and without, with our plugin as without."""
    pytester.makepyfile(
        test_two="""
        import httpx2
        import pytest

        def call(model):
            return httpx2.post("http://api.example.test/ask", json={"model": model}).text

        @pytest.mark.vcr("two.yaml")
        def test_in_order():
            assert [call("b"), call("b")] == ["one", "two"]

        @pytest.mark.vcr("two.yaml", allow_playback_repeats=True)
        def test_repeats():
            assert [call("b"), call("a"), call("b")] == ["one"] * 3

        @pytest.mark.vcr("two.yaml", match_on=["method", "uri", "body"])
        def test_bodies():
            assert [call("b"), call("a")] == ["two", "one"]
        """
    )
    folder = pytester.path / "cassettes" / "test_two"
    folder.mkdir(parents=True)
    (folder / "two.yaml").write_text(TWO)
    pytester.runpytest_subprocess(*OFF, *plugin).assert_outcomes(passed=3)


def test_a_tape_records_where_the_network_is_blocked(pytester, upstream):
    """With pytest-recording's --block-network a test that may record reaches the network, and no other does."""
    pytester.makepyfile(
        test_blocked=f"""
        import socket
        import httpx2
        import pytest

        SAID = [{{"role": "user", "content": "Hello?"}}]

        def call():
            return httpx2.post("{upstream.base_url()}/chat/completions", json={{"model": "m", "messages": SAID}}).text

        @pytest.mark.tape
        def test_tape():
            assert "seven" in call()

        @pytest.mark.tape(record_mode="none")
        def test_replay():
            with pytest.raises(RuntimeError, match="Network is disabled"):
                socket.create_connection(("127.0.0.1", 9))

        @pytest.mark.block_network
        def test_unmarked():
            with pytest.raises(RuntimeError, match="Network is disabled"):
                socket.create_connection(("127.0.0.1", 9))
        """
    )
    record = pytester.runpytest_subprocess(*OFF, "--block-network", "--tape-record-mode=once", "-k", "not replay")
    record.assert_outcomes(passed=2, deselected=1)
    assert cassettes(pytester) == ["test_blocked/test_tape.yaml"]
    pytester.runpytest_subprocess(*OFF, "--block-network").assert_outcomes(passed=3)
    assert len(upstream.requests) == 1
