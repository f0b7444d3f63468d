"""pytest plugin: the options of `pytest --pyargs tokentape_conformance --target ...`.

The harness's plugin registers it only in runs that name this package among their arguments.
"""

from __future__ import annotations

from typing import Any

import pytest

from tokentape_conformance.execution import TIMEOUT_S

RUN = pytest.StashKey[Any]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the command line."""
    group = parser.getgroup("tokentape conformance")
    group.addoption("--suite", default="iterator", help="the suite: iterator, provider, pipeline or telemetry")
    group.addoption("--target", metavar="TARGET", help="what `tokentape conformance SUITE` takes")
    group.addoption("--wire", action="append", default=[], metavar="W", help="only this wire format; repeatable")
    group.addoption("--case", action="append", default=[], metavar="PATTERN", help="only these cases; repeatable")
    group.addoption("--include", action="append", default=[], metavar="FILE|MODULE", help="cases of your own")
    group.addoption("--option", action="append", default=[], metavar="NAME=VALUE", help="an option of the suite")
    group.addoption("--baseline", metavar="FILE", help="known deviations: they become xfail")
    group.addoption("--seed", type=int, default=0, help="seed of what cases draw at random")
    group.addoption("--case-timeout", type=float, default=TIMEOUT_S, metavar="S", help="how long a case may take, in s")


def pytest_configure(config: pytest.Config) -> None:
    """Load the target, so that a wrong one is reported at once."""
    if config.getoption("--target") is None:
        raise pytest.UsageError("conformance: give the target, --target module:factory")
    from pathlib import Path

    from tokentape_conformance.execution import Job
    from tokentape_conformance.run import Run
    from tokentape_harness.errors import HarnessError

    options = dict(option.partition("=")[::2] for option in config.getoption("--option"))
    job = Job(
        config.getoption("--suite"),
        config.getoption("--target"),
        options,
        tuple(config.getoption("--include")),
        config.getoption("--seed"),
        config.getoption("--case-timeout"),
    )
    baseline = config.getoption("--baseline")
    try:
        config.stash[RUN] = Run(
            job,
            wires=config.getoption("--wire"),
            patterns=config.getoption("--case"),
            baseline=None if baseline is None else Path(baseline),
            jobs=1,
        )
    except HarnessError as error:
        raise pytest.UsageError(f"conformance: {error}") from error
