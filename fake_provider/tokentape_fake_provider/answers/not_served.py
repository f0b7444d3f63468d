"""Endpoints that providers have and this server has not: a 501 names the page of those that it has."""

from __future__ import annotations

import re
from typing import Final

from tokentape_fake_provider.answers.answer import Answer, error_answer
from tokentape_fake_provider.wires import Wire

PAGE: Final = "docs/wire-formats.md#endpoints-of-the-fake-provider"

# The first segment behind the version, as the official SDKs of November 2026 have them.
_OPENAI: Final = (
    *("agents", "assistants", "audio", "batch", "batches", "chatkit", "classifications", "connectors", "containers"),
    *("content_provenance_checks", "conversations", "decisions", "edits", "evals", "files", "fim", "fine-tunes"),
    *("fine_tuning", "images", "libraries", "live", "ocr", "organization", "projects", "realtime", "safety", "skills"),
    *("threads", "uploads", "vaults", "vector_stores", "videos", "webhook_endpoints", "webhook_event_types"),
    *("workflows", "chat/classifications", "chat/moderations", "responses/compact", "deployments/[^/]+/(audio|images)"),
)
_ANTHROPIC: Final = (
    *("deployment_runs", "dreams", "environments", "memory_stores", "messages/batches"),
    *("organizations", "sessions", "tunnels", "user_profiles"),
)
_GOOGLE: Final = (
    *("batchPredictionJobs", "corpora", "dynamic", "fileSearchStores", "generatedFiles", "operations", "publishers"),
    *("tunedModels", "tuningJobs", "auth_tokens"),
)
_COHERE: Final = (
    *("check-api-key", "classify", "datasets", "detokenize", "embed-jobs", "finetuning", "generate", "parse"),
    "summarize",
)
_OLLAMA: Final = ("blobs", "copy", "create", "delete", "pull", "push")
_BEHIND_A_VERSION: Final = "|".join((*_OPENAI, *_ANTHROPIC, *_GOOGLE, *_COHERE))
_KNOWN: Final = re.compile(
    rf"(.*/(v\d\w*|openai))?/({_BEHIND_A_VERSION})([/:].*)?"
    rf"|(.*/)?api/({'|'.join(_OLLAMA)})(/.*)?"
    r"|(.*/)?upload/v\d\w*/.*"  # Google's
    r"|/v1/deployments(/.*)?"
    r"|/(async-invoke|guardrail|foundation-models|prompt-routers|inference-profiles|knowledgebases)(/.*)?"
    r"|/model/.*/invoke-with-bidirectional-stream"
)


def not_served(wire: Wire, method: str, path: str) -> Answer | None:
    """The 501, in the format of `wire`; `None` for a path that no provider is known to have."""
    if _KNOWN.fullmatch(path) is None:
        return None
    message = f"{method} {path} is not served: what is served is listed in {PAGE}."
    return error_answer(wire, 501, message, "not_served")
