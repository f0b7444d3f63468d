"""Traces: the requests and answers in exported traces and logs, as recordings, scripts and tests."""

from tokentape_harness.conversion.traces.exchange import TracedExchange
from tokentape_harness.conversion.traces.pytest_file import format_pytest
from tokentape_harness.conversion.traces.reading import READERS, read_traces
from tokentape_harness.conversion.traces.recording import Imported, import_exchange

__all__ = ["READERS", "Imported", "TracedExchange", "format_pytest", "import_exchange", "read_traces"]
