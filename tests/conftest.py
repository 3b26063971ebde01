"""What every test module relies on, set before any of them is imported."""

from __future__ import annotations

import os

# One thread a process: the suite runs in several processes, and results then do not hang on the machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

from hypothesis import settings

settings.register_profile("sklearn_mdn", deadline=None, derandomize=True, database=None)
settings.load_profile("sklearn_mdn")
