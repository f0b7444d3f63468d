"""The verdicts on apps of real SDKs are those of docs/verdict.md."""

from __future__ import annotations

import pytest

from tests.clients.driver import Drivers
from tests.clients.verdicts import APPS, CASES, PAGE, App, cell, column, measured
from tests.environments import UnavailableError

pytestmark = pytest.mark.clients


@pytest.mark.parametrize(
    "app",
    [
        pytest.param(app, id=app.name, marks=pytest.mark.xdist_group(f"{app.environment}-{app.driver}"))  # one start
        for app in APPS
    ],
)
def test_the_page_has_the_verdicts(drivers: Drivers, app: App) -> None:
    """Each app gets the findings of the page in each case, and ends as the page has it."""
    try:
        found = [cell(*measured(drivers, app, case)) for case in CASES]
    except UnavailableError as error:
        pytest.skip(str(error))
    assert dict(zip(CASES, found, strict=True)) == dict(zip(CASES, column(PAGE.read_text(), app), strict=True))
