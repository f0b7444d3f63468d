"""Conformance suites for streaming: cases, adapters and baselines of your own, and a runner for them.

A case is a function under `@case`; a suite knows its targets and wire formats; a `Run` plans, runs and reports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokentape_fake_provider.errors import lazy_exports

if TYPE_CHECKING:
    from tokentape_conformance.adapters.anthropic_sdk import adapter as anthropic_sdk_adapter
    from tokentape_conformance.adapters.openai_sdk import adapter as openai_sdk_adapter
    from tokentape_conformance.adapters.sdk_response import async_http_client, http_client
    from tokentape_conformance.adapters.tokentape import TokentapeAdapter
    from tokentape_conformance.adapters.tokentape import adapter as tokentape_adapter
    from tokentape_conformance.baseline import Baseline, Deviation, read_baseline
    from tokentape_conformance.case_registry import Case, case, having
    from tokentape_conformance.execution import Job
    from tokentape_conformance.iterator.adapter import Adapter
    from tokentape_conformance.iterator.iterator_trial import IteratorTrial, OpenedStream
    from tokentape_conformance.iterator.source import AsyncSource, Source, SyncSource
    from tokentape_conformance.pipeline.pipeline_trial import PipelineTrial
    from tokentape_conformance.provider.grammar import Grammar, Kind, Machine, Step, count_problems, exactly, judge
    from tokentape_conformance.provider.grammar_event import Call, GrammarEvent, Problem, ResponseContent
    from tokentape_conformance.provider.provider_trial import ProviderTrial
    from tokentape_conformance.provider.request_format import RequestFormat
    from tokentape_conformance.provider.scenario import Scenario
    from tokentape_conformance.provider.sdks import Sdk
    from tokentape_conformance.result import Finding, Report, Result
    from tokentape_conformance.run import Run
    from tokentape_conformance.suite import Suite
    from tokentape_conformance.trial import Prose, TimedFrame, Trial
    from tokentape_harness.errors import PromiseBrokenError

__all__ = [
    "Adapter",
    "AsyncSource",
    "Baseline",
    "Call",
    "Case",
    "Deviation",
    "Finding",
    "Grammar",
    "GrammarEvent",
    "IteratorTrial",
    "Job",
    "Kind",
    "Machine",
    "OpenedStream",
    "PipelineTrial",
    "Problem",
    "PromiseBrokenError",
    "Prose",
    "ProviderTrial",
    "Report",
    "RequestFormat",
    "ResponseContent",
    "Result",
    "Run",
    "Scenario",
    "Sdk",
    "Source",
    "Step",
    "Suite",
    "SyncSource",
    "TimedFrame",
    "TokentapeAdapter",
    "Trial",
    "anthropic_sdk_adapter",
    "async_http_client",
    "case",
    "count_problems",
    "exactly",
    "having",
    "http_client",
    "judge",
    "openai_sdk_adapter",
    "read_baseline",
    "tokentape_adapter",
]

# Lazy, as an adapter needs no suite, one suite not the others, and an SDK's adapter that SDK.
_LAZY = {
    "Adapter": "iterator.adapter",
    "AsyncSource": "iterator.source",
    "Baseline": "baseline",
    "Call": "provider.grammar_event",
    "Case": "case_registry",
    "Deviation": "baseline",
    "Finding": "result",
    "Grammar": "provider.grammar",
    "GrammarEvent": "provider.grammar_event",
    "IteratorTrial": "iterator.iterator_trial",
    "Job": "execution",
    "Kind": "provider.grammar",
    "Machine": "provider.grammar",
    "OpenedStream": "iterator.iterator_trial",
    "PipelineTrial": "pipeline.pipeline_trial",
    "Problem": "provider.grammar_event",
    "PromiseBrokenError": "trial",
    "Prose": "trial",
    "ProviderTrial": "provider.provider_trial",
    "Report": "result",
    "RequestFormat": "provider.request_format",
    "ResponseContent": "provider.grammar_event",
    "Result": "result",
    "Run": "run",
    "Scenario": "provider.scenario",
    "Sdk": "provider.sdks",
    "Source": "iterator.source",
    "Step": "provider.grammar",
    "Suite": "suite",
    "SyncSource": "iterator.source",
    "TimedFrame": "trial",
    "TokentapeAdapter": "adapters.tokentape",
    "Trial": "trial",
    "anthropic_sdk_adapter": "adapters.anthropic_sdk:adapter",
    "async_http_client": "adapters.sdk_response",
    "case": "case_registry",
    "count_problems": "provider.grammar",
    "exactly": "provider.grammar",
    "having": "case_registry",
    "http_client": "adapters.sdk_response",
    "judge": "provider.grammar",
    "openai_sdk_adapter": "adapters.openai_sdk:adapter",
    "read_baseline": "baseline",
    "tokentape_adapter": "adapters.tokentape:adapter",
}

__getattr__, __dir__ = lazy_exports(__name__, _LAZY, "harness")
