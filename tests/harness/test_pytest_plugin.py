"""The plugin in pytest runs of its own: with xdist, with asyncio plugins, and with neither."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.projects import HEAVY, NO_LOOP
from tokentape_harness.testing import Project

SYNC = """
    import json
    import urllib.request

    import pytest


    def call(fake_provider):
        body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
        request = urllib.request.Request(
            fake_provider.base_url("openai_chat") + "/chat/completions",
            json.dumps(body).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request) as response:
            return json.load(response)["choices"][0]["message"]["content"]


    @pytest.mark.parametrize("number", range(6))
    def test_own_session(fake_provider, number):
        fake_provider.script(f"number {number}")
        assert call(fake_provider) == f"number {number}"
        assert len(fake_provider.requests) == 1
        fake_provider.assert_all_played()
        assert len(list(fake_provider.server.sessions)) == 2, "the default session, and that of this test alone"


    def test_one_server(fake_provider, fake_provider_server):
        assert fake_provider.url.startswith(fake_provider_server.url)
"""

ASYNC = """
    import httpx2
    import pytest


    async def call(fake_provider):
        fake_provider.script("hi")
        async with httpx2.AsyncClient() as client:
            body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
            response = await client.post(fake_provider.base_url() + "/chat/completions", json=body)
        assert response.json()["choices"][0]["message"]["content"] == "hi"


    @pytest.mark.MARK
    async def test_async(fake_provider):
        await call(fake_provider)
"""


@pytest.mark.slow
def test_every_xdist_worker_has_a_server():
    """Under xdist each worker has its own server, and no test sees another's session."""
    Project.of(SYNC).run_pytest("-n", "2", "-W", "error", without=NO_LOOP).assert_outcomes(passed=7)


@pytest.mark.slow
def test_without_any_asyncio_plugin():
    """The fixtures need neither pytest-asyncio nor anyio nor xdist."""
    off = (*NO_LOOP, "xdist", "xdist.looponfail")
    Project.of(SYNC).run_pytest("-W", "error", without=off).assert_outcomes(passed=7)


@pytest.mark.slow
def test_under_asyncio_and_anyio():
    """The fixtures serve coroutine tests of pytest-asyncio and of anyio in one run."""
    project = Project.of(
        {
            "pytest.ini": "[pytest]\nasyncio_default_fixture_loop_scope = function\n",
            "test_asyncio.py": ASYNC.replace("MARK", "asyncio"),
            "test_anyio.py": ASYNC.replace("MARK", "anyio"),
            "conftest.py": "import pytest\n\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n",
        }
    )
    project.run_pytest("-W", "error", without=HEAVY).assert_outcomes(passed=2)


@pytest.mark.slow
def test_cassettes_are_found_as_pytest_recording_lays_them_out():
    """A relative path is looked up beside the test, in `cassettes`, in `cassettes/<module>` and in the root."""
    layout = """
        import pytest


        @pytest.mark.fake_provider(cassette="in_root", strict=True)
        @pytest.mark.parametrize("name", ["beside.yaml", "in_cassettes", "in_module", "sub/deep", "in_root.yaml"])
        def test_found(fake_provider, name):
            assert len(fake_provider.session.recordings) == 1
            assert fake_provider.cassette(name) == 1
            assert fake_provider.session.settings.strict
    """
    text = """\
interactions:
- request: {body: null, headers: {}, method: GET, uri: 'http://x/'}
  response: {body: {string: a}, headers: {}, status: {code: 200, message: OK}}
version: 1
"""
    places = [
        "beside",
        "cassettes/in_cassettes",
        "cassettes/test_layout/in_module",
        "cassettes/sub/deep",
        "in_root",
    ]
    project = Project.of({"test_layout.py": layout, **{f"{place}.yaml": text for place in places}})
    project.run_pytest("--strict-markers", without=NO_LOOP, in_process=True).assert_outcomes(passed=5)


@pytest.mark.slow
def test_the_marker_is_registered():
    """`pytest --markers` shows the marker and what it takes."""
    run = Project.of({}).run_pytest("--markers", without=NO_LOOP, in_process=True)
    assert "\n@pytest.mark.fake_provider(cassette, " in run.output


def test_the_plugin_imports_nothing_before_it_is_used():
    """A run that uses no fixture of ours pays for no server, YAML, Faker or HTTP client."""
    code = "import sys, pytest; before = set(sys.modules); import tokentape_harness.pytest_plugin; "
    code += "print(sorted(name for name in set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    names = ["tokentape_fake_provider", "tokentape_harness"]
    assert done.stdout.strip() == str(
        sorted([*names, *(f"{name}.errors" for name in names), "tokentape_harness.pytest_plugin"])
    )


@pytest.mark.slow
def test_no_fixture_is_autouse():
    """No fixture of ours runs in a test that does not request it."""
    project = Project.of(
        """
        def test_plain(request):
            assert not [name for name in request.fixturenames if "fake_provider" in name]
        """
    )
    project.run_pytest(without=NO_LOOP, in_process=True).assert_outcomes(passed=1)


@pytest.mark.slow
def test_a_wrong_marker_is_a_clear_error():
    """A marker that can't be honoured fails the test with one line that has the reason."""
    project = Project.of(
        """
        import pytest

        @pytest.mark.fake_provider(colour="red")
        def test_setting(fake_provider):
            pass

        @pytest.mark.fake_provider(timing="fast")
        def test_timing(fake_provider):
            pass

        @pytest.mark.fake_provider(cassette="none.yaml")
        def test_cassette(fake_provider):
            pass
        """
    )
    run = project.run_pytest(without=NO_LOOP, in_process=True).assert_outcomes(errors=3)
    for line in (
        "tokentape_harness.errors.UsageError: no setting colour: the known ones are ",
        "tokentape_fake_provider.errors.TimingError: timing: 'fast' is not one of ",
        "tokentape_harness.errors.CassetteNotFoundError: none.yaml: no such cassette in ",
    ):
        assert re.search(f"^E +{re.escape(line)}", run.output, re.MULTILINE)


COMPARES = """
    import pytest


    @pytest.mark.fake_provider(normalise={"ids": False})
    def test_marked(fake_provider):
        assert fake_provider.session.settings.normalise == {"ids": False}
        assert fake_provider.session.settings.ignore_path == ["$.trace"]


    def test_default(fake_provider_in_process):
        assert fake_provider_in_process.session.settings.normalise == {"dates": False}
"""


@pytest.mark.slow
def test_the_project_decides_what_is_ignored() -> None:
    """The fixtures begin with the table [tool.tokentape] of the project; a mark overrides it."""
    settings = "[tool.tokentape]\nnormalise = {dates = false}\nignore_path = ['$.trace']\n"
    project = Project.of({"pyproject.toml": settings, "test_it.py": COMPARES})
    project.run_pytest(without=NO_LOOP, in_process=True).assert_outcomes(passed=2)
