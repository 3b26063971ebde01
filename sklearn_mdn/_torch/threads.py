"""How many threads a step is worth."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Rows a step, over all members, from which a second thread pays: below, it gains a fifth at best, and where
# other processes want the cores it costs tens of times as much, waiting for its turn in every operation.
MIN_PARALLEL_ROWS = 2048


class _SingleThread:
    """Puts torch on one thread, and back on as many as before when the last of several fits leaves.

    torch keeps the number by thread and a default for new threads, so that fits side by side in threads
    must agree on what there was before the first of them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entered = 0
        self._before = 1

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if self._entered == 0:
                self._before = torch.get_num_threads()
            self._entered += 1
            torch.set_num_threads(1)
        try:
            yield
        finally:
            with self._lock:
                self._entered -= 1
                torch.set_num_threads(self._before)


_single_thread = _SingleThread()


@contextmanager
def threads_for(rows_per_step: int) -> Iterator[None]:
    """Let steps of so many rows use as many threads as they are worth."""
    if rows_per_step >= MIN_PARALLEL_ROWS:
        yield
    else:
        with _single_thread():
            yield
