"""Training needs memory for batches, not for the set."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("larger_than_memory.py")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts memory without that of files")
def test_a_set_twice_as_large_as_the_memory_that_is_left(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["set"] > 1.9 * found["spare"]
    assert not found["fits"], "the limit did not hold"
    assert len(found["losses"]) == 4
    assert all(map(math.isfinite, found["losses"]))
