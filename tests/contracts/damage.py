"""Reading damaged sets: each is read rightly or refused in one line, in bounded memory and time."""

from __future__ import annotations

import logging
import time
import warnings
import zlib
from collections import Counter
from pathlib import Path

import numpy as np

from cases.memory import forget_peak, peak_bytes
from cases.mutations import damaged
from contracts.reader import Reader
from metadx.cases import Cases
from metadx.errors import UserError

MOST_BYTES = 100e6
"""What reading a damaged set of a few kilobytes may take, beyond what the sound one took."""

MOST_SECONDS = 20.0
"""Of one reading, in processor time; a sound one takes milliseconds."""


def damage(reader: Reader, folder: Path, count: int, seed: int) -> Counter[str]:
    """Reads so many damaged copies of a set; how many were read and how many refused.

    Raises:
        AssertionError: one was read wrongly, refused at length, or took too much memory or time; says its number.
        Exception: whatever else the reader raises, with a note of the number.
    """
    rng = np.random.default_rng([seed, zlib.crc32(reader.name.encode())])
    files = reader.write(folder)
    sound = {file: file.read_bytes() for file in files}
    original = reader.read(folder)
    told = Counter(read=0, refused=0)
    forget_peak()
    before = peak_bytes()
    logging.disable(logging.CRITICAL)
    try:
        for number in range(count):
            file = files[int(rng.integers(len(files)))]
            file.write_bytes(damaged(sound[file], rng))
            forget_peak()
            began = time.process_time()
            try:
                told[attempt(reader, folder, original)] += 1
            except BaseException as why:
                why.add_note(f"{reader.name}: damaged set {number} of seed {seed}, {file.name}")
                raise
            assert peak_bytes() - before < MOST_BYTES, (number, file.name)
            assert time.process_time() - began < MOST_SECONDS, (number, file.name)
            file.write_bytes(sound[file])
    finally:
        logging.disable(logging.NOTSET)
    return told


def attempt(reader: Reader, folder: Path, original: Cases) -> str:
    """Reads one damaged set: "read" or "refused"."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            cases = reader.read(folder)
    except UserError as why:
        said = str(why)
        assert "\n" not in said, said
        assert len(said) < 1000, said
        return "refused"
    check(reader, cases, folder, original)
    return "read"


def check(reader: Reader, cases: Cases, folder: Path, original: Cases) -> None:
    """Whether cases are sound: finite where nothing may be missing, aligned, and no number that nobody said."""
    x = cases.x
    assert len(x) == len(cases.y) == len(cases.patient) > 0
    assert x.dtype == np.uint8 if cases.modality == "image" else x.dtype.kind == "f"
    assert not np.isinf(x).any()
    assert reader.gaps or not np.isnan(x).any()
    assert np.isfinite(cases.y).all()
    assert all(str(whose).strip() for whose in cases.patient)
    if cases.time is not None:
        assert (
            not np.isnat(cases.time).any() if cases.time.dtype.kind == "M" else np.isfinite(cases.time).all()
        )
    assert reader.finds_out or x.ndim == original.x.ndim
    assert reader.finds_out or cases.regression == original.regression
    if reader.exact:
        np.testing.assert_array_equal(x, original.x)
        np.testing.assert_array_equal(cases.y, original.y)
        assert cases.classes == original.classes
        assert cases.patient.tolist() == original.patient.tolist()
    values = x[np.isfinite(x)].astype(np.float64)
    low, high = reader.within
    assert ((values >= low) & (values <= high)).all()
    if reader.said is not None:
        known = np.asarray(sorted(reader.said(folder)))
        nearest = np.abs(values[:, None] - known[None, :]).min(1) if len(values) else np.zeros(0)
        assert (nearest <= 1e-6 * (1 + np.abs(values))).all(), values[nearest > 1e-6 * (1 + np.abs(values))]
