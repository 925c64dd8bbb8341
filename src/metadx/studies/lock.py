"""One process on one run folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from metadx.errors import UserError

LOCK = ".lock"


@contextmanager
def only_process(folder: Path) -> Iterator[None]:
    """Holds a folder for this process; the operating system lets go of it when the process ends, however it ends.

    Raises:
        UserError: another process holds it; says which.
    """
    path = folder / LOCK
    descriptor = _locked(path)
    try:
        with contextlib.suppress(OSError):  # a full disk: the lock holds without a number in it
            os.truncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _locked(path: Path) -> int:
    import fcntl  # not on Windows, where everything but training works

    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode() or "unknown"
            os.close(descriptor)
            raise UserError(
                f"{path.parent}: another process (pid {holder}) is at work on this run. Wait for it or stop it."
            ) from None
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        os.close(descriptor)  # whoever held it has just removed it
