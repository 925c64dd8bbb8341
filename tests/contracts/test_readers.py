"""Damaged files are read rightly or refused in one line, in bounded memory and time, by every reader."""

from __future__ import annotations

import inspect
import logging
import time
import tracemalloc
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest

import metadx.cases
import metadx.cases.clinical
import metadx.cases.genomics
import metadx.cases.signals
from cases.mutations import damaged
from contracts.readers import PROVEN_ELSEWHERE, READERS, Reader
from metadx.cases import Cases
from metadx.errors import UserError

MOST_BYTES = 100e6
"""What reading a damaged set of a few kilobytes may take."""

MOST_SECONDS = 20.0
"""Of one reading, in processor time; a sound one takes milliseconds."""

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_a_sound_set_is_read(reader: Reader, tmp_path: Path) -> None:
    reader.write(tmp_path)
    check(reader, reader.read(tmp_path), tmp_path, None)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_damaged_sets_are_read_rightly_or_refused(reader: Reader, tmp_path: Path) -> None:
    assert damage(reader, tmp_path, reader.quick, 0) > 0


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_ten_thousand_damaged_sets_are_read_rightly_or_refused(reader: Reader, tmp_path: Path) -> None:
    assert damage(reader, tmp_path, 10_000, 1) > 0


def test_every_reader_is_proven() -> None:
    rooms = (metadx.cases, metadx.cases.clinical, metadx.cases.genomics, metadx.cases.signals)
    source = (TESTS / "contracts" / "readers.py").read_text(encoding="utf-8")
    for room in rooms:
        for name in room.__all__:
            made = (
                inspect.signature(getattr(room, name)).return_annotation if name.startswith("read_") else ""
            )
            if made != "Cases":
                continue
            if name in PROVEN_ELSEWHERE:
                beside = (TESTS / PROVEN_ELSEWHERE[name]).read_text(encoding="utf-8")
                assert name in beside
                assert "def test_ten_thousand_damaged" in beside
            else:
                assert f"{name}(" in source or f", {name}" in source, (
                    f"{name} has no row in contracts/readers.py"
                )


def damage(reader: Reader, folder: Path, count: int, seed: int) -> int:
    """Reads so many damaged copies of a set; how many were refused."""
    rng = np.random.default_rng([seed, zlib.crc32(reader.name.encode())])
    files = reader.write(folder)
    sound = {file: file.read_bytes() for file in files}
    original = reader.read(folder)
    refused = 0
    logging.disable(logging.CRITICAL)
    tracemalloc.start()
    try:
        for number in range(count):
            file = files[int(rng.integers(len(files)))]
            file.write_bytes(damaged(sound[file], rng))
            tracemalloc.reset_peak()
            began = time.process_time()
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    cases = reader.read(folder)
            except UserError as why:
                refused += 1
                said = str(why)
                assert "\n" not in said, (number, said)
                assert len(said) < 1000, (number, said)
            else:
                check(reader, cases, folder, original)
            assert tracemalloc.get_traced_memory()[1] < MOST_BYTES, number
            assert time.process_time() - began < MOST_SECONDS, number
            file.write_bytes(sound[file])
    finally:
        tracemalloc.stop()
        logging.disable(logging.NOTSET)
    return refused


def check(reader: Reader, cases: Cases, folder: Path, original: Cases | None) -> None:
    """Whether cases are sound: finite where nothing may be missing, aligned, and no number that nobody said."""
    x = cases.x
    assert len(x) == len(cases.y) == len(cases.patient) > 0
    assert x.dtype == np.uint8 if cases.modality == "image" else x.dtype.kind == "f"
    assert not np.isinf(x).any()
    assert reader.gaps or not np.isnan(x).any()
    assert all(str(whose).strip() for whose in cases.patient)
    if cases.time is not None:
        assert (
            not np.isnat(cases.time).any() if cases.time.dtype.kind == "M" else np.isfinite(cases.time).all()
        )
    if original is not None:
        assert x.ndim == original.x.ndim
        assert cases.regression == original.regression
    if original is not None and reader.exact:
        np.testing.assert_array_equal(x, original.x)
        np.testing.assert_array_equal(cases.y, original.y)
        assert cases.classes == original.classes
        assert cases.patient.tolist() == original.patient.tolist()
    if reader.said is not None:
        known = np.asarray(sorted(reader.said(folder)))
        values = x[np.isfinite(x)].astype(np.float64)
        nearest = np.abs(values[:, None] - known[None, :]).min(1) if len(values) else np.zeros(0)
        assert (nearest <= 1e-6 * (1 + np.abs(values))).all()
