"""The cases of the telemetry suite, by area."""
