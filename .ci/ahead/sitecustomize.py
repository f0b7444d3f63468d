"""The clock 400 days ahead in every Python that has this folder on PYTHONPATH; monotonic clocks stay as they are."""

import sys
from datetime import UTC, datetime, timedelta

# What time-machine imports for other uses would be there in every program that a test starts.
left_out = [name for name in ("pytest", "dateutil") if name not in sys.modules]
sys.modules.update(dict.fromkeys(left_out))
import time_machine  # noqa: E402

for name in left_out:
    del sys.modules[name]
time_machine.travel(datetime.now(UTC) + timedelta(days=400)).start()
