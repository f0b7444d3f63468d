"""RAG apps of frameworks, unmodified, from files to a streamed answer with citations: embeddings, retrieval, chat."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.driver import Drivers
from tests.clients.rag import RAG_APPS, RagApp
from tests.environments import UnavailableError
from tests.fake_provider.endpoints.retrieval_set import PASSAGES
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.sessions.rule import Rule

pytestmark = [pytest.mark.clients, pytest.mark.timeout(900)]

HOLIDAYS = 10
QUESTION = PASSAGES[HOLIDAYS].queries[0]
ANSWER = "Employees have 28 days of paid holiday a year [1]."


def _params() -> list[object]:
    return [
        pytest.param(
            app, id=f"{app.package}-{app.wire}", marks=pytest.mark.xdist_group(f"{app.environment}-{app.driver}")
        )
        for app in RAG_APPS
    ]


@pytest.mark.parametrize("app", _params())
def test_a_rag_app_answers_from_its_files(drivers: Drivers, app: RagApp, tmp_path: Path) -> None:
    """It embeds fifty files and the question, finds the right file first, and streams an answer that cites it."""
    try:
        driver = drivers.get(app.environment, app.driver)
    except UnavailableError as error:
        pytest.skip(str(error))
    for number, passage in enumerate(PASSAGES):
        (tmp_path / f"{number:02}.txt").write_text(passage.text)
    session = driver.session
    session.clear()
    session.configure(strict=False)
    if app.scripted:
        session.add_rule(Rule((Script.of(ANSWER),), contains=PASSAGES[HOLIDAYS].text[:40], wire=app.wire))
    got = driver.job(wire=app.wire, folder=str(tmp_path), question=QUESTION, top=3)
    assert "error" not in got, got["error"]
    right = f"{HOLIDAYS:02}.txt"
    assert got["found"][0] == right
    assert got["pieces"] > 3
    assert right in got["cited"]
    if app.scripted:
        assert (got["text"], got["cited"]) == (ANSWER, [right])
    entries = session.journal.wait()
    assert {entry.status for entry in entries} == {200}
    assert [entry.wire for entry in entries if entry.wire != "openai_embeddings"] == [app.wire]
    assert len(entries) > 1
