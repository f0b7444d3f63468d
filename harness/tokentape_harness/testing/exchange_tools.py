"""Exchange tools: what the harness lends to a fake provider. They are imported at their first use, to start quickly."""

from __future__ import annotations

from pathlib import Path

from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.sessions.exchange import Decoded, Exchange
from tokentape_fake_provider.tape import Tape


class HarnessTools:
    """Decodes responses with the library, and writes cassettes as recordings are written."""

    def decode(self, tape: Tape, wire: str) -> Decoded:
        """Decode a response, errors included; never raises."""
        from tokentape_harness.testing import exchange_reading

        return exchange_reading.decode(tape, wire)

    def script(self, exchange: Exchange) -> Script:
        """Return the script that generates this response. Raises `ScriptError` if none does."""
        from tokentape_harness.testing import exchange_reading

        return exchange_reading.script(exchange)

    def save(self, exchange: Exchange, path: Path) -> None:
        """Write a new cassette, redacted as recordings are. Raises `CassetteExistsError`, `CassetteAccessError`."""
        from tokentape_harness.testing import exchange_reading

        exchange_reading.save(exchange, path)
