"""Profile file: a profile as YAML that users read and edit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import yaml

from tokentape_fake_provider.errors import TimingError
from tokentape_fake_provider.timing import Profile, Timing, parse_timing
from tokentape_harness.cassettes.writer import write_atomically

_HEAD = "# A timing profile of tokentape (docs/timing.md): play it with --timing profile:FILE. Times are in ms.\n"


def format_profile(profile: Profile) -> str:
    """The text of a profile's file, without fields that have their default, but for the main ones."""
    fields: dict[str, Any] = msgspec.to_builtins(profile)
    defaults: dict[str, Any] = msgspec.to_builtins(Profile())
    always = ("type", "v", "ttft", "latency")
    kept = {name: value for name, value in fields.items() if name in always or value != defaults[name]}
    return _HEAD + yaml.safe_dump(_plain(kept), sort_keys=False, allow_unicode=True, width=120)


def write_profile(path: Path, profile: Profile) -> None:
    """Write a profile's file in one step. Raises `CassetteWriteError`."""
    write_atomically(path, format_profile(profile).encode())


def read_profile(path: str | Path) -> Profile:
    """Read a profile's file, YAML or JSON. Raises `TimingError` that names the file and the field."""
    path = Path(path)
    try:
        fields = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise TimingError(f"profile {path}: can't be read ({error.strerror or error}): check the path") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise TimingError(f"profile {path}{line}: not YAML ({problem})") from error
    if not isinstance(fields, dict) or fields.get("type") != "profile":
        raise TimingError(f"profile {path}: has no `type: profile`: is it a profile that tokentape fit wrote?")
    try:
        return msgspec.convert(fields, Profile, str_keys=True)
    except msgspec.ValidationError as error:
        raise TimingError(f"profile {path}: {error}") from error


def timing_of(spec: str) -> Timing:
    """A timing by its specification, `profile:FILE` included. Raises `TimingError`."""
    return parse_timing(spec, read_profile=read_profile)


def _plain(value: Any) -> Any:
    """Whole numbers as integers, and mappings without None."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
