"""Rules files on disk: YAML, JSON and TOML, with the place of each problem."""

from __future__ import annotations

from tokentape_harness.served_files.rules_files.file import (
    SUFFIXES,
    Kind,
    PlacedRules,
    kind_of,
    load_rules,
    not_served,
    parse_rules,
)

__all__ = ["SUFFIXES", "Kind", "PlacedRules", "kind_of", "load_rules", "not_served", "parse_rules"]
