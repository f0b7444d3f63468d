"""Pipeline suite: an app in front of a provider, or a gateway, from the provider's first token to the reader.

Cases run the target between the fake provider and a reader of their own, as the flush checker does.
"""

from __future__ import annotations

from tokentape_conformance.case_registry import Case, case
from tokentape_conformance.pipeline.pipeline_trial import PipelineTrial

__all__ = ["Case", "PipelineTrial", "case"]
