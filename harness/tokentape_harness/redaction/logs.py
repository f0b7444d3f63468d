"""Logs: redact what vcrpy logs, since it logs the URI of each request before any filter."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from tokentape_harness.redaction.rules import DEFAULT_RULES, RedactionRules
from tokentape_harness.redaction.spans import redact_text

_LOGGERS = (
    "vcr.request",
    "vcr.cassette",
    "vcr.matchers",
    "vcr.stubs",
    "vcr.stubs.aiohttp_stubs",
    "vcr.stubs.httpx_stubs",
)


@contextmanager
def redacted_logs(rules: RedactionRules = DEFAULT_RULES) -> Iterator[None]:
    """Remove secrets from the records of vcrpy's loggers inside the block."""

    def redacted(record: logging.LogRecord) -> bool:
        record.msg, record.args = redact_text(record.getMessage(), rules), ()
        return True

    loggers = [logging.getLogger(name) for name in _LOGGERS]
    for logger in loggers:
        logger.addFilter(redacted)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(redacted)
