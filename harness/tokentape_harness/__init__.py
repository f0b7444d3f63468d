"""Record, replay and test LLM streams: cassettes, pytest fixtures and the command line.

The fixtures `fake_provider` and `fake_provider_env` come with the pytest plugin, without an import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokentape_fake_provider.errors import lazy_exports
from tokentape_harness import errors

if TYPE_CHECKING:
    from tokentape_harness.cassettes.chunks import Chunk
    from tokentape_harness.cassettes.model import (
        Cassette,
        Fault,
        Interaction,
        RecordedError,
        Request,
        Response,
        StreamRecord,
    )
    from tokentape_harness.cassettes.reader import parse_cassette, read_cassette
    from tokentape_harness.cassettes.writer import format_cassette, write_cassette
    from tokentape_harness.conversion.transcode import transcode
    from tokentape_harness.recording.recorder import MismatchError
    from tokentape_harness.recording.use_cassette import use_cassette
    from tokentape_harness.redaction import DEFAULT_RULES, secrets_of_environment
    from tokentape_harness.testing.client_output import output_of
    from tokentape_harness.testing.conversation import call
    from tokentape_harness.testing.fake_provider import FakeProvider
    from tokentape_harness.testing.recordings import load_recordings, recordings_of
    from tokentape_harness.testing.sdk_environment import sdk_environment

__all__ = [
    "DEFAULT_RULES",
    "Cassette",
    "Chunk",
    "FakeProvider",
    "Fault",
    "Interaction",
    "MismatchError",
    "RecordedError",
    "Request",
    "Response",
    "StreamRecord",
    "call",
    "errors",
    "format_cassette",
    "load_recordings",
    "output_of",
    "parse_cassette",
    "read_cassette",
    "recordings_of",
    "sdk_environment",
    "secrets_of_environment",
    "transcode",
    "use_cassette",
    "write_cassette",
]

# The pytest plugin imports this package in every pytest run: what it does not use must not cost it anything.
_LAZY = {
    "Cassette": "cassettes.model",
    "Chunk": "cassettes.chunks",
    "DEFAULT_RULES": "redaction",
    "FakeProvider": "testing.fake_provider",
    "Fault": "cassettes.model",
    "Interaction": "cassettes.model",
    "MismatchError": "recording.recorder",
    "RecordedError": "cassettes.model",
    "Request": "cassettes.model",
    "Response": "cassettes.model",
    "StreamRecord": "cassettes.model",
    "call": "testing.conversation",
    "format_cassette": "cassettes.writer",
    "load_recordings": "testing.recordings",
    "output_of": "testing.client_output",
    "parse_cassette": "cassettes.reader",
    "read_cassette": "cassettes.reader",
    "recordings_of": "testing.recordings",
    "sdk_environment": "testing.sdk_environment",
    "secrets_of_environment": "redaction",
    "transcode": "conversion.transcode",
    "use_cassette": "recording.use_cassette",
    "write_cassette": "cassettes.writer",
}

__getattr__, __dir__ = lazy_exports(__name__, _LAZY, "harness")
