"""A reader as one row of the contract on damaged files: a sound set of its kind, and what reads it."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from metadx.cases import EVERY_CASE_ITS_OWN_PATIENT, Cases

VOUCHED = EVERY_CASE_ITS_OWN_PATIENT


@dataclass(frozen=True)
class Reader:
    """One reader.

    Args:
        name: what test ids call it.
        write: writes a sound set into a folder; the files that are damaged, one at a time.
        read: reads the set that lies in the folder.
        exact: whether its files carry checksums, so that a damaged one is refused or reads as if it were sound.
        gaps: whether NaN may stand for what is missing.
        said: the numbers that the text of the set says, where every value read must be one of them.
        within: the least and the most that a value may be.
        finds_out: whether it finds out what it reads, so that a damaged set may be one of another kind.
        quick: how many damaged sets the suite reads.
        proof: how many `make prove` reads; fewer where each takes a process of its own, whose inside
            cases/test_hdf5_fuzz.py reads ten thousand times.
    """

    name: str
    write: Callable[[Path], Sequence[Path]]
    read: Callable[[Path], Cases]
    exact: bool = False
    gaps: bool = False
    said: Callable[[Path], set[float]] | None = None
    within: tuple[float, float] = (-np.inf, np.inf)
    finds_out: bool = False
    quick: int = 150
    proof: int = 10_000


def text_of(name: str, content: str) -> Callable[[Path], Sequence[Path]]:
    """A set of one text file, packed where its name ends in .gz."""

    def write(folder: Path) -> Sequence[Path]:
        plain = content.encode()
        (folder / name).write_bytes(gzip.compress(plain, mtime=0) if name.endswith(".gz") else plain)
        return [folder / name]

    return write


def numbers_in(pattern: str) -> Callable[[Path], set[float]]:
    """The numbers that stand between separators in text files of such names, and 0 and 1, which words become."""

    def said(folder: Path) -> set[float]:
        text = "\n".join(file.read_bytes().decode("utf-8", "replace") for file in folder.glob(pattern))
        found = {0.0, 1.0}
        for cell in re.split(r"[\s,;\"'{}%]+", text):
            try:
                found.add(float(cell))
            except ValueError:
                continue
        return {number for number in found if np.isfinite(number)}

    return said


def only(*values: float) -> Callable[[Path], set[float]]:
    """Sets of which no value can be another than these."""
    return lambda folder: set(values)
