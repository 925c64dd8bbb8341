"""Where slices lie in the patient: their order along the normal, gaps, doubles, and the affine of the stack."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metadx.cases.dicom.frames import macro, numbers
from metadx.cases.volumes import NoVolume
from metadx.errors import UserError

if TYPE_CHECKING:
    from pydicom import Dataset

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""DICOM's millimetres run towards the patient's left, back and head."""


class Plane(NamedTuple):
    """Where one slice lies, in DICOM's millimetres.

    Args:
        position: centre of the first pixel, shape (3,).
        along_row: step from one column to the next, unit vector, shape (3,).
        along_column: step from one row to the next, unit vector, shape (3,).
        spacing: millimetres between rows, and between columns.
        thickness: of the slice, in millimetres; 0 where it is not known.
    """

    position: NDArray[np.float64]
    along_row: NDArray[np.float64]
    along_column: NDArray[np.float64]
    spacing: tuple[float, float]
    thickness: float

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit vector along which slices are stacked."""
        return np.cross(self.along_row, self.along_column)


class Stack(NamedTuple):
    """Slices in order.

    Args:
        order: which of the given planes comes first, second, ...; shape (slices,).
        affine: index (slice, row, column, 1) to RAS+ millimetres.
        notes: what was odd.
    """

    order: tuple[int, ...]
    affine: NDArray[np.float64]
    notes: tuple[str, ...]


def plane_of(dataset: Dataset, frame: int, path: str | Path) -> Plane:
    """Where a frame lies.

    Raises:
        NoVolume: the header does not say.
        UserError: what it says is no plane.
    """
    position = numbers(macro(dataset, frame, "PlanePositionSequence"), "ImagePositionPatient", 3)
    turned = numbers(macro(dataset, frame, "PlaneOrientationSequence"), "ImageOrientationPatient", 6)
    measures = macro(dataset, frame, "PixelMeasuresSequence")
    spacing = numbers(measures, "PixelSpacing", 2)
    if position is None or turned is None or spacing is None:
        lacking = "position" if position is None else "orientation" if turned is None else "pixel spacing"
        raise NoVolume(f"{path}: the header has no {lacking} in the patient: no slice of a volume.")
    row, column = np.asarray(turned[:3]), np.asarray(turned[3:])
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if not (0.9 < lengths[0] < 1.1 and 0.9 < lengths[1] < 1.1 and abs(row @ column) < 0.01):
        raise UserError(f"{path}: its orientation {turned} is none. Export it again.")
    if min(spacing) <= 0:
        raise UserError(f"{path}: its pixel spacing is {spacing}. Export it again.")
    thickness = numbers(measures, "SliceThickness", 1)
    return Plane(
        np.asarray(position),
        row / lengths[0],
        column / lengths[1],
        (spacing[0], spacing[1]),
        0.0 if thickness is None else max(0.0, thickness[0]),
    )


def stack(planes: Sequence[Plane], source: str, *, gaps: bool = False) -> Stack:
    """The slices in order along their normal, whatever the order of their files.

    Args:
        planes: one per slice, at least one, no two at one position.
        source: what to name in an error.
        gaps: whether to read a stack with missing slices as if there were none missing, with a note.

    Raises:
        NoVolume: slices of different orientation or spacing (such as a localizer), or beside one another.
        UserError: slices are missing.
    """
    first = planes[0]
    for plane in planes:
        same = np.allclose(plane.along_row, first.along_row, atol=1e-3)
        same = same and np.allclose(plane.along_column, first.along_column, atol=1e-3)
        if not same or not np.allclose(plane.spacing, first.spacing, rtol=1e-3):
            raise NoVolume(
                f"{source}: slices differ in orientation or pixel spacing, as in a localizer: no one volume. "
                "Give the files of one stack."
            )
    positions = np.asarray([plane.position for plane in planes])
    heights = positions @ first.normal
    order = np.argsort(heights, kind="stable")
    steps = np.diff(heights[order])
    notes: tuple[str, ...] = ()
    if not len(steps):
        thickness = first.thickness or 1.0
        step = first.normal * thickness
        notes = (f"{source}: one slice, taken as {thickness:g} mm thick.",)
    else:
        usual = float(np.median(steps))
        if usual < 1e-3:
            raise NoVolume(f"{source}: slices do not lie above one another: no one volume.")
        missing = int(np.maximum(0, np.round(steps / usual) - 1).sum())
        if missing:
            at = int(np.argmax(steps))
            said = (
                f"{source}: {missing} slices are missing: {steps[at]:.4g} mm after slice {at + 1} of "
                f"{len(planes)}, where {usual:.4g} mm is usual"
            )
            if not gaps:
                raise UserError(f"{said}. Add them, or read it as it is with gaps=True.")
            notes = (f"{said}; read as if none were missing.",)
        elif steps.max() - steps.min() > 0.05 * usual:
            notes = (f"{source}: slices are {steps.min():.4g} to {steps.max():.4g} mm apart; read as even.",)
        step = (positions[order[-1]] - positions[order[0]]) / len(steps)
        line = positions[order[0]] + np.arange(len(planes))[:, None] * step
        aside = positions[order] - line
        aside -= np.outer(aside @ first.normal, first.normal)
        if np.linalg.norm(aside, axis=1).max() > max(first.spacing):
            raise NoVolume(f"{source}: slices do not lie above one another: no one volume.")
    lps = np.eye(4)
    lps[:3, 0] = step
    lps[:3, 1] = first.along_column * first.spacing[0]
    lps[:3, 2] = first.along_row * first.spacing[1]
    lps[:3, 3] = positions[order[0]]
    return Stack(tuple(int(at) for at in order), LPS_TO_RAS @ lps, notes)
