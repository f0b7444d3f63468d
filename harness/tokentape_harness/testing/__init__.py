"""Testing kit: what tests of apps, plugins and adapters use. docs/testing.md explains it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokentape_fake_provider.errors import lazy_exports

if TYPE_CHECKING:
    from tokentape_fake_provider.verdict.finding import Verdict
    from tokentape_harness.testing.client_assertions import ClientBehaviour
    from tokentape_harness.testing.conversation import call
    from tokentape_harness.testing.expectations import ExpectedRequest
    from tokentape_harness.testing.fake_provider import FakeProvider
    from tokentape_harness.testing.project import Project
    from tokentape_harness.testing.sdk_environment import sdk_environment

__all__ = [
    "ClientBehaviour",
    "ExpectedRequest",
    "FakeProvider",
    "Project",
    "Verdict",
    "call",
    "sdk_environment",
]

_LAZY = {
    "ClientBehaviour": "client_assertions",
    "ExpectedRequest": "expectations",
    "FakeProvider": "fake_provider",
    "Project": "project",
    "Verdict": "client_assertions",
    "call": "conversation",
    "sdk_environment": "sdk_environment",
}

__getattr__, __dir__ = lazy_exports(__name__, _LAZY, "harness")
