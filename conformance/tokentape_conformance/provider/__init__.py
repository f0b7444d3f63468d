"""The provider suite: the streams of any server that speaks a wire format, judged by tables of its specification.

from tokentape_conformance.provider import ProviderTrial, case
"""

from __future__ import annotations

from tokentape_conformance.case_registry import case, having
from tokentape_conformance.provider.event import Call, Event, Problem, Said
from tokentape_conformance.provider.grammar import Grammar, Kind, Machine, Step, count_problems, exactly, judge
from tokentape_conformance.provider.grammars import GRAMMARS
from tokentape_conformance.provider.provider_trial import ProviderTrial
from tokentape_conformance.provider.request_format import RequestFormat
from tokentape_conformance.provider.scenario import Scenario
from tokentape_conformance.provider.sdks import Sdk

__all__ = [
    "GRAMMARS",
    "Call",
    "Event",
    "Grammar",
    "Kind",
    "Machine",
    "Problem",
    "ProviderTrial",
    "RequestFormat",
    "Said",
    "Scenario",
    "Sdk",
    "Step",
    "case",
    "count_problems",
    "exactly",
    "having",
    "judge",
]
