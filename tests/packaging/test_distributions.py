"""What the wheel and the source distribution contain, and their metadata."""

from __future__ import annotations

import re
import tarfile
import tomllib
import zipfile
from collections import defaultdict
from collections.abc import Iterable
from email import message_from_bytes
from email.message import Message
from pathlib import Path, PurePosixPath

import pytest
from inline_snapshot import snapshot

from tests.packaging.tools import REPOSITORY, copy_repository, run, tool, tracked
from tokentape_harness.cli import main

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PACKAGES = ("src/tokentape", "fake_provider/tokentape_fake_provider", "harness/tokentape_harness")


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of both, built from the files of the repository and some that do not belong to it."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    copy_repository(source)
    run(["git", "init", "--quiet", "."], cwd=source)
    for name in (".venv/x.py", "src/tokentape/__pycache__/x.pyc", "stray.yaml", "notes/x.md", ".env"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("OPENAI_API_KEY=sk-stray\n")
    run([uv(), "build", "-q", "--out-dir", target, "."], cwd=source)
    return target


def uv() -> str:
    """The uv of the environment that the tests run in."""
    return str(REPOSITORY / ".venv" / "bin" / "uv")


def kinds(names: Iterable[str], depth: int) -> dict[str, str]:
    """The kinds of files below each folder; modules count for the package that they are in."""
    found = defaultdict[str, set[str]](set)
    for name in names:
        path = PurePosixPath(name)
        folder = PurePosixPath(*path.parent.parts[: 1 if path.suffix == ".py" else depth])
        found[str(folder)].add(path.suffix or path.name)
    return {folder: " ".join(sorted(kinds)) for folder, kinds in sorted(found.items())}


def test_the_wheel(dist: Path) -> None:
    """The wheel has the four packages, typed, the console's files, the report's page, and the samples of init."""
    (wheel,) = dist.glob("*.whl")
    names = [re.sub(r"-[0-9.]+\.dist-info", ".dist-info", name) for name in zipfile.ZipFile(wheel).namelist()]
    assert kinds(names, 9) == snapshot(
        {
            "tokentape": ".py .typed",
            "tokentape.dist-info": ".txt METADATA RECORD WHEEL",
            "tokentape.dist-info/licenses": "LICENSE",
            "tokentape_conformance": ".py .typed",
            "tokentape_conformance/reports": ".html",
            "tokentape_fake_provider": ".py .typed",
            "tokentape_fake_provider/control/console": ".css .html .js .svg",
            "tokentape_harness": ".py .typed",
            "tokentape_harness/served_files/starter": ".yaml",
            "tokentape_harness/served_files/starter/cassettes": ".yaml",
        }
    )
    foreign = r"(^|/)(tests?|conftest\.py|__pycache__|test_(?!suites)\w+\.py)(/|$)"  # test_suites: the suites by pytest
    assert not [name for name in names if re.search(foreign, name)]
    for package in ("tokentape", "tokentape_fake_provider", "tokentape_harness", "tokentape_conformance"):
        assert f"{package}/py.typed" in names


def test_the_source_distribution(dist: Path) -> None:
    """It has what the build and the tests need, nothing that is not in the repository, and no secret."""
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = [member.name.partition("/")[2] for member in archive.getmembers()]
    assert kinds(names, 1) == snapshot(
        {
            ".": ".dockerignore .gitignore .md .py .toml .txt .yaml .yml Dockerfile LICENSE Makefile PKG-INFO",
            "bench": ".json .py",
            "cassettes": ".md .yaml",
            "conformance": ".html .py .typed",
            "deploy": ".service .yaml",
            "docs": ".md .png",
            "docs_site": ".css .js .py .toml",
            "examples": ".html .js .json .jsx .py .toml .ts .yaml .yml",
            "fake_provider": ".css .html .js .py .svg .typed",
            "harness": ".py .typed .yaml",
            "npm": ".gitignore .json .md .ts LICENSE",
            "src": ".py .typed",
            "tests": ".c .cjs .js .json .mjs .py .ts .txt .yaml agent claude codex",
        }
    )
    known = {str(path) for path in tracked()} | {"PKG-INFO", ".gitignore"}
    assert set(names) - known == set()
    pages = {name for name in known if re.fullmatch(r"[A-Z]+(\.md)?", name)}
    assert pages - set(names) == set()


def test_its_cassettes_have_no_secrets(dist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`tokentape check` finds nothing in the cassettes that are shipped."""
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path)
    with tarfile.open(next(dist.glob("*.tar.gz"))) as sdist:
        sdist.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.glob("tokentape-*/cassettes")
    folders = [unpacked, tmp_path / "tokentape_harness" / "served_files" / "starter" / "cassettes"]
    with pytest.raises(SystemExit) as ended:
        main(["check", "--allow", "client_closed", "--allow", "truncated", *map(str, folders)])
    assert ended.value.code == 0, capsys.readouterr()


def metadata(dist: Path) -> Message:
    """The METADATA of the wheel."""
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        (name,) = [name for name in wheel.namelist() if name.endswith("/METADATA")]
        return message_from_bytes(wheel.read(name))


def test_the_metadata(dist: Path) -> None:
    """Name, version, licence and addresses are those of pyproject.toml; each classifier is one that exists."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    found = metadata(dist)
    assert (found["Name"], found["Version"]) == ("tokentape", project["version"])
    assert (found["License-Expression"], found["License-File"]) == ("Apache-2.0", "LICENSE")
    assert found["Description-Content-Type"] == "text/markdown"
    assert set(found.get_all("Project-URL", [])) == {f"{name}, {url}" for name, url in project["urls"].items()}
    pythons = {line.rpartition(" ")[2] for line in found.get_all("Classifier", []) if " :: 3." in line}
    workflow = (REPOSITORY / ".github" / "workflows" / "ci.yml").read_text()
    assert pythons == set(re.findall(r'"(3\.\d+)"', workflow))
    assert f">={min(pythons, key=lambda name: int(name[2:]))}" == project["requires-python"]


def test_the_version_stands_in_one_place() -> None:
    """pyproject.toml has the version; the npm package of the sources has none, and the release gives it that one."""
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    elsewhere = [
        str(path)
        for path in tracked("Dockerfile", "compose.yaml", "deploy", "action.yml", ".github", "npm", *PACKAGES)
        if path.suffix in (".py", ".yml", ".yaml", ".json", ".toml", "")
        and f'"{version}"' in (REPOSITORY / path).read_text()
    ]
    assert elsewhere == []


@pytest.mark.clients
def test_fragments_become_the_changelog(tmp_path: Path) -> None:
    """Fragments come before the releases that are there, under the version that is built, and are removed."""
    for name in ("pyproject.toml", "CHANGELOG.md"):
        (tmp_path / name).write_text((REPOSITORY / name).read_text())
    (tmp_path / "changes").mkdir()
    (tmp_path / "changes" / "+resume.feature.md").write_text("Streams resume.\n")
    before = (tmp_path / "CHANGELOG.md").read_text()
    build = ["build", "--yes", "--version", "9.9.9", "--date", "2030-01-02"]
    run([tool("towncrier"), *build], cwd=tmp_path)
    after = (tmp_path / "CHANGELOG.md").read_text()
    head, _, rest = before.partition("<!-- towncrier release notes start -->\n")
    assert after.startswith(head)
    assert after.endswith(rest)
    assert "## 9.9.9 (2030-01-02)\n\n### Features\n\n- Streams resume.\n" in after
    assert not list((tmp_path / "changes").iterdir())
