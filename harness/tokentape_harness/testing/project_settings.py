"""Project settings: the table `[tool.tokentape]` of the project's pyproject.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

from tokentape_fake_provider.errors import SettingError
from tokentape_fake_provider.sessions.matching.ignored_parts import IgnoredParts, as_ignored_parts
from tokentape_fake_provider.verdict.settings import VerdictSettings
from tokentape_harness.errors import UsageError

_FILE: Final = "pyproject.toml"

Normalise: TypeAlias = IgnoredParts | bool | str | Mapping[str, bool] | Sequence[str] | None


class ProjectSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a project sets for all its tests and commands."""

    normalise: bool | dict[str, bool] | list[str] = True
    ignore_path: list[str] = []
    ignore_text: list[str] = []
    report: VerdictSettings = VerdictSettings()

    @property
    def comparison(self) -> dict[str, Any]:
        """What is ignored when requests are compared, by the names of the settings of a session."""
        return {name: getattr(self, name) for name in ("normalise", "ignore_path", "ignore_text")}


def project_settings(folder: Path) -> ProjectSettings:
    """The settings in the nearest pyproject.toml of a folder or one above it. Raises `UsageError`."""
    for path in (parent / _FILE for parent in (folder, *folder.parents)):
        try:
            data = path.read_bytes()
        except OSError:
            continue
        if b"tool.tokentape" not in data:
            return ProjectSettings()
        try:
            table = tomllib.loads(data.decode()).get("tool", {}).get("tokentape", {})
            return msgspec.convert(table, ProjectSettings)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError, AttributeError) as error:
            raise UsageError(f"{path}: [tool.tokentape]: {error}") from error
    return ProjectSettings()


def project_ignored_parts(
    normalise: Normalise = None,
    ignore_path: str | Sequence[str] = (),
    ignore_text: str | Sequence[str] = (),
) -> IgnoredParts:
    """What is ignored when requests are compared: the project's settings, and these on top. Raises `UsageError`.

    Without `normalise` the project decides; paths and texts are added to the project's.
    """
    project = project_settings(Path.cwd())
    try:
        base = as_ignored_parts(project.normalise, project.ignore_path, project.ignore_text)
        own: Any = base if normalise is None else as_ignored_parts(normalise, project.ignore_path, project.ignore_text)
        return as_ignored_parts(own, ignore_path, ignore_text)
    except SettingError as error:
        raise UsageError(str(error)) from error
