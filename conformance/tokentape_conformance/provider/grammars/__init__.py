"""Grammars: one module a wire format, of the same name, with a `GRAMMAR`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from tokentape_conformance.provider.grammar import Grammar
from tokentape_fake_provider.wires import BUILT_IN
from tokentape_fake_provider.wires.registry import Registry
from tokentape_harness.errors import UsageError

ENTRY_POINTS = "tokentape.grammars"
"""The group of entry points whose objects are grammars, each under the name of its wire format."""
_BUILT_IN: Mapping[str, Grammar] = {wire: import_module(f"{__name__}.{wire}").GRAMMAR for wire in BUILT_IN}
GRAMMARS: Mapping[str, Grammar] = Registry(_BUILT_IN, ENTRY_POINTS, Grammar, UsageError)
