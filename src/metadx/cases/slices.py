"""Slices of volumes as pictures, and as cases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from metadx.cases.cases import Cases, Provenance
from metadx.cases.labels import number_classes
from metadx.cases.pictures import Size, sides
from metadx.cases.resize import resized
from metadx.cases.volumes import Volume, to_ras
from metadx.errors import UserError

PLANES = ("sagittal", "coronal", "axial")
"""The plane whose slices follow each axis of a RAS+ volume: x, y, z."""


def slice_pictures(
    volume: Volume, plane: str = "axial", *, low: float | None = None, high: float | None = None
) -> NDArray[np.uint8]:
    """The slices of one plane as pictures, uint8, shape (slices, 1, height, width), from foot, right or back on.

    They lie as radiologists see them: the patient's right on the left of an axial or coronal picture, the front on
    top of an axial one and on the left of a sagittal one, the head on top of the others.

    Args:
        volume: any volume; it is turned by `to_ras`.
        plane: one of `PLANES`.
        low: the value shown black; the smallest of the volume by default.
        high: the value shown white; the largest of the volume by default.

    Raises:
        UserError: another plane, or `low` not below `high`.
    """
    if plane not in PLANES:
        raise UserError(f"plane='{plane}': give one of {', '.join(PLANES)}.")
    turned = to_ras(volume).values
    bottom = float(turned.min()) if low is None else low
    top = float(turned.max()) if high is None else high
    if top < bottom or (top == bottom and (low is not None or high is not None)):
        raise UserError(f"{volume.source}: low={bottom:g} is not below high={top:g}. Give other bounds.")
    slices = np.moveaxis(turned, PLANES.index(plane), 0)[:, ::-1, ::-1].transpose(0, 2, 1)
    shown = np.clip((slices - bottom) / ((top - bottom) or 1.0), 0.0, 1.0)
    pictures: NDArray[np.uint8] = np.round(255.0 * shown).astype(np.uint8)[:, None]
    return pictures


def cases_of_slices(
    volumes: Sequence[Volume],
    labels: Sequence[str],
    patients: Sequence[str] | None = None,
    *,
    plane: str = "axial",
    slices: int = 1,
    size: Size,
    low: float | None = None,
    high: float | None = None,
) -> Cases:
    """Cases of slices, evenly spaced through each volume, every slice with its volume's label and patient.

    Args:
        volumes: at least one.
        labels: the condition of each volume.
        patients: whose each volume is; what its header says by default.
        plane, low, high: as in `slice_pictures`.
        slices: how many of each volume; one is the middle.
        size: pixels to resize to, as in `read_picture`.

    Raises:
        UserError: not one label (and patient) per volume, a volume whose patient is not known, a volume with fewer
            slices, or one class only.
    """
    whose = [v.patient for v in volumes] if patients is None else list(patients)
    if len(labels) != len(volumes) or len(whose) != len(volumes):
        raise UserError(
            f"{len(volumes)} volumes, {len(labels)} labels, {len(whose)} patients. Give one of each."
        )
    for volume, patient in zip(volumes, whose, strict=True):
        if not patient:
            raise UserError(f"{volume.source}: its header names no patient. Give patients=.")
    height, width = sides(size)
    taken, names = [], []
    for volume in volumes:
        pictures = slice_pictures(volume, plane, low=low, high=high)
        if not 1 <= slices <= len(pictures):
            raise UserError(f"{volume.source}: {len(pictures)} {plane} slices, but slices={slices}.")
        at = np.floor((np.arange(slices) + 0.5) * len(pictures) / slices).astype(int)
        taken += [resized(picture, (1, height, width)) for picture in pictures[at]]
        names += [f"{volume.source} {plane} {number}" for number in at]
    y, classes = number_classes([str(label) for label in labels], "volumes")
    bottom = "their smallest" if low is None else f"{low:g}"
    top = "their largest" if high is None else f"{high:g}"
    return Cases(
        x=np.stack(taken),
        y=np.repeat(y, slices),
        patient=np.repeat(np.asarray(whose, dtype=np.str_), slices),
        classes=classes,
        modality="image",
        provenance=Provenance(
            source=volumes[0].source if len(volumes) == 1 else f"{len(volumes)} volumes",
            preprocessing=(
                f"{slices} {plane} slices of each volume, values from {bottom} to {top}",
                f"resized to {height} x {width} pixels (bilinear, antialiased)",
            ),
            notes=tuple(dict.fromkeys(note for volume in volumes for note in volume.notes)),
        ),
        name=np.asarray(names, dtype=np.str_),
    )
