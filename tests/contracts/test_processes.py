"""Several processes learn from a batch what one process does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from contracts import together
from contracts.algorithms import Row
from metadx.algorithms import Way
from metadx.training import ALONE

EQUAL = 1e-12


@pytest.fixture(scope="module")
def of_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes learned."""
    folder = tmp_path_factory.mktemp("two")
    torchrun = [sys.executable, "-m", "torch.distributed.run"]
    command = [*torchrun, "--standalone", "--nproc-per-node", "2", together.__file__, folder]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("way", together.WAYS)
@pytest.mark.parametrize("row", together.UPDATING, ids=lambda row: row.name)
def test_two_processes_learn_what_one_does(row: Row, way: Way, of_two: Path) -> None:
    found = load_file(of_two / f"{row.name}-{way}.safetensors")
    alone = together.taught(row, way, ALONE)
    assert found.keys() == alone.keys()
    exactly = way == "loop" and row.over(together.PLAIN).consumes == "tasks"
    for name, value in alone.items():
        if exactly:
            assert torch.equal(found[name], value), name
        torch.testing.assert_close(found[name], value, rtol=EQUAL, atol=EQUAL)
