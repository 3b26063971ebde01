"""Files that are replaced whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file to be written beside ``path``, which takes its place when it is complete.

    Parameters
    ----------
    path : Path
        What is replaced, or made, at the end of the ``with`` block; as it was after an error there.

    Yields
    ------
    Path
        Where to write, with the same suffix.
    """
    final = path.resolve()  # what a link points to
    new = final.with_name(f".{final.stem}.{os.getpid()}{final.suffix}")
    try:
        yield new
        with open(new, "rb+") as file:
            os.fsync(file.fileno())
        if final.exists():
            shutil.copymode(final, new)
        os.replace(new, final)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        new.unlink(missing_ok=True)
