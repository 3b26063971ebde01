"""What is said of memory that ran out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

RAN_OUT = "Memory ran out in"


@contextmanager
def naming_memory(work: str, way_out: str) -> Iterator[None]:
    """Say of memory that ran out what took it, and what needs less of it."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not ran_out_of_memory(error) or str(error).startswith(RAN_OUT):
            raise
        raise MemoryError(f"{RAN_OUT} {work}. {way_out} ({str(error).partition(chr(10))[0]})") from error


def ran_out_of_memory(error: Exception) -> bool:
    """Whether memory is what an error is about: on the CPU PyTorch raises a plain RuntimeError."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "allocate memory" in str(error)
