"""What all tests share: hypothesis without deadlines, few examples in the fast suite, in CI the same ones every time.

A shell that starts the tests in the background has them ignore Ctrl-C, and nohup has them ignore a hang-up, and the
programs that they start as well: those are to take both as in a terminal.
"""

from __future__ import annotations

import functools
import gc
import importlib
import os
import signal
import ssl
import sys
import threading
from collections.abc import Callable
from itertools import compress
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

from tests.environments import built_wheel
from tests.sampling import sampled

settings.register_profile(
    "fast",
    deadline=None,
    max_examples=6,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", settings.get_profile("fast"), max_examples=20)
settings.load_profile("fast")  # --hypothesis-profile comes after it

if threading.current_thread() is threading.main_thread():
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


# No test talks to anybody with a certificate, and each client would read all of the machine's: 20 ms and more.
ssl.SSLContext.load_verify_locations = lambda *_, **__: None  # type: ignore[method-assign]
ssl.SSLContext.load_default_certs = lambda *_, **__: None  # type: ignore[method-assign]

# jsonschema imports the check of IRIs, whose grammar takes seconds to compile, and few tests need.
IRIS = ModuleType("rfc3987_syntax")


@functools.cache
def _checks_iris() -> Callable[[str, str], bool]:
    del sys.modules[IRIS.__name__]
    check: Callable[[str, str], bool] = importlib.import_module(IRIS.__name__).is_valid_syntax
    return check


IRIS.is_valid_syntax = lambda term, value: _checks_iris()(term, value)  # type: ignore[attr-defined]
sys.modules.setdefault(IRIS.__name__, IRIS)


def pytest_sessionstart() -> None:
    """Few examples are not drawn from the constants of our code: sorting out thousands, again and again, takes longer.

    A twentieth of all draws is of such constants, or of hypothesis's own, which stay.
    """
    if settings().max_examples < settings.get_profile("thorough").max_examples:
        providers._get_local_constants = lambda: providers._local_constants


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run take a sample of the cases."""
    parser.addoption("--sample", type=int, default=1, metavar="N", help="run each test's first case, and one in N more")


@pytest.hookimpl(trylast=True)  # of what -m and -k leave
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Name each group of xdist, so that one worker runs it; leave out what is not in the sample."""
    for item in items:
        # xdist 3.8 sets a member that pytest 9.2 reads no more: each test would be a group of its own.
        named = getattr(item, "_nodeid", item.nodeid)
        if named != item.nodeid:
            item._id = type(item.id).parse(named)
    kept = list(sampled((item.nodeid for item in items), config.getoption("--sample")))
    config.hook.pytest_deselected(items=[item for item, is_kept in zip(items, kept, strict=True) if not is_kept])
    items[:] = compress(items, kept)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Report a test without its group, so that --last-failed knows it in a run without workers."""
    if "PYTEST_XDIST_WORKER" not in os.environ and report.nodeid.rfind("@") > report.nodeid.rfind("]"):
        report.nodeid = report.nodeid.rpartition("@")[0]


gc.disable()  # until all SDKs are imported and all tests collected: a million objects, which stay


def pytest_collection_finish() -> None:
    """Collect garbage again, a tenth as often, but never look at what is there now."""
    gc.freeze()
    gc.set_threshold(7_000)
    gc.enable()


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of this run that all workers share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def wheel(shared_folder: Path) -> Path:
    """The wheel, built once for all workers; `tests.environments.user_environment` installs it."""
    return built_wheel(shared_folder / "wheel")
