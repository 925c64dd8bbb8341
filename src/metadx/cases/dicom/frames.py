"""What a DICOM header says of its pixels, frame by frame: sizes, and where the macros of a frame are kept."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from metadx.cases.pictures import MAX_PIXELS
from metadx.errors import UserError

if TYPE_CHECKING:
    from pydicom import Dataset

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")

MAX_FRAMES = 100_000


class Layout(NamedTuple):
    """Number of frames, and the rows, columns, samples per pixel and stored bits of each; colour or grey."""

    frames: int
    rows: int
    columns: int
    samples: int
    bits: int
    photometric: str


def layout(dataset: Dataset, path: str | Path, *, pixels: bool = True) -> Layout:
    """The layout that the header claims, checked before anything is allocated.

    Args:
        dataset: an open dataset.
        path: what to name in an error.
        pixels: whether the dataset was read with its pixels, which must then be there.

    Raises:
        UserError: no pixels, a claim that is missing or absurd, or a colour space that is not read.
    """
    if pixels and not any(keyword in dataset for keyword in PIXELS):
        kind = str(dataset.get("Modality", "") or "unknown")
        raise UserError(f"{path}: a DICOM file without pixels (modality {kind[:16]}). Leave it out.")
    rows, columns = whole(dataset, "Rows", path), whole(dataset, "Columns", path)
    frames = whole(dataset, "NumberOfFrames", path, 1)
    samples = whole(dataset, "SamplesPerPixel", path, 1)
    allocated = whole(dataset, "BitsAllocated", path)
    bits = whole(dataset, "BitsStored", path, allocated)
    photometric = str(dataset.get("PhotometricInterpretation", "") or "").strip().upper()
    if rows < 1 or columns < 1 or rows * columns > MAX_PIXELS:
        raise UserError(
            f"{path}: claims {columns} x {rows} pixels; at most {MAX_PIXELS:,} are read. Export it again."
        )
    if not 1 <= frames <= MAX_FRAMES:
        raise UserError(f"{path}: claims {frames} frames; 1 to {MAX_FRAMES:,} are read. Export it again.")
    if allocated not in (1, 8, 16, 32, 64) or not 1 <= bits <= allocated:
        raise UserError(f"{path}: claims {bits} of {allocated} bits per value. Export it again.")
    grey = photometric in ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")
    if not grey and photometric != "RGB" and not photometric.startswith("YBR_"):
        raise UserError(
            f"{path}: photometric interpretation '{photometric[:40]}' is not read. Save it as grey or RGB."
        )
    if samples != (1 if grey else 3):
        raise UserError(f"{path}: {photometric} with {samples} samples per pixel. Export it again.")
    return Layout(frames, rows, columns, samples, bits, photometric)


def macro(dataset: Dataset, frame: int, sequence: str) -> Dataset:
    """Where a functional group macro is kept: with the frame, with what all frames share, or at the top level.

    Args:
        dataset: a whole dataset, enhanced (with functional groups) or not.
        frame: number of the frame, from 0.
        sequence: the macro, such as "PlanePositionSequence".
    """
    for name, at in (("PerFrameFunctionalGroupsSequence", frame), ("SharedFunctionalGroupsSequence", 0)):
        groups = dataset.get(name) or []
        if at < len(groups):
            items = groups[at].get(sequence) or []
            if len(items):
                item: Dataset = items[0]
                return item
    return dataset


def whole(dataset: Dataset, keyword: str, path: str | Path, default: int | None = None) -> int:
    """A whole number of the header.

    Raises:
        UserError: it is missing and has no default, or is no whole number.
    """
    value: Any = dataset.get(keyword)
    if value is None or value == "":
        if default is None:
            raise UserError(f"{path}: the header has no {keyword}. Export it again.")
        return default
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise UserError(
            f"{path}: {keyword} is '{str(value)[:40]}', no whole number. Export it again."
        ) from None


def numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """`count` finite numbers of the header, or None where they are not there."""
    value: Any = dataset.get(keyword)
    if value is None or isinstance(value, str | bytes):
        return None
    try:
        found = tuple(float(v) for v in value) if hasattr(value, "__len__") else (float(value),)
    except (TypeError, ValueError):
        return None
    return found if len(found) == count and all(math.isfinite(v) for v in found) else None
