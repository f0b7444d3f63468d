"""The provider suite: the streams of any server that speaks a wire format, judged by tables of its specification.

from tokentape_conformance.provider import ProviderTrial, case
"""

from __future__ import annotations

from tokentape_conformance.case_registry import case, having
from tokentape_conformance.provider.grammar import judge
from tokentape_conformance.provider.grammars import GRAMMARS
from tokentape_conformance.provider.provider_trial import ProviderTrial
from tokentape_conformance.provider.scenario import Scenario

__all__ = ["GRAMMARS", "ProviderTrial", "Scenario", "case", "having", "judge"]
