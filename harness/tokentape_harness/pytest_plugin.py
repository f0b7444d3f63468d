"""The pytest plugin: a fake provider for each test, and cassettes that keep the chunks of streams.

It is loaded in every pytest run once installed, so it imports nothing before a fixture is requested.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from vcr import VCR
    from vcr.cassette import Cassette

    from tokentape_fake_provider.hosting.provider import Provider
    from tokentape_fake_provider.hosting.server import FakeProviderServer
    from tokentape_fake_provider.sessions.session import Session
    from tokentape_harness.flush.flush_probe import FlushProbe
    from tokentape_harness.sweep.pytest_sweep import FaultSweep
    from tokentape_harness.testing.fake_provider import FakeProvider
    from tokentape_harness.testing.remote import RemoteProvider

_MARKER = "fake_provider"
_TAPE = "tape"
_SWEEP = "fault_sweep"
_CONFORMANCE = "tokentape_conformance"
_PROVIDERS = pytest.StashKey["list[FakeProvider]"]()
"""The fake providers of a test, if failed tests leave reports."""
_VERDICT = "tokentape_verdict"
_ERRORS = pytest.StashKey["list[str]"]()
"""The errors of a test so far: of its body, and of its teardown."""


def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Add the options of the conformance suites if the run includes them (xdist's workers get their path)."""
    path = _CONFORMANCE.replace(".", "/")
    paths = [arg.partition("::")[0].replace("\\", "/").rstrip("/") for arg in args]
    if any(arg == _CONFORMANCE or arg.removesuffix("/test_suites.py").endswith(path) for arg in paths):
        with _extra("the conformance suites"):
            early_config.pluginmanager.import_plugin(f"{_CONFORMANCE}.pytest_suites")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the record mode of the mark `tape`, the file for matrices, and the folder for reports of failed tests."""
    parser.getgroup("tokentape").addoption(
        "--fault-sweep-json",
        metavar="FILE",
        help="write the matrices of tests marked `fault_sweep` to this file, as JSON",
    )
    parser.getgroup("tokentape").addoption(
        "--tokentape-report",
        metavar="DIR",
        help="write what the fake provider of each failed test received and sent to this folder, as one HTML file each",
    )
    parser.getgroup("tokentape").addoption(
        "--tokentape-verdict",
        metavar="FILE",
        help="judge how resilient the client of each test with a fake provider is, and write all findings to this "
        ".sarif, .xml (JUnit), .html or .json file",
    )
    parser.getgroup("tokentape").addoption(
        "--tape-record-mode",
        choices=("once", "new_episodes", "none", "all", "rewrite"),
        help="record mode of tests marked `tape` (default: none); `rewrite` deletes the cassette first",
    )
    parser.getgroup("tokentape").addoption(
        "--tokentape-variation",
        metavar="CHANGES",
        help="split, join or delay the streams of each test in this way, as `tokentape doctor` reports it",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    config.addinivalue_line(
        "markers",
        f"{_TAPE}(path=..., record_mode=..., speed=..., allow_truncated=..., all_played=..., **options): replay this "
        "test's requests from its cassette, or record them; the options are those of use_cassette",
    )
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(cassette, rules=..., speed=..., timing=..., strict=..., seed=..., usage=..., repeat=..., "
        "locale=..., dialect=..., faults=..., clock=..., validate=..., normalise=..., ignore_path=..., "
        "ignore_text=..., hold=...): how the fixture fake_provider answers in this test",
    )
    config.addinivalue_line(
        "markers",
        f"{_SWEEP}(cassette, faults=..., places=..., seed=..., interaction=..., match=..., times=..., patience=..., "
        "fail_on=..., parallel=...): run the test with each fault at each frame of a recording, and print a matrix of "
        "the outcomes",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize a test marked `fault_sweep` with each fault at each frame."""
    if metafunc.definition.get_closest_marker(_SWEEP) is not None:
        with _extra(f"the mark {_SWEEP}"):
            from tokentape_harness.sweep.pytest_sweep import parametrize

        parametrize(metafunc)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run each test with the changes of `--tokentape-variation`."""
    text = item.config.getoption("--tokentape-variation")
    if not text:
        return (yield)
    with _extra("--tokentape-variation"):
        from tokentape_fake_provider.sessions.variation import varied
        from tokentape_harness.doctor.change import parse_variation
        from tokentape_harness.doctor.conductor import Conductor

    with varied(Conductor(parse_variation(text))):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Run a part of the cells of sweeps in other processes."""
    if not any(item.get_closest_marker(_SWEEP) for item in session.items):
        return (yield)
    from tokentape_harness.sweep.cells_beside import beside
    from tokentape_harness.sweep.pytest_sweep import waiting_s

    with beside(session, waiting_s):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Judge how the code under test handled a fault, instead of letting its error fail the test."""
    callspec = getattr(pyfuncitem, "callspec", None)
    if callspec is None or _SWEEP not in callspec.params:
        return (yield)
    from tokentape_harness.sweep.pytest_sweep import call, swept_cell

    swept = swept_cell(pyfuncitem)
    return (yield) if swept is None else (yield from call(pyfuncitem, swept))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Leave a report of a failed test's fake providers, and name it beside the failure."""
    report = yield
    providers = item.stash.get(_PROVIDERS, [])
    if report.failed and providers:
        from tokentape_harness.testing.report import write_report

        folder = item.config.invocation_params.dir / item.config.getoption("--tokentape-report")
        error = "\n\n".join([*item.stash.get(_ERRORS, []), report.longreprtext])
        item.stash[_ERRORS] = [error]
        try:
            what = str(write_report(folder, item.nodeid, report.outcome, error, providers))
        except OSError as problem:
            what = f"not written: {problem}"
        report.sections.append(("tokentape report", what))
    if call.when == "teardown" and providers:
        del item.stash[_PROVIDERS]
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the matrix of each test marked `fault_sweep`, and write the verdicts."""
    if config.getoption("--tokentape-verdict"):
        with _extra("--tokentape-verdict"):
            from tokentape_harness.testing.verdicts.pytest_report import write_report

        terminalreporter.write_line(write_report(terminalreporter, _VERDICT))
    reports = [
        report
        for reports in terminalreporter.stats.values()
        for report in reports
        if any(name == _SWEEP for name, _ in getattr(report, "user_properties", ()))
    ]
    path = config.getoption("--fault-sweep-json")
    if not reports and path is None:
        return
    with _extra("--fault-sweep-json"):
        from tokentape_harness.sweep.pytest_sweep import matrices, write_json

    found = matrices(reports)
    for matrix in found:
        terminalreporter.section("fault sweep", "-")
        for line in matrix.lines():
            terminalreporter.write_line(line)
    if path is not None:
        from pathlib import Path

        write_json(Path(path), found)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give the fixture `tape` to every test marked `tape`."""
    if isinstance(item, pytest.Function) and item.get_closest_marker(_TAPE) and _TAPE not in item.fixturenames:
        item.fixturenames.insert(0, _TAPE)


@pytest.hookimpl(optionalhook=True, trylast=True)
def pytest_recording_configure(config: pytest.Config, vcr: VCR) -> None:
    """Make pytest-recording's cassettes keep streams; it calls this for every test that is marked `vcr`."""
    del config
    with _extra("the mark vcr"):
        from tokentape_harness.recording.pytest_cassettes import keep_streams

    keep_streams(vcr)


@pytest.fixture
def tape_config() -> dict[str, Any]:
    """Options of `use_cassette` for all tests marked `tape`; redefine it in a conftest.py or a module."""
    return {}


@pytest.fixture
def tape(request: pytest.FixtureRequest, tape_config: dict[str, Any]) -> Iterator[Cassette]:
    """The cassette of this test, open: vcrpy's own object."""
    with _extra("the fixture tape"):
        from tokentape_harness.recording.pytest_cassettes import cassette_of

    mode = request.config.getoption("--tape-record-mode")
    context = cassette_of(request.node, tape_config, mode)
    if context.records:
        _unblock_network(request)
    failures = request.session.testsfailed
    with context as cassette:
        yield cassette
        # A fixture does not see the exception of its test.
        context.failed = request.session.testsfailed > failures


def _unblock_network(request: pytest.FixtureRequest) -> None:
    """Unblock the network for a test that records, as pytest-recording does for tests marked `vcr`."""
    if "block_network" not in request.fixturenames:
        return
    # The fixture blocks at its setup, and unblocks at its teardown.
    request.getfixturevalue("block_network")
    from pytest_recording import network

    network.unblock()


@pytest.fixture(scope="session")
def fake_provider_server() -> Iterator[FakeProviderServer | RemoteProvider]:
    """The server of this run (of this worker under xdist), on a free port of the loopback interface.

    If the variable TOKENTAPE_URL is set, it is the server there.
    """
    import os

    with _extra("the fixture fake_provider"):
        from tokentape_fake_provider.hosting.server import FakeProviderServer
        from tokentape_harness.testing.control_api import TOKEN, URL
        from tokentape_harness.testing.exchange_tools import HarnessTools
        from tokentape_harness.testing.remote import RemoteProvider

    url = os.environ.get(URL)
    with RemoteProvider(url, os.environ.get(TOKEN)) if url else FakeProviderServer(tools=HarnessTools()) as server:
        yield server


@pytest.fixture
def fake_provider(fake_provider_server: Provider, request: pytest.FixtureRequest) -> Iterator[FakeProvider]:
    """A fake provider with nothing queued: a separate session, so that tests are isolated."""
    session = fake_provider_server.create_session()
    try:
        provider = _set_up(fake_provider_server, session, request)
        yield provider
        _judge(provider, request)
        provider.finish()
    finally:
        fake_provider_server.delete_session(session.id)


@pytest.fixture
def fake_provider_in_process(request: pytest.FixtureRequest) -> Iterator[FakeProvider]:
    """A fake provider without a port, for clients that take a transport: `transport()`, `async_transport()`.

    Its clock advances automatically when nothing else is left to do.
    """
    with _extra("the fixture fake_provider_in_process"):
        from tokentape_fake_provider.hosting import InProcessProvider

    with InProcessProvider() as server:
        provider = _set_up(server, server.create_session(clock="automatic"), request)
        yield provider
        _judge(provider, request)
        provider.finish()


@pytest.fixture
def fake_provider_env(fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    """The fake provider, with the environment variables set that point the official SDKs to it."""
    import os
    from urllib.parse import urlsplit

    from tokentape_harness.testing.sdk_environment import sdk_environment

    for name, value in sdk_environment(fake_provider.url).items():
        monkeypatch.setenv(name, value)
    # A proxy from the environment would receive these requests too.
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, ",".join(filter(None, [urlsplit(fake_provider.url).hostname, os.environ.get(name)])))
    return fake_provider


def _judge(provider: FakeProvider, request: pytest.FixtureRequest) -> None:
    """Judge the client of a test, if a report is wanted."""
    if request.config.getoption("--tokentape-verdict"):
        from tokentape_harness.testing.verdicts.pytest_report import judged

        request.node.user_properties.append((_VERDICT, judged(request.node, provider.client.verdict(timeout=1.0))))


def _set_up(server: Provider, session: Session, request: pytest.FixtureRequest) -> FakeProvider:
    """The provider, configured by the test's marks; the nearest is applied last."""
    with _extra("the fixture fake_provider"):
        from tokentape_harness.cassettes.files import cassette_folders
        from tokentape_harness.testing.fake_provider import FakeProvider
        from tokentape_harness.testing.project_settings import project_settings

    provider = FakeProvider(server, session, cassette_folders(request.path, request.config.rootpath))
    if request.config.getoption("--tokentape-report"):
        request.node.stash.setdefault(_PROVIDERS, []).append(provider)
    session.configure(**project_settings(request.config.rootpath).comparison)
    for marker in reversed(list(request.node.iter_markers(_MARKER))):
        provider.set_up(*marker.args, **marker.kwargs)
    if request.node.get_closest_marker(_SWEEP) is not None:
        from tokentape_harness.sweep.pytest_sweep import set_up

        sweep: FaultSweep = request.getfixturevalue(_SWEEP)
        sweep.provider = provider
        set_up(provider, sweep.swept)
    return provider


@pytest.fixture
def fault_sweep(request: pytest.FixtureRequest) -> FaultSweep:
    """The current cell of a test marked `fault_sweep`."""
    with _extra("the fixture fault_sweep"):
        from tokentape_harness.errors import UsageError
        from tokentape_harness.sweep.pytest_sweep import SWEEPS, FaultSweep

    if getattr(request, "param", None) is None:
        raise UsageError("the fixture fault_sweep is for tests that are marked fault_sweep(cassette)")
    sweep = FaultSweep(request.param)
    request.node.stash[SWEEPS] = sweep
    return sweep


@pytest.fixture
def flush_probe(fake_provider_env: FakeProvider) -> FlushProbe:
    """The flush checker: does an app pass on each token of the fake provider as it arrives?"""
    from tokentape_harness.flush.flush_probe import FlushProbe

    return FlushProbe(fake_provider_env)


@contextmanager
def _extra(by: str) -> Iterator[None]:
    """Within it, import what the extra installs; without the extra the test fails with one line."""
    from tokentape_fake_provider.errors import MissingExtraError, extra_needed

    try:
        with extra_needed("harness", by):
            yield
    except MissingExtraError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
