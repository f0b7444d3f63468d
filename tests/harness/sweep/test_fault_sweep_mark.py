"""The mark `fault_sweep` in pytest runs of its own."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.projects import HEAVY
from tokentape_harness.testing import Project

pytestmark = pytest.mark.slow

CASSETTE = Path(__file__).parents[3] / "cassettes" / "openai_chat" / "text.yaml"
CLIENTS = f'''
    import json

    import httpx2
    import pytest

    CASSETTE = {str(CASSETTE)!r}
    TEXT = "Zueroft beibenum aaholsro verff bcient mo thistra giteing chodahry absssut inlyetly lentben."
    REQUEST = {{"model": "m", "stream": True, "messages": [{{"role": "user", "content": "x"}}]}}


    def text_of(lines):
        """The text, whether the stream had its ending, and nothing checked."""
        text, ended = "", False
        for line in lines:
            if line.startswith("data: {{"):
                event = json.loads(line[6:])
                if "error" in event:
                    raise RuntimeError(event["error"]["message"])
                for choice in event["choices"]:
                    text += choice["delta"].get("content") or ""
                    ended = ended or choice["finish_reason"] is not None
        return text, ended


    def careless(provider, timeout=60):
        with httpx2.Client(transport=provider.transport(), timeout=timeout) as client:
            with client.stream("POST", provider.base_url() + "/chat/completions", json=REQUEST) as response:
                response.raise_for_status()
                return text_of(response.iter_lines())[0]


    def careful(provider):
        """Asks again, up to three times."""
        with httpx2.Client(transport=provider.transport(), timeout=60) as client:
            for attempt in range(3):
                try:
                    response = client.post(provider.base_url() + "/chat/completions", json=REQUEST)
                    response.raise_for_status()
                except httpx2.HTTPError:
                    continue
                text, ended = text_of(response.text.splitlines())
                if ended:
                    return text
        raise RuntimeError("no answer")
'''


def run(
    tests: str,
    *arguments: str,
    without: Sequence[str] = (*HEAVY, "xdist"),
    files: Mapping[str, str] | None = None,
    in_process: bool = True,
) -> Project:
    """Run tests with those clients: in this process, unless processes are what is tested."""
    project = Project.of({"test_it.py": CLIENTS + tests, **(files or {})})
    arguments = ("-o", "asyncio_default_fixture_loop_scope=function", *arguments)
    return project.run_pytest(*arguments, without=without, in_process=in_process)


def letters(result: Project, row: str) -> str:
    """The letters of a row of the matrix that was printed."""
    return next(line.split()[1] for line in result.lines if line.startswith(f"{row} "))


def test_a_careless_client_fails_where_it_is_silent():
    """Each cell is a test: those in which the client takes a cut stream for a whole one fail, the others pass."""
    result = run(
        """
    @pytest.mark.fault_sweep(CASSETTE, faults=["clean_end", "fin", "stall", "lose"], places=10)
    def test_it(fake_provider_in_process, fault_sweep):
        fault_sweep.answer(careless(fake_provider_in_process))
        """,
        "--fault-sweep-json=sweep.json",
    )
    assert letters(result, "clean_end") == "SSSSSSSS.."
    assert letters(result, "fin") == "EEEEEEEEEE"
    assert letters(result, "stall") == "EEEEEEEEEE"
    assert set(letters(result, "lose")) <= {"~", "."}
    result.assert_outcomes(passed=1 + 10 + 11 + 10 + 2, failed=8)
    assert (
        "clean_end@frame=0: silent: the code under test accepted a stream without its terminal event " in result.output
    )
    (report,) = json.loads(result.read("sweep.json"))["sweeps"]
    assert report["counts"]["silent"] == 8
    assert report["client"].endswith("::test_it")
    assert len(report["results"]) == 42
    assert {cell["error"] for cell in report["results"] if cell["row"] == "fin"} == {"httpx2.RemoteProtocolError"}


@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_a_careful_client_passes(workers):
    """A client that retries is reported as such, with xdist too, where the summary has all workers' cells."""
    result = run(
        """
    @pytest.mark.fault_sweep(CASSETTE, faults=["clean_end", "fin", "http_error", "stall"], places=6)
    def test_it(fake_provider_in_process):
        assert careful(fake_provider_in_process) == TEXT
        """,
        *workers,
        without=HEAVY if workers else (*HEAVY, "xdist"),
        in_process=not workers,
    )
    assert letters(result, "clean_end") == "rrrr.."
    assert letters(result, "fin") == letters(result, "stall") == "rrrrrr"
    result.assert_outcomes(passed=1 + 6 + 7 + 2 + 6)


def test_what_a_test_does_not_look_at_is_judged_by_what_was_sent():
    """A test that asserts nothing does not make a silent client look well."""
    result = run(
        """
    @pytest.mark.fault_sweep(CASSETTE, faults=["clean_end"], places=6, fail_on="none")
    def test_it(fake_provider_in_process):
        careless(fake_provider_in_process)
        """,
    )
    assert letters(result, "clean_end") == "SSSS.."
    result.assert_outcomes(passed=7)


def test_an_assert_of_the_test_is_about_the_answer():
    """A failed assert of the test means another answer; one of the code under test is its error."""
    app = "def check(text, whole):\n    assert text == whole, 'not whole'\n    return text\n"
    result = run(
        """
    import app

    @pytest.mark.fault_sweep(CASSETTE, faults=["clean_end@frame=9", "lose@frame=9"], fail_on="none")
    def test_own(fake_provider_in_process):
        assert careless(fake_provider_in_process) == TEXT

    @pytest.mark.fault_sweep(CASSETTE, faults=["clean_end@frame=10"])
    def test_other(fake_provider_in_process):
        assert app.check(careless(fake_provider_in_process), TEXT)

    @pytest.mark.fault_sweep(CASSETTE, faults=["clean_end@frame=11"])
    def test_told(fake_provider_in_process, fault_sweep):
        if careless(fake_provider_in_process) != fault_sweep.text:
            fault_sweep.raised(LookupError("not whole"))
        """,
        files={"app.py": app},
    )
    assert (letters(result, "clean_end@frame=9"), letters(result, "lose@frame=9")) == ("S", "~")
    assert (letters(result, "clean_end@frame=10"), letters(result, "clean_end@frame=11")) == ("E", "E")
    shown = [(line.split()[0], line.split()[-1]) for line in result.lines if line.startswith("clean_end@frame=1")]
    assert shown == [("clean_end@frame=10", "AssertionError"), ("clean_end@frame=11", "LookupError")]
    result.assert_outcomes(passed=7)


def test_a_client_without_patience_and_one_without_end():
    """Over a socket, a client whose timeout is longer than the patience hangs; in virtual time, one without any."""
    result = run(
        """
    @pytest.mark.fault_sweep(CASSETTE, faults=["stall@frame=3", "slow_headers"], patience=0.05)
    def test_socket(fake_provider):
        with httpx2.Client(timeout=30) as client:
            text_of(client.post(fake_provider.base_url() + "/chat/completions", json=REQUEST).text.splitlines())

    @pytest.mark.fault_sweep(CASSETTE, faults=["stall@frame=4"])
    def test_virtual(fake_provider_in_process):
        careless(fake_provider_in_process, timeout=None)
        """,
    )
    assert letters(result, "stall@frame=3") == letters(result, "stall@frame=4") == "H"
    assert letters(result, "slow_headers@for=ever") == "H"
    result.assert_outcomes(passed=2, failed=3)


def test_other_parameters_and_coroutines():
    """The mark goes with parametrize and with coroutines; each has a matrix of its own."""
    result = run(
        """
    @pytest.mark.parametrize("timeout", [5, 50])
    @pytest.mark.fault_sweep(CASSETTE, faults=["fin@frame=3"])
    def test_two(fake_provider_in_process, timeout):
        careless(fake_provider_in_process, timeout)

    @pytest.mark.asyncio
    @pytest.mark.fault_sweep(CASSETTE, faults=["fin@frame=4"])
    async def test_async(fake_provider_in_process):
        transport = fake_provider_in_process.async_transport()
        async with httpx2.AsyncClient(transport=transport) as client:
            await client.post(fake_provider_in_process.base_url() + "/chat/completions", json=REQUEST)

    @pytest.mark.fault_sweep(CASSETTE, faults=["fin@frame=5"])
    def test_skipped(fake_provider_in_process):
        pytest.skip("not today")
        """,
    )
    lines = [line for line in result.lines if "42 frames" in line]
    assert sorted(line.partition(": ")[0].rpartition("::")[2] for line in lines) == [
        "test_async",
        "test_two[50]",
        "test_two[5]",
    ]
    result.assert_outcomes(passed=6, skipped=2)


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("fault_sweep('none.yaml')", "fault_sweep: none.yaml: no such cassette in "),
        ("fault_sweep(CASSETTE, place=3)", "no option place: the known ones are interaction, faults, "),
        ("fault_sweep()", "the marker takes one cassette"),
        ("fault_sweep(CASSETTE, faults='fim')", "fault 'fim' can't be swept"),
        ("fault_sweep(CASSETTE, fail_on='slient')", "unknown outcome 'slient'"),
        ("fault_sweep(CASSETTE, times=0)", "times is 0"),
    ],
)
def test_a_bad_mark_is_reported_at_collection(test, message):
    """A wrong mark is one line of error."""
    result = run(f"\n    @pytest.mark.{test}\n    def test_it(fake_provider):\n        pass\n")
    assert message in result.output
    assert result.exit_code != 0


def test_a_sweep_of_nothing_fails():
    """A test that sends no request, fails without a fault, or gets another answer than the recording can't be swept."""
    result = run(
        """
    @pytest.mark.fault_sweep(CASSETTE, faults=["fin@frame=3"])
    def test_asks_nothing(fake_provider):
        pass

    @pytest.mark.fault_sweep(CASSETTE, faults=["fin@frame=3"])
    def test_has_no_provider():
        pass

    @pytest.mark.fault_sweep(CASSETTE, faults=["fin@frame=3"])
    def test_is_wrong(fake_provider_in_process):
        assert careless(fake_provider_in_process) == "else"

    @pytest.mark.fault_sweep(CASSETTE, faults=["fin@frame=3"])
    def test_answers_else(fake_provider_in_process, fault_sweep):
        fault_sweep.answer(careless(fake_provider_in_process).upper())

    def test_no_mark(fault_sweep):
        pass
        """,
    )
    for message in (
        "fault_sweep: the test sent no request to the fake provider",
        "fin@frame=3: unmet: the code under test never received the fault",
        "fault_sweep: the test uses no fixture of the fake provider",
        "fault_sweep: without any fault the answer is not the recording's: pass whole=...",
    ):
        assert message in result.output
    result.assert_outcomes(failed=6, passed=2, errors=1)


def test_several_requests_are_matched():
    """With `match` each request gets its own recording, and the chosen one is damaged."""
    walk = CASSETTE.with_name("walk.yaml")
    result = run(
        f"""
    import pathlib
    import yaml

    INTERACTIONS = yaml.safe_load(pathlib.Path({str(walk)!r}).read_text())["interactions"]
    BODIES = [json.loads(interaction["request"]["body"]) for interaction in INTERACTIONS]

    @pytest.mark.fault_sweep({str(walk)!r}, interaction=1, match=True, faults=["clean_end@frame=2"], fail_on="none")
    def test_it(fake_provider_in_process):
        provider = fake_provider_in_process
        with httpx2.Client(transport=provider.transport(), timeout=60) as client:
            for number, body in enumerate(BODIES):
                response = client.post(provider.base_url() + "/chat/completions", json=body)
                assert response.status_code == 200
        assert not provider.requests[0].faults
        """,
    )
    assert letters(result, "clean_end@frame=2") == "S"
    result.assert_outcomes(passed=2)


# The client leaves a silent server at most places, and waits for it at the others, without any time limit of its own.
WAITING = """
    import os

    @pytest.fixture(scope="module")
    def service():
        {service}
        yield

    def test_before(service):
        pass

    @pytest.mark.fault_sweep(CASSETTE, faults=["stall", "fin"], places=12, patience=2, fail_on="none"{options})
    def test_it(service, fake_provider, fault_sweep):
        with open("processes.txt", "a") as file:
            print(fault_sweep.cell.row, os.getpid(), file=file)
        url = fake_provider.base_url() + "/chat/completions"
        with httpx2.Client(timeout=None, verify=False) as client, client.stream("POST", url, json=REQUEST) as response:
            if fault_sweep.cell.endless and fault_sweep.cell.place % 4:
                raise TimeoutError("it leaves before anything can be late")
            fault_sweep.answer(text_of(response.iter_lines())[0])

    def test_after(fake_provider):
        assert httpx2.get(fake_provider.url + "/v1/models").status_code == 200
"""


def swept_in(files: Mapping[str, str] | None = None, **parts: str) -> tuple[list[str], dict[str, list[str]], object]:
    """The printed matrix, the processes that ran the cells of each row, and the matrix as JSON."""
    tests = WAITING.format(**{"options": "", "service": "", **parts})
    result = run(tests, "--fault-sweep-json=it.json", files=files, in_process=False)
    result.assert_outcomes(passed=1 + 26 + 1)
    rows: dict[str, list[str]] = {}
    for line in result.read("processes.txt").splitlines():
        rows.setdefault(line.split()[0], []).append(line.split()[1])
    lines = [line for line in result.lines if line.startswith(("stall", "fin"))]
    return lines, rows, json.loads(result.read("it.json"))["sweeps"]


@pytest.mark.skipif(sys.platform != "linux", reason="waiting cells run in forked processes on Linux alone")
def test_cells_that_wait_run_beside_the_others():
    """Several processes run them, and the matrix is the same, cell for cell, as one after the other."""
    serial = swept_in(options=", parallel=False")
    assert len({process for row in serial[1].values() for process in row}) == 1
    parallel = swept_in()
    assert parallel[0] == serial[0]
    assert "H" in letters_of(parallel[0], "stall")
    assert "E" in letters_of(parallel[0], "stall")
    (own,) = {*parallel[1]["fin"], *parallel[1]["none"]}
    assert len(parallel[1]["stall"]) == 12
    assert len({*parallel[1]["stall"]} - {own}) > 1
    assert own not in parallel[1]["stall"]
    assert parallel[2] == serial[2]


# Tests that the processors share, but for the one without a fault.
SHARED = """
    import os

    @pytest.mark.fault_sweep(CASSETTE, faults=["fin", "clean_end"], places=30, fail_on="none"{options})
    def test_it(fake_provider, fault_sweep):
        with open("processes.txt", "a") as file:
            print(os.getpid(), file=file)
        with httpx2.Client(verify=False) as client:
            response = client.post(fake_provider.base_url() + "/chat/completions", json=REQUEST)
            fault_sweep.answer(text_of(response.text.splitlines())[0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="cells run in forked processes on Linux alone")
def test_the_processors_share_the_cells():
    """Of three processors each has a process that runs a third of the cells, and the matrix is the same."""
    conftest = {"conftest.py": "import os\nos.sched_getaffinity = lambda pid: {0, 1, 2}\n"}
    found = []
    for options in ("", ", parallel=False"):
        tests = SHARED.format(options=options)
        result = run(tests, "--fault-sweep-json=it.json", files=conftest, in_process=False)
        found.append((json.loads(result.read("it.json")), Counter(result.read("processes.txt").split())))
    (shared, processes), (serial, one) = found
    assert shared == serial
    assert len(one) == 1
    assert len(processes) == 3
    assert max(processes.values()) - min(processes.values()) <= 2
    assert sum(processes.values()) == sum(one.values())


@pytest.mark.skipif(sys.platform != "linux", reason="waiting cells run in forked processes on Linux alone")
def test_a_fixture_that_only_one_process_can_have():
    """A cell whose fixture fails in another process, as with a fixed port, runs where the others run."""
    only_one = "assert os.getppid() == int(os.environ['PARENT']), 'the port is taken'"
    conftest = "import os\nos.environ.setdefault('PARENT', str(os.getppid()))\n"
    lines, rows, _ = swept_in({"conftest.py": conftest}, service=only_one)
    assert set(letters_of(lines, "stall")) == {"H", "E"}
    assert len({process for row in rows.values() for process in row}) == 1


def letters_of(lines: list[str], row: str) -> str:
    """The letters of a row."""
    return next(line.split()[1] for line in lines if line.split()[0] == row)
