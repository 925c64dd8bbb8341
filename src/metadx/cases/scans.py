"""Scans, which are NIfTI files and DICOM series, as arrays of cases: volumes whole, or some of their slices."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metadx.cases.dicom.headers import DETAILS
from metadx.cases.dicom.series import find_series, read_volume
from metadx.cases.dicom.told import Told
from metadx.cases.dicom.windows import CT_WINDOW
from metadx.cases.inside import files_below
from metadx.cases.kinds import is_dicom, is_index
from metadx.cases.nifti import SUFFIXES, read_nifti
from metadx.cases.pictures import MAX_SET_BYTES, AnySize, sides
from metadx.cases.resize import block, resized
from metadx.cases.slices import PLANES, slice_pictures
from metadx.cases.volumes import NoVolume, Volume, reshaped, to_ras
from metadx.errors import UserError

Group = tuple[Path, ...]
"""The files of one scan."""


@dataclass(frozen=True)
class Scans:
    """What of a scan becomes cases.

    Args:
        slices: how many pictures of each scan, evenly spaced; None keeps volumes whole.
        plane: of the slices: sagittal, coronal or axial.
        low: the value shown black; by default -160 Hounsfield units for a CT, else the smallest of each scan.
        high: the value shown white; by default 240 Hounsfield units for a CT, else the largest of each scan.
    """

    slices: int | None = None
    plane: str = "axial"
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            bound = getattr(self, name)
            if bound is not None and (isinstance(bound, str) or not math.isfinite(bound)):
                raise UserError(f"{name}={bound}: give a number.")
        if isinstance(self.slices, bool | float | str):
            raise UserError(f"slices={self.slices}: give a whole number.")
        if self.slices is not None and not 1 <= self.slices <= 10_000:
            raise UserError(f"slices={self.slices}: give 1 or more, or leave it out for whole volumes.")
        if self.plane not in PLANES:
            raise UserError(f"plane='{self.plane}': give one of {', '.join(PLANES)}.")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise UserError(f"low={self.low:g} is not below high={self.high:g}. Give other bounds.")


class ScanArrays(NamedTuple):
    """Cases of scans.

    Args:
        x: uint8, (cases, channels, height, width) of slices, (cases, channels, depth, height, width) of volumes.
        of: which scan each case is of, shape (cases,).
        where: what to add to the scan's name, such as "axial 12"; "" for a whole volume.
        told: what headers tell of each case.
        done: sentences for `Provenance.preprocessing`.
    """

    x: NDArray[np.uint8]
    of: NDArray[np.int64]
    where: tuple[str, ...]
    told: Told
    done: tuple[str, ...]


def is_nifti(path: Path) -> bool:
    """Whether a file is a NIfTI volume, by its name."""
    return path.name.lower().endswith(SUFFIXES)


def find_scans(folder: Path) -> list[Group]:
    """The scans below a folder: every NIfTI file, and the files of every DICOM series, in the order of their names.

    Raises:
        UserError: a damaged DICOM file.
    """
    visible = files_below(folder)
    found: list[Group] = [(file,) for file in visible if is_nifti(file)]
    if any(is_dicom(file) and not is_index(file) for file in visible if not is_nifti(file)):
        found += find_series(folder).values()
    return sorted(found)


def scan_of(path: Path) -> Group:
    """The scan that a file or a folder of one DICOM series is.

    Raises:
        UserError: a folder without a scan or with several, or a file that is none.
    """
    if path.is_dir():
        found = find_scans(path)
        if len(found) != 1:
            raise UserError(f"{path}: {len(found)} scans in it. Give the file, or the folder of one series.")
        return found[0]
    if not path.is_file():
        raise UserError(f"{path}: no such scan. Mend the path or add the file.")
    if not is_nifti(path) and not is_dicom(path):
        raise UserError(f"{path}: neither NIfTI nor DICOM, so no scan. Replace it or leave it out.")
    return (path,)


def read_scan(group: Group) -> Volume:
    """One scan as a volume in RAS+.

    Raises:
        NoVolume, UserError: as `read_volume` and `read_nifti`.
    """
    return read_nifti(group[0]) if is_nifti(group[0]) else to_ras(read_volume(group))


def read_scans(
    groups: Sequence[Group], scans: Scans, *, size: AnySize | None = None, channels: int | None = None
) -> ScanArrays:
    """Cases of scans, read one after the other. DICOM series that are no volume are left out and counted.

    Args:
        groups: the files of each scan.
        scans: what of them becomes cases.
        size: of slices as in `read_picture`; of volumes the side of a cube, or (depth, height, width), interpolated
            over whatever block of the patient a scan shows; as they are by default.
        channels: 3 gives slices three equal channels.

    Raises:
        UserError: no scan is a volume; scans differ in size and none is given; too few slices; or too many values.
    """
    wanted = None if size is None else sides(size) if scans.slices is not None else block(size)
    parts: list[NDArray[np.uint8]] = []
    of: list[int] = []
    where: list[str] = []
    volumes: list[Volume] = []
    left: list[str] = []
    for number, group in enumerate(groups):
        try:
            volume = read_scan(group)
        except NoVolume as why:
            left.append(str(why))
            continue
        x, names = (
            _slices(volume, scans, wanted) if scans.slices is not None else _whole(volume, scans, wanted)
        )
        x = np.repeat(x, 3, axis=1) if channels == 3 else x
        if parts and x.shape[1:] != parts[0].shape[1:]:
            raise UserError(
                f"{groups[of[0]][0]} is {_sides(parts[0])} but {group[0]} is {_sides(x)}. Give size= to bring "
                "them to one."
            )
        if x.nbytes * len(groups) > MAX_SET_BYTES:
            raise UserError(
                f"{len(groups)} scans of {_sides(x)} take {x.nbytes * len(groups) / 1024**3:.0f} GiB. Make them "
                "smaller with size=."
            )
        parts.append(x)
        of += [number] * len(x)
        where += names
        volumes.append(_emptied(volume))
    if not parts:
        raise UserError(f"no scan is a volume: {left[0] if left else 'there is none'}")
    told = _told(volumes, np.bincount(of, minlength=len(groups))[np.unique(of)], left, len(groups))
    return ScanArrays(
        np.concatenate(parts), np.asarray(of), tuple(where), told, _done(scans, wanted, channels)
    )


def _whole(
    volume: Volume, scans: Scans, wanted: tuple[int, ...] | None
) -> tuple[NDArray[np.uint8], list[str]]:
    """The volume as shape (1, 1, depth, height, width): its axial pictures, from foot to head."""
    if wanted is not None:
        depth, height, width = wanted
        values = reshaped(volume.values, (width, height, depth))
        volume = Volume(values, np.eye(4), volume.source, details=volume.details)
    return _pictures(volume, "axial", scans)[:, 0][None, None], [""]


def _slices(
    volume: Volume, scans: Scans, wanted: tuple[int, ...] | None
) -> tuple[NDArray[np.uint8], list[str]]:
    pictures = _pictures(volume, scans.plane, scans)
    count = scans.slices or 1
    if count > len(pictures):
        raise UserError(f"{volume.source}: {len(pictures)} {scans.plane} slices, but slices={count}.")
    at = np.floor((np.arange(count) + 0.5) * len(pictures) / count).astype(int)
    chosen = pictures[at]
    if wanted is not None:
        chosen = np.stack([resized(picture, (1, wanted[0], wanted[1])) for picture in chosen])
    return chosen, [f"{scans.plane} {number}" for number in at]


def _pictures(volume: Volume, plane: str, scans: Scans) -> NDArray[np.uint8]:
    low, high = scans.low, scans.high
    if low is None and high is None and volume.details.get("modality") == "CT":
        low, high = CT_WINDOW.centre - CT_WINDOW.width / 2, CT_WINDOW.centre + CT_WINDOW.width / 2
    return slice_pictures(volume, plane, low=low, high=high)


def _emptied(volume: Volume) -> Volume:
    """What is told of a volume, without its values."""
    return Volume(
        np.zeros((1, 1, 1), np.float32),
        volume.affine,
        volume.source,
        volume.patient,
        volume.notes,
        volume.date,
        volume.details,
    )


def _told(volumes: Sequence[Volume], cases: Iterable[int], left: Sequence[str], scans: int) -> Told:
    counts = np.asarray(list(cases))

    def each(values: Sequence[str], dtype: str = "U") -> NDArray[np.str_]:
        return np.repeat(np.asarray(values, dtype=dtype), counts)

    patient, date = [v.patient for v in volumes], [v.date for v in volumes]
    columns = {name: [v.details.get(name, "") for v in volumes] for name in DETAILS}
    notes = tuple(dict.fromkeys(note for volume in volumes for note in volume.notes))
    if len(notes) > 5:
        notes = (*notes[:5], f"There are {len(notes) - 5} more notes of this kind.")
    if left:
        notes += (f"{len(left)} of {scans} scans were left out as they are no volumes, such as {left[0]}",)
    return Told(
        patient=each(patient) if all(patient) and len(set(patient)) > 1 else None,
        time=each(date, "datetime64[D]").astype("datetime64[D]") if all(date) else None,
        details={name: each(column) for name, column in columns.items() if any(column)},
        notes=notes,
    )


def _done(scans: Scans, wanted: tuple[int, ...] | None, channels: int | None) -> tuple[str, ...]:
    what = "whole volumes" if scans.slices is None else f"{scans.slices} {scans.plane} slices of each scan"
    usual = "CT from -160 to 240 Hounsfield units, others from {} to {}".format("smallest", "largest")
    low = "smallest" if scans.low is None else f"{scans.low:g}"
    high = "largest" if scans.high is None else f"{scans.high:g}"
    shown = usual if scans.low is None and scans.high is None else f"values from {low} to {high}"
    said = [f"{what}, {shown}"]
    if wanted is not None:
        said.append(f"resized to {' x '.join(map(str, wanted))} (linear, antialiased)")
    if channels == 3:
        said.append("made three-channel")
    return tuple(said)


def _sides(x: NDArray[np.uint8]) -> str:
    return " x ".join(map(str, x.shape[2:]))
