"""What every reader meets: files cut short, numbers that are none, what macOS leaves, folders in circles, bombs."""

from __future__ import annotations

import gzip
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cases.memory import forget_peak, peak_bytes
from contracts.damage import MOST_BYTES, attempt
from contracts.reader import Reader
from contracts.readers import READERS
from metadx.errors import UserError

APPLE_DOUBLE = b"\0\5\26\7\0\2\0\0Mac OS X        "
FAST = [reader for reader in READERS if reader.proof == 10_000]
"""Those that need no process of their own for each file."""


def names(readers: list[Reader]) -> list[str]:
    return [reader.name for reader in readers]


def is_text(content: bytes) -> bool:
    return content.isascii() and b"\0" not in content


def of_text(folder: Path, reader: Reader) -> list[Path]:
    return [file for file in reader.write(folder) if is_text(file.read_bytes())]


@pytest.mark.parametrize("reader", FAST, ids=names(FAST))
def test_truncated_files_are_read_rightly_or_refused(reader: Reader, tmp_path: Path) -> None:
    files = reader.write(tmp_path)
    original = reader.read(tmp_path)
    for file in files:
        sound = file.read_bytes()
        for length in {0, 1, 3, len(sound) // 4, len(sound) // 2, len(sound) - 1}:
            file.write_bytes(sound[:length])
            attempt(reader, tmp_path, original)
        file.write_bytes(sound)


@pytest.mark.parametrize("reader", FAST, ids=names(FAST))
def test_nan_and_infinite_samples_never_become_infinite_numbers(reader: Reader, tmp_path: Path) -> None:
    files = of_text(tmp_path, reader)
    if not files:
        pytest.skip("not a file of text; the readers of binary samples have tests of their own")
    original = reader.read(tmp_path)
    for file in files:
        sound = file.read_bytes()
        for place in [found.span() for found in re.finditer(rb"[-+]?[0-9.]+", sound)][:20]:
            for word in (b"nan", b"inf", b"-1e999", b"Infinity"):
                file.write_bytes(sound[: place[0]] + word + sound[place[1] :])
                attempt(reader, tmp_path, original)
        file.write_bytes(sound)


@pytest.mark.parametrize("reader", FAST, ids=names(FAST))
def test_what_macos_leaves_behind_changes_nothing(reader: Reader, tmp_path: Path) -> None:
    files = reader.write(tmp_path)
    original = reader.read(tmp_path)
    for file in [path for path in tmp_path.rglob("*") if path.is_file()]:
        stray = file.parent / "__MACOSX" / f"._{file.name}"
        stray.parent.mkdir(exist_ok=True)
        stray.write_bytes(APPLE_DOUBLE)
        (file.parent / f"._{file.name}").write_bytes(APPLE_DOUBLE)
        (file.parent / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    for file in files:
        if file.suffix == ".zip":
            with zipfile.ZipFile(file, "a") as archive:
                archive.writestr(f"__MACOSX/._{archive.namelist()[0].rpartition('/')[2]}", APPLE_DOUBLE)
    again = reader.read(tmp_path)
    np.testing.assert_array_equal(again.x, original.x)
    np.testing.assert_array_equal(again.y, original.y)
    assert again.classes == original.classes
    assert again.patient.tolist() == original.patient.tolist()


@pytest.mark.parametrize("reader", FAST, ids=names(FAST))
def test_folders_that_hold_themselves_are_read_or_refused(reader: Reader, tmp_path: Path) -> None:
    reader.write(tmp_path)
    original = reader.read(tmp_path)
    for folder in [tmp_path, *(path for path in tmp_path.rglob("*") if path.is_dir())]:
        (folder / "round").symlink_to(tmp_path, target_is_directory=True)
    if attempt(reader, tmp_path, original) == "read":
        np.testing.assert_array_equal(reader.read(tmp_path).x, original.x)


@pytest.mark.parametrize("reader", FAST, ids=names(FAST))
def test_text_that_unpacks_to_very_much_is_refused(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metadx.cases.textfile.ALWAYS_BYTES", 300_000)
    files = of_text(tmp_path, reader)
    if not files:
        pytest.skip("not a file of text; archives and packed volumes have tests of their own")
    reader.read(tmp_path)
    sound = files[0].read_bytes()
    last = sound.rstrip().splitlines()[-1] + b"\n"
    for tail in (b"\n", b"A", last):
        files[0].write_bytes(gzip.compress(sound + tail * (600_000 // len(tail)), 1))
        forget_peak()
        before = peak_bytes()
        with pytest.raises(UserError) as error:
            reader.read(tmp_path)
        assert "\n" not in str(error.value)
        assert peak_bytes() - before < MOST_BYTES
