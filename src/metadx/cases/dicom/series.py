"""Series of DICOM files as volumes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metadx.cases.dicom.frames import Layout, layout
from metadx.cases.dicom.geometry import Plane, plane_of, stack
from metadx.cases.dicom.headers import DETAILS, Header, header, read_header, text_notes
from metadx.cases.dicom.opening import open_dicom, reading
from metadx.cases.dicom.pixels import modality_values
from metadx.cases.inside import files_below
from metadx.cases.kinds import is_dicom, is_index
from metadx.cases.volumes import MAX_VOXELS, NoVolume, Volume
from metadx.errors import UserError


class _Slice(NamedTuple):
    path: Path
    frame: int
    plane: Plane


def find_series(folder: str | Path) -> dict[str, tuple[Path, ...]]:
    """The DICOM files below a folder, grouped by the UID of their series, whatever they are called.

    Raises:
        UserError: no such folder, no DICOM files in it, or a damaged one.
    """
    root = Path(folder)
    if not root.is_dir():
        raise UserError(f"{root}: no such folder. Give a folder that holds DICOM files.")
    found: dict[str, list[Path]] = {}
    for file in files_below(root):
        if not is_index(file) and is_dicom(file):
            found.setdefault(read_header(file).series, []).append(file)
    if not found:
        raise UserError(f"{root}: no DICOM files. Give a folder that holds some.")
    return {series: tuple(files) for series, files in sorted(found.items())}


def read_volume(paths: Sequence[str | Path], *, gaps: bool = False) -> Volume:
    """One series as a volume of modality values, shape (slices, rows, columns).

    Slices are ordered by their position along the normal of their orientation, never by file name or number. Two
    files with the same slice count once, with a note.

    Args:
        paths: the files of one series, in any order; or one file of many frames.
        gaps: whether to read a series with missing slices as if there were none missing, with a note.

    Raises:
        NoVolume: files without pixels or position, in colour, or of different orientation or spacing.
        UserError: files of several series or patients; slices of different size; different slices at one position;
            missing ones; more than `MAX_VOXELS` values; or whatever `read_dicom` refuses.
    """
    files = [Path(path) for path in paths]
    if not files:
        raise UserError("no DICOM files: give those of one series.")
    source = str(files[0] if len(files) == 1 else files[0].parent)
    claimed, slices, said = _survey(files, source)
    slices, doubled = _without_doubles(slices, source)
    order, affine, notes = stack([one.plane for one in slices], source, gaps=gaps)
    values = np.empty((len(slices), claimed.rows, claimed.columns), dtype=np.float32)
    ordered = sorted(range(len(order)), key=lambda at: (slices[order[at]].path, slices[order[at]].frame))
    opened, dataset = None, None
    for at in ordered:  # file by file, so that one of many frames is opened once
        one = slices[order[at]]
        if dataset is None or opened != one.path:
            opened, dataset = one.path, open_dicom(one.path)
        with reading(one.path):
            values[at] = modality_values(dataset, layout(dataset, one.path), one.frame, one.path).values
    return Volume(
        values,
        affine,
        source,
        said.patient,
        (*text_notes([said]), *doubled, *notes),
        said.date,
        {name: getattr(said, name) for name in DETAILS},
    )


def _survey(files: list[Path], source: str) -> tuple[Layout, list[_Slice], Header]:
    """Every slice of the files and where it lies, and what they have in common; pixels are not read."""
    claimed: Layout | None = None
    said: Header | None = None
    slices: list[_Slice] = []
    for file in files:
        dataset = open_dicom(file, pixels=False)
        with reading(file):
            about = header(dataset)
            if dataset.get("Rows") is None:
                raise NoVolume(
                    f"{file}: a DICOM file without pixels (modality {about.modality or 'unknown'})."
                )
            one = layout(dataset, file, pixels=False)
            if one.samples == 3 or one.photometric == "PALETTE COLOR":
                raise NoVolume(f"{file}: a coloured picture ({one.photometric}) is no slice of a volume.")
            if claimed is None or said is None:
                claimed, said = one, about
            if (about.series, about.patient) != (said.series, said.patient):
                raise UserError(
                    f"{source}: files of several series. Give those of one, as find_series tells them."
                )
            if (one.rows, one.columns) != (claimed.rows, claimed.columns):
                raise UserError(
                    f"{source}: {file.name} is {one.rows} x {one.columns}, {files[0].name} {claimed.rows} x "
                    f"{claimed.columns}. Give slices of one size."
                )
            if (len(slices) + one.frames) * one.rows * one.columns > MAX_VOXELS:
                raise UserError(f"{source}: claims more than {MAX_VOXELS:,} values. Give fewer slices.")
            slices += [_Slice(file, at, plane_of(dataset, at, file)) for at in range(one.frames)]
    assert claimed is not None
    assert said is not None
    return claimed, slices, said


def _without_doubles(slices: list[_Slice], source: str) -> tuple[list[_Slice], tuple[str, ...]]:
    """One slice per position, in whatever order; a note of copies.

    Raises:
        UserError: two slices at one position differ.
    """
    normal = slices[0].plane.normal
    ranked = sorted(slices, key=lambda one: float(one.plane.position @ normal))
    kept, copies = [ranked[0]], []
    for one in ranked[1:]:
        if np.linalg.norm(one.plane.position - kept[-1].plane.position) > 1e-2:
            kept.append(one)
        elif np.array_equal(_values(one), _values(kept[-1])):
            copies.append(one)
        else:
            raise UserError(
                f"{source}: {one.path.name} and {kept[-1].path.name} are different slices at one position, as in "
                "a series of several phases or echoes. Give the files of one of them."
            )
    if not copies:
        return kept, ()
    return kept, (
        f"{source}: {len(copies)} slices are there twice, such as {copies[0].path.name}; read once.",
    )


def _values(one: _Slice) -> NDArray[np.float32]:
    dataset = open_dicom(one.path)
    with reading(one.path):
        return modality_values(dataset, layout(dataset, one.path), one.frame, one.path).values
