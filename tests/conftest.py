"""What all tests share: hypothesis without deadlines; in CI more examples, and the same ones every time."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile("local", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("local"), max_examples=100, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")
