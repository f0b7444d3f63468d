"""The pipeline suite, as the runner sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tokentape_conformance.app_target import read_options
from tokentape_conformance.case_registry import Case, import_cases, registered
from tokentape_conformance.pipeline import cases
from tokentape_conformance.pipeline.options import PipelineOptions
from tokentape_conformance.pipeline.pipeline import Pipeline
from tokentape_conformance.pipeline.pipeline_trial import PipelineTrial

_LAST = ("leaving", "endings", "errors")


class PipelineSuite:
    """Cases about an app or gateway between a provider and a reader."""

    name = "pipeline"

    def cases(self) -> Sequence[Case]:
        """All cases. Those in which the provider fails run last: gateways then avoid a provider for a while."""
        import_cases(cases)
        return sorted(registered(self.name), key=lambda case: _LAST.index(case.area) if case.area in _LAST else -1)

    def load(self, target: str, options: Mapping[str, str]) -> Pipeline:
        """The target, set up, after a first request. Raises `UsageError`, `FlushError`, `PortInUseError`."""
        return Pipeline(target, read_options(self.name, PipelineOptions, options))

    def wires(self, target: Pipeline) -> Sequence[str]:
        """The wire format of the app's own requests; all for a gateway."""
        return target.wires

    def lack(self, target: Pipeline, need: str, wire: str) -> str | None:
        """Why the target lacks this capability; None if it has it."""
        return target.lack(need, wire)

    def trials(self, target: Pipeline, case: Case, wire: str, seed: int) -> Iterator[PipelineTrial]:
        """One trial."""
        yield PipelineTrial(case, wire, target, seed=seed)


SUITE = PipelineSuite()
