"""The door of tokentape_conformance: what users import for cases, adapters, baselines and grammars."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys

import tokentape_conformance


def test_every_name_is_there() -> None:
    """Each exported name can be imported, and is the one that type checkers see."""
    tree = ast.parse(inspect.getsource(tokentape_conformance))
    typed = {
        name.asname or name.name: (node.module, name.name)
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    assert sorted(typed) == tokentape_conformance.__all__
    for exported, (module, name) in typed.items():
        assert module is not None
        found = getattr(__import__(module, fromlist=[name]), name)
        assert getattr(tokentape_conformance, exported) is found, exported


def test_the_door_is_light() -> None:
    """A case's imports load neither the command line nor an SDK; the command line's help loads no suite."""
    for code, absent in (
        ("from tokentape_conformance import IteratorTrial, case", ("typer", "rich", "openai", "anthropic", "uvicorn")),
        (
            "from tokentape_harness.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
            ("tokentape_conformance",),
        ),
    ):
        loaded = f"{code}\nimport sys; print('loaded', [name for name in {absent!r} if name in sys.modules])"
        ran = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
        assert ran.stdout.splitlines()[-1] == "loaded []"
