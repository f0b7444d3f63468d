"""What the package brings with all extras: its licences, and its bill of materials.

python -m tests.packaging.dependencies licences LICENCES.md     writes the list of licences
python -m tests.packaging.dependencies sbom FOLDER              writes FOLDER/tokentape.cdx.json
"""

from __future__ import annotations

import hashlib
import json
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from tests.clients.environments import FOLDER
from tests.environments import built_once, run
from tests.packaging.tools import REPOSITORY, tool
from tests.packaging.tools import run as printed_by

HEAD = """# Licences

tokentape is licensed under the Apache License 2.0 ([LICENSE](LICENSE)). `pip install 'tokentape[all]'` brings these
packages, in the versions of constraints.txt; `make licences` writes the list by pip-licenses.

"""


def environment() -> Path:
    """An environment of its own with the package, all extras and nothing else; its interpreter."""
    files = [REPOSITORY / name for name in ("pyproject.toml", "constraints.txt")]
    of = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest() + sys.version
    uv = str(Path(sys.executable).with_name("uv"))

    def make() -> None:
        run(uv, "venv", "-q", "--python", sys.executable, str(place))
        pins = str(REPOSITORY / "constraints.txt")
        run(uv, "pip", "install", "-q", "--python", str(place / "bin" / "python"), "-c", pins, f"{REPOSITORY}[all]")

    place = FOLDER / "dependencies"
    return built_once(place, of, make) / "bin" / "python"


@cache
def packages() -> list[dict[str, str]]:
    """Each package that comes with all extras: its name, version and licence, as pip-licenses finds them."""
    options = ["--python", str(environment()), "--from=mixed", "--format=json", "--ignore-packages", "tokentape"]
    found: list[dict[str, str]] = json.loads(printed_by([tool("pip-licenses"), *options]))
    return sorted(found, key=lambda one: one["Name"].lower())


def licences() -> str:
    """The page of licences."""
    rows = [f"| {one['Name']} | {one['Version']} | {one['License']} |" for one in packages()]
    return HEAD + "\n".join(["| package | version | licence |", "| --- | --- | --- |", *rows]) + "\n"


def sbom() -> dict[str, Any]:
    """The bill of materials, in CycloneDX's JSON, without what differs from run to run."""
    command = ["environment", "--output-reproducible", "--pyproject", str(REPOSITORY / "pyproject.toml")]
    found: dict[str, Any] = json.loads(printed_by([tool("cyclonedx-py"), *command, str(environment())]))
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    found["metadata"]["component"]["version"] = project["version"]
    return found


def main(kind: str, target: Path) -> None:
    """Write a list."""
    if kind == "licences":
        target.write_text(licences())
    else:
        target.mkdir(parents=True, exist_ok=True)
        (target / "tokentape.cdx.json").write_text(json.dumps(sbom(), indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
