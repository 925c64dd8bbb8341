"""Damaged HDF5 files end in cases, a refusal, or the end of the process that read them, never in another way."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from cases.genomics.test_anndata import cells, write
from cases.making import write_medimeta

TESTS = Path(__file__).parents[1]


def sound(kind: str, folder: Path) -> Path:
    """A sound file of a kind."""
    if kind == "pictures":
        return write_medimeta(folder / "set", count=6, side=5) / "images.hdf5"
    return write(folder, cells(), "h5ad")


def fuzz(kind: str, folder: Path, count: int, seed: int) -> Counter[str]:
    """How many damaged files were read and refused, and how many ended their process, which a new one follows."""
    file, told, first = sound(kind, folder), Counter[str](), 0
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(TESTS), *sys.path))}
    while first < count:
        asked = [kind, file, folder / "damaged", seed, first, count]
        command = [sys.executable, "-m", "cases.hdf5_worker", *map(str, asked)]
        ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert "Traceback" not in ended.stderr, ended.stderr[-2000:]
        lines = ended.stdout.split("\n")
        told.update(line for line in lines if line in ("read", "refused"))
        first = max([first - 1, *(int(line[6:]) for line in lines if line.startswith("begin "))]) + 1
        told["ended the process"] += ended.returncode != 0
    return told


@pytest.mark.parametrize("kind", ["pictures", "cells"])
def test_damaged_hdf5_is_read_refused_or_ends_its_process(kind: str, tmp_path: Path) -> None:
    told = fuzz(kind, tmp_path, 40, 0)
    assert told.total() == 40
    assert told["refused"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pictures", "cells"])
def test_ten_thousand_damaged_hdf5_files(kind: str, tmp_path: Path) -> None:
    told = fuzz(kind, tmp_path, 10_000, 1)
    assert told.total() == 10_000
    assert told["ended the process"] < 1_000
