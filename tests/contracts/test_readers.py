"""Damaged files are read rightly or refused in one line, in bounded memory and time, by every reader."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import metadx.cases
import metadx.cases.clinical
import metadx.cases.genomics
import metadx.cases.openml
import metadx.cases.own
import metadx.cases.signals
from contracts.damage import check, damage
from contracts.reader import Reader
from contracts.readers import READERS

TESTS = Path(__file__).parents[1]
ROOMS = (
    metadx.cases,
    metadx.cases.clinical,
    metadx.cases.genomics,
    metadx.cases.openml,
    metadx.cases.own,
    metadx.cases.signals,
)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_a_sound_set_is_read(reader: Reader, tmp_path: Path) -> None:
    reader.write(tmp_path)
    cases = reader.read(tmp_path)
    check(reader, cases, tmp_path, cases)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_damaged_sets_are_read_rightly_or_refused(reader: Reader, tmp_path: Path) -> None:
    assert damage(reader, tmp_path, reader.quick, 0)["refused"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_ten_thousand_damaged_sets_are_read_rightly_or_refused(reader: Reader, tmp_path: Path) -> None:
    told = damage(reader, tmp_path, reader.proof, 1)
    assert told.total() == reader.proof
    assert min(told.values()) > 0


def test_every_reader_is_proven() -> None:
    source = "".join(file.read_text(encoding="utf-8") for file in (TESTS / "contracts").glob("*_readers.py"))
    for room in ROOMS:
        for name in room.__all__:
            if not name.startswith(("read_", "load_")):
                continue
            made = inspect.signature(getattr(room, name)).return_annotation
            if made in ("Cases", "Own"):
                assert f"{name}(" in source or f", {name}" in source, f"{name} has no row in the contract"
