"""Damaging files by a seed, to prove that a reader gives sound cases or one clear line, and nothing else."""

from __future__ import annotations

import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from metadx.cases import Cases
from metadx.errors import UserError

WORDS = (
    b"nan",
    b"inf",
    b"-1e999",
    b"?",
    b"''",
    b'"',
    b"{",
    b"}",
    b",",
    b"\t",
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b"%",
)
WORDS += (b"99999999999999999999", b"1_0", b"__MACOSX", b"label", b"<DEL>", b"./.", b";", b"|", b"=", b"")


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """The file with one to four bytes changed, words put in, or pieces cut, doubled, swapped or moved."""
    made = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        at = int(rng.integers(0, len(made) + 1))
        end = min(len(made), at + int(rng.integers(0, 40)))
        match int(rng.integers(0, 6)):
            case 0 if made:
                made[min(at, len(made) - 1)] = int(rng.integers(0, 256))
            case 1:
                made[at:at] = WORDS[int(rng.integers(0, len(WORDS)))]
            case 2:
                del made[at:end]
            case 3:
                made[at:at] = made[at:end]
            case 4:
                made[at:end] = WORDS[int(rng.integers(0, len(WORDS)))]
            case _:
                made = (
                    made[:at] if rng.random() < 0.2 else made[at:] + made[:at] if rng.random() < 0.1 else made
                )
    return bytes(made)


def survive(
    reader: Callable[[Path], Cases],
    path: Path,
    content: bytes,
    *,
    count: int,
    seed: int = 0,
    most: float = 100e6,
) -> tuple[int, int]:
    """Reads `count` damaged copies of `content`, written to `path`; counts those read and those refused.

    Each must give cases whose numbers are finite or NaN, or a `UserError` of one short line, within `most` bytes
    of Python's memory.
    """
    rng = np.random.default_rng(seed)
    read = refused = 0
    tracemalloc.start()
    try:
        for number in range(count):
            path.write_bytes(damaged(content, rng))
            tracemalloc.reset_peak()
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    cases = reader(path)
            except UserError as error:
                refused += 1
                said = str(error)
                assert "\n" not in said, (number, said)
                assert len(said) < 1000, (number, said)
            else:
                read += 1
                assert not np.isinf(cases.x).any(), number
                assert len(cases.x) == len(cases.y) == len(cases.patient)
            assert tracemalloc.get_traced_memory()[1] < most, number
    finally:
        tracemalloc.stop()
    return read, refused
