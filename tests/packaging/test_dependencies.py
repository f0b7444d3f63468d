"""The list of licences, and the bill of materials."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.packaging.dependencies import licences, packages, sbom
from tests.packaging.tools import REPOSITORY

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600), pytest.mark.xdist_group("dependencies")]


def test_the_list_of_licences_is_right() -> None:
    """LICENCES.md is what `make licences` writes, and no licence in it is unknown or copyleft."""
    page = licences()
    assert (REPOSITORY / "LICENCES.md").read_text() == page
    assert re.findall(r".*\b(?:UNKNOWN|A?L?GPL|GNU|MPL|EUPL|SSPL)\b.*", page) == []


def test_the_bill_of_materials() -> None:
    """It names the project with its version, and each package that is installed with its version."""
    bill = sbom()
    assert bill["bomFormat"] == "CycloneDX"
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    component = bill["metadata"]["component"]
    assert (component["name"], component["version"]) == ("tokentape", project["version"])
    listed = {one["name"].lower(): one for one in bill["components"]}
    for package in packages():
        assert listed[package["Name"].lower()]["version"] == package["Version"]


def test_every_dependency_is_in_both() -> None:
    """What pyproject.toml requires, in every extra that `all` brings, is among the packages."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"]]
    names = re.findall(r"[\w-]+", extras["all"][0].partition("[")[2])
    while names:
        for line in extras[names.pop()]:
            if line.startswith("tokentape["):
                names += re.findall(r"[\w-]+", line.partition("[")[2])
            else:
                wanted.append(line)
    known = {re.sub(r"[-_.]+", "-", one["Name"]).lower() for one in packages()}
    assert {re.match(r"[\w-]+", line)[0].lower() for line in wanted} - known == set()  # type: ignore[index]
