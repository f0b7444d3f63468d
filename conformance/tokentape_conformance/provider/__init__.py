"""The provider suite: the streams of any server, judged by tables of its wire format's specification.

from tokentape_conformance import ProviderTrial, case
"""

from __future__ import annotations

from tokentape_conformance.case_registry import case, having
from tokentape_conformance.provider.grammar import Grammar, Kind, Machine, Step, count_problems, exactly, judge
from tokentape_conformance.provider.grammar_event import Call, GrammarEvent, Problem, ResponseContent
from tokentape_conformance.provider.grammars import GRAMMARS
from tokentape_conformance.provider.provider_trial import ProviderTrial
from tokentape_conformance.provider.request_format import RequestFormat
from tokentape_conformance.provider.scenario import Scenario
from tokentape_conformance.provider.sdks import Sdk

__all__ = [
    "GRAMMARS",
    "Call",
    "Grammar",
    "GrammarEvent",
    "Kind",
    "Machine",
    "Problem",
    "ProviderTrial",
    "RequestFormat",
    "ResponseContent",
    "Scenario",
    "Sdk",
    "Step",
    "case",
    "count_problems",
    "exactly",
    "having",
    "judge",
]
