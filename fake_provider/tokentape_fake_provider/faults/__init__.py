"""Faults: what goes wrong with responses, each a value that a script, a rule or a session takes.

`fault` has the values, `registry` finds them by name, `specification` has their one-line form;
`fault_injection.apply` carries them out on a tape.
"""

from __future__ import annotations

from tokentape_fake_provider.faults.fault import FAULTS, CustomFault, Fault, fault_name
from tokentape_fake_provider.faults.specification import Faults, as_fault, as_faults, format_fault, parse_fault

__all__ = [
    "FAULTS",
    "CustomFault",
    "Fault",
    "Faults",
    "as_fault",
    "as_faults",
    "fault_name",
    "format_fault",
    "parse_fault",
]
