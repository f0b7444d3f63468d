"""The provider suite, as the runner sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tokentape_conformance.case_registry import Case, import_cases, registered
from tokentape_conformance.provider import cases
from tokentape_conformance.provider.provider_trial import ProviderTrial
from tokentape_conformance.provider.sdks import sdk_versions
from tokentape_conformance.provider.target import Target, target_of


class ProviderSuite:
    """Cases about a server's streams, one trial each."""

    name = "provider"

    def cases(self) -> Sequence[Case]:
        """Every case."""
        import_cases(cases)
        return registered(self.name)

    def load(self, target: str, options: Mapping[str, str]) -> Any:
        """The server at this URL. Raises `UsageError`."""
        return target_of(target, options)

    def wires(self, target: Any) -> Sequence[str]:
        """The requested wire formats, or those that the server answers."""
        server: Target = target
        return server.wires

    def lack(self, target: Any, need: str, wire: str) -> str | None:
        """Why it lacks this capability; None if it has it."""
        server: Target = target
        return server.lack(need, wire)

    def versions(self, target: Any) -> dict[str, str]:
        """The versions of the SDKs that read it."""
        del target
        return sdk_versions()

    def trials(self, target: Any, case: Case, wire: str, seed: int) -> Iterator[ProviderTrial]:
        """One trial."""
        yield ProviderTrial(case, wire, target, seed=seed)


SUITE = ProviderSuite()
