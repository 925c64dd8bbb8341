"""`Volume`: values on a grid and where that grid lies in the patient; turning and resampling it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter

from metadx.errors import UserError

MAX_VOXELS = 300_000_000
"""A volume that claims more values is refused before memory is taken for it."""


class NoVolume(UserError):
    """Files that are sound, but no volume: a localizer, a radiograph, a report, a picture in colour."""


@dataclass(frozen=True)
class Volume:
    """Values of one series.

    Args:
        values: shape (i, j, k). From DICOM (slices, rows, columns); from NIfTI, or after `to_ras`, (x, y, z)
            towards the patient's right, front and head.
        affine: 4 x 4, takes an index (i, j, k, 1) to millimetres towards right, front and head (RAS+).
        source: the file or folder.
        patient: whose it is, or "".
        notes: sentences that every report repeats.
        date: day of acquisition, such as 2004-01-19, or "".
        details: what else the header tells, such as the study and the modality, by name.

    Raises:
        UserError: no three axes, not finite, or an affine that is none.
    """

    values: NDArray[np.float32]
    affine: NDArray[np.float64]
    source: str
    patient: str = ""
    notes: tuple[str, ...] = field(default=())
    date: str = ""
    details: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or 0 in self.values.shape:
            raise UserError(
                f"{self.source}: values of shape {self.values.shape}, not a volume of three axes."
            )
        check_affine(self.affine, self.source)
        bad = int(self.values.size - np.isfinite(self.values).sum())
        if bad:
            raise UserError(
                f"{self.source}: {bad} of {self.values.size} values are not finite. Mend them or leave it out."
            )

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Millimetres from one value to the next, along each axis of `values`."""
        i, j, k = np.linalg.norm(self.affine[:3, :3], axis=0).tolist()
        return i, j, k


def check_affine(affine: NDArray[Any], source: str) -> None:
    """Raises `UserError` where an affine is not finite, not 4 x 4, or lays a volume flat."""
    sound = affine.shape == (4, 4) and bool(np.isfinite(affine).all())
    if sound:
        steps = np.linalg.norm(affine[:3, :3], axis=0)
        sound = bool((steps > 1e-6).all() and (steps < 1e6).all())
        sound = sound and abs(np.linalg.det(affine[:3, :3] / np.where(steps > 0, steps, 1))) > 1e-3
    if not sound:
        raise UserError(
            f"{source}: its affine does not place it in the patient (zero, infinite or flat). Mend its header."
        )


def to_ras(volume: Volume) -> Volume:
    """The same volume with its axes turned and flipped, not resampled, to lie closest to right, front and head.

    Raises:
        UserError: nibabel is not installed.
    """
    try:
        from nibabel import orientations
    except ImportError:
        raise UserError(f"{volume.source}: turning a volume needs `pip install 'metadx[imaging]'`.") from None
    turning: Any = orientations
    turn = turning.io_orientation(volume.affine)
    affine = volume.affine @ turning.inv_ornt_aff(turn, volume.values.shape)
    return replace(
        volume, values=np.ascontiguousarray(turning.apply_orientation(volume.values, turn)), affine=affine
    )


def resample(volume: Volume, spacing: tuple[float, float, float], *, order: int = 1) -> Volume:
    """The volume at another spacing, along its own axes, covering the same block of the patient.

    Where it gets coarser it is smoothed first, so that fine structure does not alias (not at order 0).

    Args:
        volume: any volume.
        spacing: millimetres along each axis of `values`.
        order: 0 takes the nearest value, as masks need; 1 is linear.

    Raises:
        UserError: a spacing that is not positive, or one that makes more than `MAX_VOXELS` values.
    """
    if order not in (0, 1):
        raise UserError(f"order={order}: give 0 (nearest) or 1 (linear).")
    if len(spacing) != 3 or not all(0 < float(s) < 1e6 for s in spacing):
        raise UserError(f"spacing={spacing}: give three positive lengths in millimetres.")
    scale = np.asarray(spacing, dtype=np.float64) / np.asarray(volume.spacing)
    shape = [max(1, round(float(n / f))) for n, f in zip(volume.values.shape, scale, strict=True)]
    if math.prod(shape) > MAX_VOXELS:
        raise UserError(f"spacing={spacing} makes {shape} values of {volume.source}. Give a coarser one.")
    affine = volume.affine.copy()
    affine[:3, :3] = volume.affine[:3, :3] * scale
    affine[:3, 3] = volume.affine[:3, :3] @ _first(scale) + volume.affine[:3, 3]
    return replace(volume, values=_interpolated(volume.values, scale, shape, order), affine=affine)


def reshaped(values: NDArray[Any], shape: Sequence[int]) -> NDArray[np.float32]:
    """A block of values, shape (i, j, k), interpolated to another shape that covers the same block."""
    if tuple(shape) == values.shape:
        return values.astype(np.float32, copy=False)
    scale = np.asarray(values.shape) / np.asarray(shape, dtype=np.float64)
    return _interpolated(values.astype(np.float32), scale, shape, order=1)


def _interpolated(
    values: NDArray[np.float32], scale: NDArray[np.float64], shape: Sequence[int], order: int
) -> NDArray[np.float32]:
    if order == 1:
        values = gaussian_filter(values, np.maximum(0.0, (scale - 1.0) / 2.0), mode="nearest")
    out: NDArray[np.float32] = affine_transform(
        values, scale, offset=_first(scale), output_shape=tuple(shape), order=order, mode="nearest"
    )
    return out.astype(np.float32, copy=False)


def _first(scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where the first value lies: the outer faces of the first values coincide, not their centres."""
    return (scale - 1.0) / 2.0
