"""From a DICOM frame to numbers: stored value, modality, values of interest, and inversion last."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metadx.cases.dicom.decoding import stored_values
from metadx.cases.dicom.frames import Layout, layout, macro, numbers
from metadx.cases.dicom.luts import Lut, read_lut, read_palette
from metadx.cases.dicom.opening import open_dicom, reading
from metadx.cases.dicom.windows import CT_WINDOW, Window, check_window, own_window
from metadx.errors import UserError

if TYPE_CHECKING:
    from pydicom import Dataset


class Values(NamedTuple):
    """Modality values of a grey frame, and which of them are padding around the picture.

    Args:
        values: shape (rows, columns), float32; Hounsfield units for CT.
        padding: shape (rows, columns), bool; None where the header names no padding.
        raw: whether stored values were left as they are.
    """

    values: NDArray[np.float32]
    padding: NDArray[np.bool_] | None
    raw: bool


def read_dicom(
    path: str | Path, *, window: Window | tuple[float, float] | None = None, frame: int | None = None
) -> NDArray[np.uint8]:
    """One frame as it is meant to be seen, uint8, shape (channels, height, width): 1 channel if grey, 3 if not.

    Grey goes through the modality LUT or rescale, then the window: the one given, else the file's VOI LUT or
    first window, else `CT_WINDOW` for CT; other values of at most 8 bits stay as they are, and those of more span
    their own range. MONOCHROME1 is inverted last, so that a lung is dark whichever way the file stores it.

    Args:
        path: a DICOM file.
        window: (centre, width) in modality values, in place of the file's own.
        frame: number of the frame, from 0; may be left out where there is one.

    Raises:
        UserError: pydicom or a decoder is not installed; no pixels, damaged, absurdly large, several frames and
            none chosen, or a window on a coloured picture.
    """
    return picture(
        open_dicom(path), path, window=None if window is None else check_window(window), frame=frame
    )


def read_dicom_values(path: str | Path, *, frame: int | None = None) -> NDArray[np.float32]:
    """Modality values of one grey frame, float32, shape (rows, columns): Hounsfield units for CT, no window.

    Args:
        path: a DICOM file.
        frame: number of the frame, from 0; may be left out where there is one.

    Raises:
        UserError: as `read_dicom`; or the picture is coloured.
    """
    dataset = open_dicom(path)
    with reading(path):
        claimed = layout(dataset, path)
        return modality_values(dataset, claimed, _chosen(claimed, frame, path), path).values


def picture(
    dataset: Dataset, path: str | Path, *, window: Window | None = None, frame: int | None = None
) -> NDArray[np.uint8]:
    """As `read_dicom`, of a dataset that is open; `path` is what to name in an error."""
    with reading(path):
        claimed = layout(dataset, path)
        at = _chosen(claimed, frame, path)
        if claimed.samples == 3 or claimed.photometric == "PALETTE COLOR":
            if window is not None:
                raise UserError(f"{path}: a coloured picture has no window. Leave window= out.")
            return np.ascontiguousarray(_colour(dataset, claimed, at, path).transpose(2, 0, 1))
        found = modality_values(dataset, claimed, at, path)
        shown = np.round(255.0 * _brightness(dataset, claimed, at, found, window)).astype(np.uint8)
        return 255 - shown[None] if claimed.photometric == "MONOCHROME1" else shown[None]


def modality_values(dataset: Dataset, claimed: Layout, frame: int, path: str | Path) -> Values:
    """Modality values of a grey frame of an open dataset.

    Raises:
        UserError: the picture is coloured, or values are not finite.
    """
    if claimed.samples == 3 or claimed.photometric == "PALETTE COLOR":
        raise UserError(f"{path}: a coloured picture ({claimed.photometric}) has no modality values.")
    stored = stored_values(dataset, claimed, frame, path)
    padding = _padding(dataset, stored)
    item = macro(dataset, frame, "PixelValueTransformationSequence")
    slope, intercept = numbers(item, "RescaleSlope", 1), numbers(item, "RescaleIntercept", 1)
    raw = False
    if dataset.get("ModalityLUTSequence"):
        values = read_lut(dataset.ModalityLUTSequence[0], _little(dataset)).look_up(stored).astype(np.float32)
    elif slope is not None and intercept is not None:
        values = (stored * np.float64(slope[0]) + intercept[0]).astype(np.float32)
        raw = (slope[0], intercept[0]) == (1.0, 0.0)
    elif any(item.get(name) not in (None, "") for name in ("RescaleSlope", "RescaleIntercept")):
        given = f"{item.get('RescaleSlope')} and {item.get('RescaleIntercept')}"
        raise UserError(f"{path}: rescale slope and intercept are {given[:60]}. Export it again.")
    else:
        values, raw = stored.astype(np.float32), True
    bad = int(values.size - np.isfinite(values).sum())
    if bad:
        raise UserError(f"{path}: {bad} pixel values are not finite (NaN). Export it again or leave it out.")
    return Values(values, padding, raw)


def _brightness(
    dataset: Dataset, claimed: Layout, frame: int, found: Values, window: Window | None
) -> NDArray[Any]:
    """Brightness before inversion, 0 to 1."""
    item = macro(dataset, frame, "FrameVOILUTSequence")
    if window is None and item.get("VOILUTSequence"):
        lut: Lut = read_lut(item.VOILUTSequence[0], _little(dataset))
        return lut.look_up(found.values) / float((1 << lut.bits) - 1)
    window = window or own_window(item)
    if window is None and dataset.get("Modality") == "CT":
        window = CT_WINDOW
    if window is not None:
        return window.shown(found.values)
    signed = int(dataset.get("PixelRepresentation") or 0) == 1
    if found.raw and not signed and claimed.bits <= 8:
        return found.values / float((1 << claimed.bits) - 1)
    kept = found.values if found.padding is None else found.values[~found.padding]
    low, high = (float(kept.min()), float(kept.max())) if kept.size else (0.0, 0.0)
    if high == low:
        return np.zeros(found.values.shape, dtype=np.float32)
    return np.clip((found.values.astype(np.float64) - low) / (high - low), 0.0, 1.0)


def _colour(dataset: Dataset, claimed: Layout, frame: int, path: str | Path) -> NDArray[np.uint8]:
    """RGB, shape (rows, columns, 3)."""
    stored = stored_values(dataset, claimed, frame, path)
    if claimed.photometric != "PALETTE COLOR":
        if stored.dtype.kind != "u":
            raise UserError(f"{path}: colours as {stored.dtype} values. Save it as 8-bit RGB.")
        return _eight_bits(stored, claimed.bits)
    tables = read_palette(dataset, _little(dataset))
    return np.stack([_eight_bits(table.look_up(stored), table.bits) for table in tables], axis=-1)


def _eight_bits(values: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    if bits == 8:
        return values.astype(np.uint8, copy=False)
    return np.round(np.clip(values / float((1 << bits) - 1), 0.0, 1.0) * 255.0).astype(np.uint8)


def _padding(dataset: Dataset, stored: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Which stored values are padding: one value, or a range between two."""
    one = numbers(dataset, "PixelPaddingValue", 1)
    if one is None:
        return None
    other = numbers(dataset, "PixelPaddingRangeLimit", 1) or one
    return (stored >= min(one[0], other[0])) & (stored <= max(one[0], other[0]))


def _chosen(claimed: Layout, frame: int | None, path: str | Path) -> int:
    if frame is None and claimed.frames > 1:
        raise UserError(
            f"{path}: holds {claimed.frames} frames. Choose one with frame=, or save one picture per file."
        )
    return frame or 0


def _little(dataset: Dataset) -> bool:
    return bool(dataset.file_meta.TransferSyntaxUID.is_little_endian)
