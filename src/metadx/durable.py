"""Files that are there whole or not at all, whatever happens to the process or the machine."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from metadx.errors import UserError

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class DiskFull(UserError):
    """A file does not fit on its disk; what stood there before is untouched."""


def write_durably(path: Path, content: bytes, keep: Path | None = None) -> None:
    """Replaces a file and waits until the disk has it; at no moment does half of it stand at `path`.

    Args:
        path: the file.
        content: all of it.
        keep: where the content before goes; None drops it.

    Raises:
        DiskFull: it does not fit; says how much was needed.
    """
    beside = path.with_name(f".{path.name}.part")
    try:
        with beside.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        if keep is not None and path.exists():
            path.replace(keep)
        beside.replace(path)
        sync(path.parent)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise DiskFull(
            f"{path.parent}: no room for the {in_words(len(content))} of {path.name} ({error.strerror})"
        ) from error
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Replaces a text file as `write_durably` does; what is no character is written as `?`."""
    write_durably(path, text.encode("utf-8", "replace"))


def sync(path: Path) -> None:
    """Waits until the disk has what was written to a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def in_words(size: int) -> str:
    """A number of bytes as people read it."""
    units = ["bytes", "kB", "MB", "GB"]
    while size >= 1000 and len(units) > 1:
        size = -(-size // 1000)
        units.pop(0)
    return f"{size} {units[0]}"
