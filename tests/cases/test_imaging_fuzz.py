"""Damaged DICOM and NIfTI files are read or refused in one line, whatever is damaged, in bounded memory."""

from __future__ import annotations

import gzip
import logging
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from nibabel.testing import data_path

from cases.memory import peak_bytes
from metadx.cases.dicom import read_dicom, read_dicom_values, read_header, read_volume
from metadx.cases.nifti import read_nifti
from metadx.errors import UserError

DICOM = Path(pydicom.__file__).parent / "data" / "test_files"
NIFTI = Path(data_path)
MOST_BYTES = 700e6
"""What reading a damaged file of less than 1 MB may take at its peak, beyond what was taken before."""

SAMPLES = (
    DICOM / "CT_small.dcm",
    DICOM / "MR_small_RLE.dcm",
    DICOM / "MR_small_jp2klossless.dcm",
    DICOM / "MR_small_jpeg_ls_lossless.dcm",
    DICOM / "MR_small_bigendian.dcm",
    DICOM / "SC_rgb_jpeg_dcmtk.dcm",
    DICOM / "SC_rgb_jpeg_gdcm.dcm",
    DICOM / "JPGExtended.dcm",
    DICOM / "SC_rgb_rle_2frame.dcm",
    DICOM / "rtdose.dcm",
    DICOM / "image_dfl.dcm",
    NIFTI / "anatomical.nii",
    NIFTI / "functional.nii",
    NIFTI / "example_nifti2.nii.gz",
)


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """A copy with some bytes changed, mostly in the header or where the pixels begin, and perhaps cut short."""
    data = bytearray(content)
    pixels = max(0, content.find(b"\xe0\x7f\x10\x00"))
    for _ in range(rng.integers(1, 9)):
        low, high = [(0, min(len(data), 3000)), (pixels, min(len(data), pixels + 300)), (0, len(data))][
            rng.integers(3)
        ]
        data[rng.integers(low, high)] = rng.choice([0, 1, 0x7F, 0xFF, rng.integers(256)])
    return bytes(data[: rng.integers(len(data))] if rng.random() < 0.1 else data)


def attempt(path: Path) -> bool:
    """Whether the file was read; what is read must be sound."""
    if path.suffix in (".nii", ".gz"):
        return succeeds(read_a_volume, path)
    read = succeeds(read_a_picture, path)
    succeeds(read_header, path)
    succeeds(lambda file: read_volume([file]), path)
    return read


def succeeds(read: Callable[[Path], object], path: Path) -> bool:
    """Whether it reads; a refusal is one line that names the file."""
    try:
        read(path)
    except UserError as why:
        said = str(why)
    else:
        return True
    assert "\n" not in said
    assert path.name in said
    return False


def read_a_volume(path: Path) -> None:
    volume = read_nifti(path, index=0, nan=0.0)
    assert volume.values.ndim == 3
    assert np.isfinite(volume.values).all()


def read_a_picture(path: Path) -> None:
    shown = read_dicom(path, frame=0)
    assert shown.dtype == np.uint8
    assert shown.shape[0] in (1, 3)
    if shown.shape[0] == 1:
        assert np.isfinite(read_dicom_values(path, frame=0)).all()


def fuzz(sample: Path, path: Path, seed: int, count: int) -> Counter[str]:
    """How many of `count` damaged copies were read all the same, and how many refused."""
    rng = np.random.default_rng(seed)
    packed = sample.suffix == ".gz"
    content = gzip.decompress(sample.read_bytes()) if packed else sample.read_bytes()
    logging.disable(logging.CRITICAL)
    before, told = peak_bytes(), Counter[str]()
    try:
        for at in range(count):
            data = damaged(content, rng)
            if packed and at % 2:
                data = gzip.compress(data, 1)
            elif packed:
                data = damaged(gzip.compress(content, 1), rng)
            path.write_bytes(data)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                told["read" if attempt(path) else "refused"] += 1
    finally:
        logging.disable(logging.NOTSET)
    assert peak_bytes() - before < MOST_BYTES
    return told


def fuzz_all(folder: Path, each: int, seed: int) -> Counter[str]:
    """So many damaged copies of each sample."""
    told = Counter[str]()
    for number, sample in enumerate(SAMPLES):
        told += fuzz(sample, folder / f"fuzzed{''.join(sample.suffixes)}", seed + number, each)
    return told


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_damaged_files_are_read_or_refused(sample: Path, tmp_path: Path) -> None:
    assert fuzz(sample, tmp_path / f"fuzzed{''.join(sample.suffixes)}", 0, 40)["refused"] > 0


@pytest.mark.slow
def test_ten_thousand_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    assert fuzz_all(tmp_path, 10_000 // len(SAMPLES) + 1, 1).total() >= 10_000
