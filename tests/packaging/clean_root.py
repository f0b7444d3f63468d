"""Runs the steps of a Dockerfile without a daemon: each stage is a folder that is the root of its commands.

A folder has the machine's own programs, mounted to be read only, in place of the base image's; all else in it is of
the Dockerfile. This needs root, `unshare` and `chroot`.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

_MOUNTED: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/dev", "/proc")
_CONFIGURATION: Final = ("/etc/ssl", "/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", "/etc/login.defs")


class Stage:
    """The root of one stage, and what its instructions have set."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {"PATH": f"{sys.base_prefix}/bin:/usr/bin:/bin:/usr/sbin", "HOME": "/tmp"}
        self.environment |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        self.folder, self.user = "/", "root"
        self.health = self.entry = self.command = list[str]()
        self._mounts = [Path(path) for path in (*_MOUNTED, sys.base_prefix) if Path(path).exists()]
        for path in self._mounts:
            self.inside(path).mkdir(parents=True, exist_ok=True)
        for name in _CONFIGURATION:
            if (path := Path(name)).is_dir():
                shutil.copytree(path, self.inside(path), symlinks=False, ignore_dangling_symlinks=True)
            elif path.exists():
                self.inside(path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, self.inside(path))
        self.inside("/tmp").mkdir(mode=0o777, exist_ok=True)
        self.inside("/etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        self.inside("/etc/group").write_text("root:x:0:\n")

    def inside(self, path: str | Path) -> Path:
        """A path of the stage, as it is from here."""
        return self.root / str(path).lstrip("/")

    def arguments(self, command: list[str], *, user: str = "root") -> list[str]:
        """The command line, of this machine, that runs a command in the stage."""
        mounts = [
            f"mount --rbind {shlex.quote(str(path))} {shlex.quote(str(self.inside(path)))}" for path in self._mounts
        ]
        group = "" if user == "root" else ":" + self.inside("/etc/passwd").read_text().splitlines()[-1].split(":")[3]
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        inner = f"cd {shlex.quote(self.folder)} && exec {shlex.join(command)}"
        chroot = [
            "chroot",
            f"--userspec={user}{group}",
            str(self.root),
            "env",
            "-i",
            *variables,
            "/bin/sh",
            "-c",
            inner,
        ]
        return ["unshare", "--mount", "/bin/sh", "-ec", "\n".join([*mounts, f"exec {shlex.join(chroot)}"])]

    def run(self, command: list[str], *, user: str = "root") -> str:
        """What a command prints, which must succeed."""
        done = subprocess.run(self.arguments(command, user=user), capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout


def build(instructions: list[dict[str, Any]], context: Path, place: Path) -> Stage:
    """Run the instructions, as `dockerfile_parse` lists them; return the last stage."""
    stages = dict[str, Stage]()
    stage: Stage | None = None
    for step in instructions:
        name, value = step["instruction"], step["value"]
        if name == "FROM":
            alias = value.split()[-1] if " AS " in value else str(len(stages))
            stage = stages[alias] = Stage(place / alias)
            continue
        if stage is None:
            assert name in ("ARG", "COMMENT"), name
        elif name == "RUN":
            stage.run(["/bin/sh", "-c", value])
        elif name == "COPY":
            _copy(value.split(), stage, stages, context)
        elif name == "WORKDIR":
            stage.folder = value
            stage.inside(value).mkdir(parents=True, exist_ok=True)
        elif name == "USER":
            stage.user = value
        elif name == "ENV":
            for key, text in re.findall(r"(\w+)=(\S+)", value):
                stage.environment[key] = text.replace("$PATH", stage.environment["PATH"])
        elif name == "HEALTHCHECK":
            stage.health = json.loads(value[value.index("[") :])
        elif name == "ENTRYPOINT":
            stage.entry = json.loads(value)
        elif name == "CMD":
            stage.command = json.loads(value)
        else:
            assert name in ("EXPOSE", "COMMENT"), name
    assert stage is not None
    return stage


def _copy(words: list[str], stage: Stage, stages: dict[str, Stage], context: Path) -> None:
    from_stage = stages[words.pop(0).partition("=")[2]] if words[0].startswith("--from=") else None
    *sources, target = words
    goal = stage.inside(Path(stage.folder, target))
    for name in sources:
        source = from_stage.inside(name) if from_stage is not None else context / name
        if source.is_dir():
            shutil.copytree(source, goal, symlinks=True, dirs_exist_ok=True)
        else:
            goal.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, goal)
