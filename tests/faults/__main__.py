"""Measure how the official clients take each fault, and write it down: `python -m tests.faults`."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from tests.faults.readers import HELPERS, SDKS
from tests.faults.specs import TEXT
from tests.faults.test_fault_clients import taken
from tokentape_fake_provider import FakeProviderServer, Rule, Script


def main() -> None:
    """Write `measured.json`."""
    logging.disable()
    measured = {}
    with FakeProviderServer() as server:
        for wire, client in [*SDKS.items(), *((f"{wire} helper", client) for wire, client in HELPERS.items())]:
            name = wire.removesuffix(" helper")
            session = server.create_session()
            session.add_rule(Rule((Script.of(TEXT),)))
            measured[wire] = taken(client, server.base_url(name, session.id), session, name, {})
            print(wire)
    path = Path(__file__).parent / "measured.json"
    path.write_text(json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    main()
