"""The most memory that this process has held, of its libraries in C too."""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path

_UNIT = 1 if sys.platform == "darwin" else 1024


def forget_peak() -> None:
    """Lets the peak begin anew; where the system cannot, it stays the peak since the process began."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_bytes() -> int:
    """The most bytes that were resident at once."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT
