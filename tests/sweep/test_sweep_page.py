"""docs/sweep.md has what was measured, and our own client takes no truncated stream for complete."""

from __future__ import annotations

import logging
import re

import pytest

from tests.environments import UnavailableError
from tests.pages import block_with, page_text, run
from tests.projects import LIGHT
from tests.sweep.agent import NAME
from tests.sweep.measured import RECORDINGS, REPOSITORY, matrix_block, swept, whole_block
from tokentape_fake_provider.hosting import InProcessProvider
from tokentape_harness import FakeProvider
from tokentape_harness.errors import SweepError
from tokentape_harness.sweep import OUTCOMES, plan_sweep, read_subject
from tokentape_harness.sweep.clients import sdk_client
from tokentape_harness.sweep.matrix import LETTERS, Matrix
from tokentape_harness.sweep.pytest_sweep import OPTIONS
from tokentape_harness.sweep.run import run_sweep
from tokentape_harness.testing import Project
from tokentape_harness.testing.client_assertions import ClientBehaviour

pytestmark = pytest.mark.slow

TEXT = page_text("docs/sweep.md")
CUTS = ("fin", "rst", "clean_end", "half_event", "in_band_error", "stall", "empty_stream")
SDKS = [
    (recording, client)
    for recording, clients in RECORDINGS.items()
    for client in clients
    if client in ("openai", "anthropic")
]


def check(recording: str, client: str) -> Matrix:
    """The page has what this client does: of a long recording, at every fifth place that the page shows."""
    step = 5 if "long" in recording else 1
    matrix = swept(recording, client, step)
    assert matrix.counts["unmet"] == 0
    assert whole_block(recording, client, matrix) in TEXT
    shown = TEXT.partition(f"<!-- {recording} {client} -->\n")[2].partition("<!-- end -->")[0]
    assert f"\n{matrix.client}: {recording}, " in shown
    rows = {line.split()[0]: line for line in shown.splitlines() if line}
    for row, found in matrix.rows().items():
        if found[0].place is not None:
            letters, counts = rows[row].split(maxsplit=2)[1:]
            assert "".join(LETTERS[result.outcome] for result in found) == letters[::step], row
            assert all(result.text in counts for result in found), row
    if step == 1:
        assert matrix_block(recording, client, matrix) in TEXT
    return matrix


@pytest.mark.parametrize("recording", RECORDINGS)
def test_own_client(recording: str) -> None:
    """Our own client behaves as on the page, and never is silent or hangs."""
    matrix = check(recording, "tokentape")
    assert (matrix.counts["silent"], matrix.counts["hung"], matrix.counts["unmet"]) == (0, 0, 0)


# Some official clients leave broken streams to the garbage collection.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("recording", "client"), SDKS)
def test_official_clients(recording: str, client: str) -> None:
    """The official SDKs behave as on the page."""
    check(recording, client)


@pytest.mark.clients
def test_agent() -> None:
    """The agent behaves as on the page; the shortest recording shows it."""
    try:
        check("anthropic_messages/tool_use.yaml", NAME)
    except UnavailableError as error:
        pytest.skip(str(error))


def _whole_cassettes() -> list[str]:
    found = []
    for path in sorted((REPOSITORY / "cassettes").rglob("*.yaml")):
        try:
            read_subject(path)
        except SweepError:
            continue
        found.append(str(path.relative_to(REPOSITORY / "cassettes")))
    return found


@pytest.mark.parametrize("cassette", _whole_cassettes())
def test_own_client_is_silent_nowhere(cassette: str, caplog: pytest.LogCaptureFixture) -> None:
    """Of every recording of this project, cut in every way, our own client takes no part for the whole."""
    caplog.set_level(logging.CRITICAL)
    subject = read_subject(REPOSITORY / "cassettes" / cassette)
    plan = plan_sweep(subject.tape, subject.wire, CUTS, places=8)
    client, _ = sdk_client("tokentape", subject)
    with InProcessProvider() as provider:
        matrix = run_sweep(client, subject, plan, provider)
    assert matrix.counts["raised"] > 20
    assert not matrix.failures(("silent", "hung", "altered")), str(matrix)


def test_tables() -> None:
    """The page has every outcome with its letter, every option of the mark, and every assertion."""
    for outcome, meaning in OUTCOMES.items():
        assert f"| `{LETTERS[outcome]}` | {outcome} | {meaning}" in TEXT
    for option in OPTIONS:
        assert re.search(rf"^\| `{option}`", TEXT, re.MULTILINE), option
    for name in vars(ClientBehaviour):
        assert name.startswith("_") or name == "entries" or f"`{name}" in TEXT, name


def test_the_example_of_assertions(fake_provider: FakeProvider) -> None:
    """The page's test of retries passes."""
    run(block_with(TEXT, "test_retries"))["test_retries"](fake_provider)


def test_the_example_of_a_sweep() -> None:
    """The page's marked test gives the rows that the page shows."""
    test = (
        "import openai\nimport pytest\n\n\n"
        "def my_chat(prompt):\n"
        "    with openai.OpenAI(timeout=5) as client:\n"
        '        messages = [{"role": "user", "content": prompt}]\n'
        '        stream = client.chat.completions.create(model="m", messages=messages, stream=True)\n'
        '        return "".join(part.choices[0].delta.content or "" for part in stream if part.choices)\n\n\n'
        + block_with(TEXT, "fault_sweep.answer(my_chat").replace('.yaml")', '.yaml", faults=["fin", "clean_end"])')
    )
    cassette = "cassettes/openai_chat/text.yaml"
    project = Project.of({"test_page.py": test, cassette: (REPOSITORY / cassette).read_bytes()})
    result = project.run_pytest(without=LIGHT)
    shown = re.findall(r"^((?:fin|clean_end)\S* .*)$", TEXT.partition("## ")[0], re.MULTILINE)
    assert len(shown) == 3
    assert set(shown) <= set(result.lines)
    result.assert_outcomes(passed=1 + 43 + 1 + 2, failed=41)


def test_the_example_of_a_shared_client() -> None:
    """The page's test gives the cells of its page with one HTTP client for all of them."""
    chat = (
        '    stream = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)\n'
        '    fault_sweep.answer("".join(part.choices[0].delta.content or "" for part in stream if part.choices))'
    )
    head = 'import openai\nimport pytest\n\nMESSAGES = [{"role": "user", "content": "Hi"}]\n\n'
    block = block_with(TEXT, "def http():").replace('.yaml")', '.yaml", faults=["clean_end"])')
    cassette = "cassettes/openai_chat/text.yaml"
    files = {"test_page.py": head + block.replace("    ...", chat)}
    project = Project.of({**files, cassette: (REPOSITORY / cassette).read_bytes()})
    project.run_pytest(without=LIGHT).assert_outcomes(passed=3, failed=41)
