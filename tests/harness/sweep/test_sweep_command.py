"""`tokentape sweep`: the SDKs as they are, and commands."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from inline_snapshot import snapshot

from tokentape_harness.cli.run import run

pytestmark = pytest.mark.slow

TEXT = str(Path(__file__).parents[3] / "cassettes" / "openai_chat" / "text.yaml")

CLIENT = """
import os, sys, urllib.request

body = b'{"model": "m", "stream": true, "messages": [{"role": "user", "content": "x"}]}'
request = urllib.request.Request(
    os.environ["OPENAI_BASE_URL"] + "/chat/completions", body, {"content-type": "application/json"}
)
print(urllib.request.urlopen(request, timeout=30).read().count(b"data:"))
"""


def swept(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str], str]:
    """The exit code, what was printed without the label of the cassette, and the error."""
    code = run(["sweep", *arguments])
    printed = capsys.readouterr()
    return code, printed.out.replace(TEXT, "text.yaml").replace(sys.executable, "python").splitlines(), printed.err


def test_an_sdk(capsys):
    """The openai SDK is silent at all but the last places, and the exit code is 1."""
    code, lines, _ = swept(capsys, TEXT, "--sdk", "openai", "--fault", "clean_end", "--fault", "stall@frame=3")
    assert code == 1
    assert lines[0].startswith("openai 3.")
    assert lines[0].endswith(": text.yaml, 42 frames, 44 cells")
    assert lines[4].endswith(
        ": clean_end@frame=0, " + ", ".join(f"clean_end@frame={n}" for n in range(1, 8)) + ", and 33 more"
    )
    assert lines[1:4] == snapshot(
        [
            "clean_end      SSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSS..  41 silent, 2 complete",
            "stall@frame=3  E  raised openai.APITimeoutError",
            ". 3 complete, E 1 raised, S 41 silent",
        ]
    )
    assert swept(capsys, TEXT, "--sdk", "openai", "--fault", "clean_end@frame=3", "--fail-on", "none")[0] == 0


def test_json(capsys):
    """JSON has every cell, and those that fail; the samples are the seed's."""
    arguments = ["--sdk", "tokentape", "--fault", "clean_end", "--fault", "overload", "--places", "8", "--json"]
    code, lines, _ = swept(capsys, TEXT, *arguments)
    assert code == 0
    (report,) = map(json.loads, lines)
    assert report["counts"] == {"complete": 3, "raised": 7}
    assert report["failures"] == []
    assert [cell["place"] for cell in report["results"] if cell["row"] == "clean_end"][:2] == [0, 1]
    assert {cell.get("error") for cell in report["results"][1:7]} == {"tokentape.TruncatedStreamError"}
    assert swept(capsys, TEXT, *arguments)[1] == lines
    assert swept(capsys, TEXT, *arguments, "--seed", "3")[1] != lines


def test_always(capsys):
    """A fault that happens always leaves an SDK nothing to retry for."""
    code, lines, _ = swept(capsys, TEXT, "--sdk", "openai", "--fault", "overload", "--times", "0")
    assert code == 0
    assert lines[1] == snapshot("overload@retry_after=0.001  E  raised openai.InternalServerError after 2 retries")


def test_a_command(capsys, tmp_path):
    """A command runs once for each cell; its ending is the outcome."""
    script = tmp_path / "client.py"
    script.write_text(CLIENT)
    faults = ["fin@frame=3", "clean_end@frame=3", "comments", "lose@frame=3", "overload"]
    options = [part for fault in faults for part in ("--fault", fault)]
    code, lines, _ = swept(capsys, TEXT, *options, "--", sys.executable, str(script))
    assert code == 1
    assert [line.rstrip() for line in lines[1:]] == snapshot(
        [
            "fin@frame=3                 E  raised http.IncompleteRead",
            "clean_end@frame=3           S  silent",
            "comments                    .  complete",
            "lose@frame=3                ~  altered",
            "overload@retry_after=0.001  E  raised urllib.HTTPError",
            ". 2 complete, E 2 raised, S 1 silent, ~ 1 altered",
            "1 silent (it accepted a stream without its terminal event as complete): clean_end@frame=3",
        ]
    )


def test_a_command_that_hangs(capsys, tmp_path):
    """One that does not come to an end is ended, and hung."""
    script = tmp_path / "client.py"
    hangs = "import time; b'44' in out or time.sleep(60)"
    script.write_text(CLIENT.replace("print(", "out = str(").rstrip() + f".encode()\n{hangs}\nprint(out)\n")
    options = ["--fault", "lose@frame=3", "--timeout", "3"]
    code, lines, _ = swept(capsys, TEXT, *options, "--", sys.executable, str(script))
    assert (code, lines[1]) == (1, "lose@frame=3  H  hung")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([TEXT], "give one client: --sdk openai|anthropic|tokentape, or -- COMMAND"),
        ([TEXT, "--sdk", "openai", "--", "true"], "give one client"),
        ([TEXT, "--sdk", "anthropic"], "no SDK anthropic for openai_chat: use openai or tokentape, or a command"),
        ([TEXT, "--sdk", "else"], "no SDK else of that name: use openai or tokentape"),
        ([TEXT, "--sdk", "openai", "--fail-on", "x"], "unknown outcome 'x'"),
        ([TEXT, "--sdk", "openai", "--fault", "x"], "fault 'x' can't be swept"),
        (["none.yaml", "--sdk", "openai"], "none.yaml: no such"),
        ([TEXT, "--fault", "fin", "--", sys.executable, "-c", "raise SystemExit(3)"], "client raised exit code 3"),
        ([TEXT, "--fault", "fin", "--", sys.executable, "-c", "import x_y"], "raised ModuleNotFoundError: No module"),
        ([TEXT, "--fault", "fin", "--", sys.executable, "-c", ""], "the client sent no request to the fake provider"),
        ([TEXT, "--fault", "fin", "--", "/no/such"], "/no/such: can't be run"),
    ],
)
def test_misuse(capsys, arguments, message):
    """Each mistake is one line of error, with what to do."""
    code, lines, error = swept(capsys, *arguments)
    assert code in (1, 2)
    assert lines == []
    assert message in error
    assert error.count("\n") == 1
