"""Faults as values, for scripts, rules and sessions.

`fault` defines them, `registry` finds them by name, `specification` reads and writes their one-line form, and
`fault_injection.apply` applies them to a tape.
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
