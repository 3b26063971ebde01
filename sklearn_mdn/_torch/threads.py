"""How many threads an operation is worth, and which of them a process has."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Rows a step, over all members, from which a second thread pays: below, it gains a fifth at best, and where
# other processes want the cores it costs tens of times as much, waiting for its turn in every operation.
MIN_PARALLEL_ROWS = 2048

# The same of what is not training, in numbers that an operation makes altogether.
MIN_PARALLEL_NUMBERS = 1 << 21

# An operation on so few numbers takes no second thread anyhow.
SERIAL_NUMBERS = 1 << 11


@contextmanager
def single_thread() -> Iterator[None]:
    """Put this thread's operations on one thread, and back on as many as before.

    torch keeps the number by thread, and one that new threads start with. The setter sets both, so that
    another thread puts the second one back at once: a thread born meanwhile is not to stay at one for good.
    """
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        keeper = threading.Thread(target=torch.set_num_threads, args=(before,))
        keeper.start()
        keeper.join()
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def threads_for(rows_per_step: int) -> Iterator[None]:
    """Let steps of so many rows use as many threads as they are worth."""
    if rows_per_step >= MIN_PARALLEL_ROWS:
        yield
    else:
        with single_thread():
            yield


@contextmanager
def threads_for_numbers(numbers: int) -> Iterator[None]:
    """Let operations that make so many numbers altogether use as many threads as they are worth."""
    if SERIAL_NUMBERS <= numbers < MIN_PARALLEL_NUMBERS:
        with single_thread():
            yield
    else:
        yield


def _after_fork() -> None:
    """A forked child has none of the threads that its parent's OpenMP would wait for: one is all there is."""
    torch.set_num_threads(1)


if sys.platform != "win32":  # where there is no forking
    os.register_at_fork(after_in_child=_after_fork)
