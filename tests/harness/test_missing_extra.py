"""With only the library's own packages, importing anything else is one line of error with the extra to install."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import packages_distributions, requires

import pytest

from tokentape_fake_provider.errors import PACKAGES
from tokentape_harness.testing import Project

BLOCK = f"import sys; sys.modules.update(dict.fromkeys({sorted(PACKAGES - {'pytest'})}))\n"
FAKE_PROVIDER = "which is not installed: pip install 'tokentape[fake-provider]'"
CONTAINERS = "which is not installed: pip install 'tokentape[testcontainers]'"
HARNESS = "which is not installed: pip install 'tokentape[harness]'"


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run this where no package of an extra can be imported."""
    return subprocess.run([sys.executable, "-c", BLOCK + code], capture_output=True, text=True, timeout=60)


def test_the_packages_are_those_of_the_extras() -> None:
    """Each package that an extra installs is known, but for those that one feature or another package loads itself."""
    wanted = {re.split(r"[^a-z0-9-]", line)[0] for line in requires("tokentape") or () if "extra == " in line}
    installed = {name.lower(): package for package, names in packages_distributions().items() for name in names}
    own = {"tokentape", "httptools", "uvloop", "botocore", "hypercorn", "websockets", "prometheus-client", "locust"}
    own |= {"opentelemetry-api", "opentelemetry-proto", "regex"}
    modules = {installed[name] for name in wanted - own}
    assert modules - {"_pytest", "py", "_yaml"} <= PACKAGES


@pytest.mark.parametrize(
    "arguments", [["--version"], *(pytest.param(words, marks=pytest.mark.slow) for words in (["chat", "Hi"], []))]
)
def test_the_command_names_the_extra(arguments: list[str]) -> None:
    """Every command ends with one line and an exit code."""
    ended = run(f"from tokentape_harness.cli import main; main({arguments})")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"tokentape: the tokentape command needs the package typer, {HARNESS}\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "arguments", "needed"),
    [
        ("locust", ["load", "http://127.0.0.1:1"], "tokentape load needs the package locust"),
        ("redis", ["serve", "--port", "0", "--store", "redis://127.0.0.1:1"], "--store needs the package redis"),
    ],
)
def test_a_command_of_another_extra_names_that_one(package: str, arguments: list[str], needed: str) -> None:
    """Where the command line is installed, a feature that is not names itself and its own extra."""
    extra = {"locust": "load", "redis": "store"}[package]
    code = f"import sys; sys.modules[{package!r}] = None\nfrom tokentape_harness.cli import main; main({arguments})"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"tokentape: {needed}, which is not installed: pip install 'tokentape[{extra}]'\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "from tokentape_harness import use_cassette",
            f"tokentape_harness.use_cassette needs the package vcr, {HARNESS}",
        ),
        (
            "from tokentape_harness import read_cassette",
            f"tokentape_harness.read_cassette needs the package yaml, {HARNESS}",
        ),
        (
            "from tokentape_fake_provider import FakeProviderServer",
            f"tokentape_fake_provider.FakeProviderServer needs the package starlette, {FAKE_PROVIDER}",
        ),
        (
            "import tokentape_harness.testcontainers",
            f"tokentape_harness.testcontainers needs the package testcontainers, {CONTAINERS}",
        ),
        *(
            (f"import tokentape_harness.{name}", f"tokentape_harness.{name} needs the package {package}, {HARNESS}")
            for name, package in (("flush", "yaml"), ("conversion", "yaml"))
        ),
    ],
)
def test_the_packages_name_the_extra(code: str, message: str) -> None:
    """An import that needs an extra is an `ImportError` that names it."""
    ended = run(f"try:\n    {code}\nexcept ImportError as error:\n    print(error)")
    assert (ended.stdout, ended.stderr) == (f"{message}\n", "")


def test_another_missing_package_stays_its_own_error() -> None:
    """What no extra installs keeps its own error."""
    ended = run(
        "from tokentape_fake_provider.errors import extra_needed\n"
        "try:\n    with extra_needed('harness', 'it'):\n        import nowhere_at_all\n"
        "except ModuleNotFoundError as error:\n    print(error)"
    )
    assert ended.stdout == "No module named 'nowhere_at_all'\n"


@pytest.mark.slow
def test_fixtures_and_marks_name_the_extra() -> None:
    """Each fixture and mark fails its test with that line alone; tests that use none of them pass."""
    them = """
        import pytest

        @pytest.mark.parametrize("name", ["fake_provider", "fake_provider_in_process", "fake_provider_env", "tape",
                                          "flush_probe", "fault_sweep", "fake_provider_server"])
        def test_fixture(name, request):
            request.getfixturevalue(name)

        @pytest.mark.tape
        def test_mark(): ...

        def test_none_of_them(tape_config): ...
    """
    swept = "import pytest\n@pytest.mark.fault_sweep('a.yaml')\ndef test(): ..."
    project = Project.of({"blocked.py": BLOCK, "test_them.py": them, "test_swept.py": swept})
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # other plugins need these packages
    options = ("-p", "blocked", "-p", "tokentape", "--continue-on-collection-errors")
    ended = project.run_pytest(*options, env=alone)
    ended.assert_outcomes(passed=1, failed=7, errors=2)
    summary = ("FAILED ", "ERROR ")  # whole messages where CI is set, cut to the terminal's width elsewhere
    lines = [line for line in ended.lines if line.endswith(HARNESS) and not line.startswith(summary)]
    assert len(lines) == 9
    assert not [line for line in ended.lines if line.startswith("E  ") or "Traceback" in line or "handling" in line]


def test_python_m_tokentape_is_the_command() -> None:
    """`python -m tokentape` runs what `tokentape` runs."""
    ended = subprocess.run(
        [sys.executable, "-m", "tokentape", "--version"], capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout.startswith("tokentape ")
