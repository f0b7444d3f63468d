"""Rules files: what a session gets, as a document. Reading the document's text is left to the caller."""

from __future__ import annotations

from tokentape_fake_provider.sessions.rules_file.model import RulesFile, SessionSetup
from tokentape_fake_provider.sessions.rules_file.problem import Problem
from tokentape_fake_provider.sessions.rules_file.reading import is_rules_document, read_rules
from tokentape_fake_provider.sessions.rules_file.schema import rules_schema

__all__ = ["Problem", "RulesFile", "SessionSetup", "is_rules_document", "read_rules", "rules_schema"]
