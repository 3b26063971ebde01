"""What every test module relies on, set before any of them is imported."""

from __future__ import annotations

import os

# One thread a process, since the suite runs in several processes. Where a test has more, or another number is
# asked for, those that wait for each other sleep: by default they spin, and where other processes want the
# cores, what they wait for has none. Processes that tests start inherit both.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("MPLBACKEND", "Agg")

from hypothesis import settings

settings.register_profile("sklearn_mdn", deadline=None, derandomize=True, database=None)
settings.load_profile("sklearn_mdn")
