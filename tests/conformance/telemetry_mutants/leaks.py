"""Content and keys in places and forms that a search for the plain text in attributes misses."""

from __future__ import annotations

import base64
from typing import Any

from tests.conformance.telemetry_mutants.faults import Changed
from tests.conformance.telemetry_mutants.ground import Call, Ground, prompt_of
from tests.conformance.telemetry_mutants.recorded import broken


class Logged(Ground):
    """Exports a log record besides."""

    def body(self, call: Call) -> dict[str, Any]:
        """Its body."""
        return {"stringValue": "a call ended"}

    def export(self, call: Call) -> None:
        """The record first, so that the span is the last."""
        records = [{"eventName": "gen_ai.content", "body": self.body(call)}]
        self.send("logs", {"resourceLogs": [{"scopeLogs": [{"scope": {"name": "ground"}, "logRecords": records}]}]})
        super().export(call)


@broken("content/prompt-left-out")
class LogsPromptsAsBytes(Logged):
    """The prompt is in the body of a log record, as bytes."""

    def body(self, call: Call) -> dict[str, Any]:
        """The prompt."""
        return {"bytesValue": base64.b64encode(prompt_of(call).encode()).decode()}


@broken("content/response-left-out")
class LogsTokens(Logged):
    """A token of the response is in the body of a log record, inside a structure."""

    def body(self, call: Call) -> dict[str, Any]:
        """Part of the text."""
        text = call.output.text[:30] if call.output else ""
        return {"kvlistValue": {"values": [{"key": "chunk", "value": {"stringValue": text}}]}}


@broken("content/no-keys")
class TellsAnotherKey(Changed):
    """A key of another form than the suite's is recorded."""

    def change(self, call: Call) -> dict[str, Any]:
        """A key of OpenAI."""
        return {"client.options": "api_key=sk-proj-" + "aB3dE5gH7jK9mN1pQ4rS6tU8" * 2}
