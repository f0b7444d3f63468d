"""Redaction: remove secrets from interactions before they are written."""

from tokentape_harness.redaction.logs import redacted_logs
from tokentape_harness.redaction.redact import (
    Secret,
    credentials_of,
    find_secrets,
    redact,
    redact_all,
    redact_request,
    redact_uri,
)
from tokentape_harness.redaction.rules import (
    DEFAULT_RULES,
    PLACEHOLDER,
    RedactionRules,
    secrets_of_environment,
)
from tokentape_harness.redaction.spans import redact_text
from tokentape_harness.redaction.text_rules import TextRule

__all__ = [
    "DEFAULT_RULES",
    "PLACEHOLDER",
    "RedactionRules",
    "Secret",
    "TextRule",
    "credentials_of",
    "find_secrets",
    "redact",
    "redact_all",
    "redact_request",
    "redact_text",
    "redact_uri",
    "redacted_logs",
    "secrets_of_environment",
]
