"""What all tests share: hypothesis without deadlines; in CI more examples, and the same ones every time.

A shell that starts the tests in the background has them ignore Ctrl-C, and the programs that they start as well: those
are to take it as in a terminal.
"""

from __future__ import annotations

import os
import signal
import threading

from hypothesis import HealthCheck, settings

settings.register_profile("local", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("local"), max_examples=100, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
