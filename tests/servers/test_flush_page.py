"""The table in docs/flush.md is of the set-ups that are tested."""

from __future__ import annotations

import re

from tests.servers.setups.catalog import EXPECTED
from tests.servers.setups.stacks import STACKS
from tests.servers.verdicts import LEAVING, PAGE, WORDS


def test_the_page_has_what_is_tested() -> None:
    """Each set-up is there with the verdict that its test expects, and none without equal verdicts."""
    _, _, section = PAGE.read_text().partition("<!-- written by python -m tests.servers.verdicts --write -->")
    table, _, _ = section.partition("<!-- end -->")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:2] == "| "]
    documented = {name: (re.sub(r" of .*", "", verdict), short) for name, verdict, short, _, _ in rows[2:]}
    expected = {
        each.setup.name: (WORDS[each.verdict], "the same" if each.short is None else WORDS[each.short])
        for each in EXPECTED
    }
    assert documented == expected
    cuts = {name: cut for name, _, _, cut, _ in rows[2:]}
    assert all(each.cut is None or cuts[each.setup.name] == WORDS[each.cut] for each in EXPECTED)
    assert {equal for *_, equal in rows[2:]} == {"20 of 20"}


def test_the_page_has_every_stack() -> None:
    """Each stack is in the second table with what its test expects."""
    _, _, section = PAGE.read_text().partition("<!-- written by python -m tests.servers.verdicts --stacks --write -->")
    table, _, _ = section.partition("<!-- end -->")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:2] == "| "]
    documented = {name: (verdict, cut, leaving) for name, verdict, cut, _, leaving, _ in rows[2:]}
    assert documented == {
        each.setup.name: (WORDS[each.verdict], WORDS[each.cut], LEAVING[each.leaving]) for each in STACKS
    }
