"""The provider suite: the streams of any server that speaks a wire format, judged by tables of its specification.

from tokentape_harness.conformance.provider import ProviderTrial, case
"""

from __future__ import annotations

from tokentape_harness.conformance.case import case
from tokentape_harness.conformance.provider.grammar import judge
from tokentape_harness.conformance.provider.grammars import GRAMMARS
from tokentape_harness.conformance.provider.scenario import Scenario
from tokentape_harness.conformance.provider.trial import ProviderTrial

__all__ = ["GRAMMARS", "ProviderTrial", "Scenario", "case", "judge"]
