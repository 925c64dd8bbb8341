"""What a folder holds: recordings, readings, volumes, class folders of pictures, or one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from metadx.cases.cases import EVERY_CASE_ITS_OWN_PATIENT, Cases
from metadx.cases.files import Reading, read_files
from metadx.cases.inside import children, files_below, is_stray
from metadx.cases.kinds import is_picture
from metadx.cases.medimeta import holds_medimeta
from metadx.cases.own.cells import is_table
from metadx.cases.own.choice import Choice
from metadx.cases.own.pictures import Pictures, read_class_folders, read_set
from metadx.cases.own.roles import Asked
from metadx.cases.own.series import beats, glucose
from metadx.cases.patients import ASSUMED, VOUCHED
from metadx.cases.signals import holds_glucose, holds_recordings, holds_ucr
from metadx.errors import UserError

_VOLUMES = (".nii", ".nii.gz")
_LOOK = 200
_SLICES = 3


def read_folder(
    path: Path, asked: Asked, pictures: Pictures, read_file: Callable[[Path], Any]
) -> tuple[Cases, Any, tuple[Choice, ...]]:
    """The cases of a folder, the kind of data, and what was found out.

    Args:
        read_file: reads a single file, where the folder holds just one that counts.

    Raises:
        UserError: nothing in it is of a kind that is read.
    """
    if holds_medimeta(path):
        return read_set(path, asked.label, pictures)
    if holds_recordings(path):
        return beats(path)
    if holds_glucose(path):
        return glucose([path])
    folders = [child for child in children(path) if child.is_dir()]
    cohorts = [child for child in folders if holds_glucose(child)]
    if cohorts and len(cohorts) == len(folders):
        return glucose(cohorts)
    files = [child for child in children(path) if child.is_file()]
    tables = [file for file in files if is_table(file)]
    if holds_medimeta(path) or holds_ucr(path):
        return _set(path, pictures)
    if any(_has(folder, _is_volume) for folder in folders):
        return _volumes(path, folders, pictures)
    if any(_has(folder, is_picture) for folder in folders) and not tables:
        return read_class_folders(path, pictures)
    if len(tables) == 1:
        own = read_file(tables[0])
        said = Choice("File", f"{tables[0].name} is the table in this folder.")
        return own.cases, own.kind, (said, *own.choices)
    if folders and any(_has(folder, is_picture) for folder in folders):
        return read_class_folders(path, pictures)
    what = f"{len(tables)} tables: give one of them" if tables else "nothing that a study reads"
    raise UserError(
        f"{path}: holds {what}. A study reads a folder of WFDB recordings, of glucose readings (a file per "
        "person), or "
        "of one folder of pictures per condition."
    )


def _set(path: Path, pictures: Pictures) -> tuple[Cases, Any, tuple[Choice, ...]]:
    """A folder in the layout of MedIMeta or of the UCR archive."""
    medimeta = holds_medimeta(path)
    how = Reading(patients=EVERY_CASE_ITS_OWN_PATIENT, size=pictures.size if medimeta else None)
    cases = read_files(path, how)
    notes = tuple(ASSUMED if note == VOUCHED else note for note in cases.provenance.notes)
    cases = replace(cases, provenance=replace(cases.provenance, notes=notes))
    layout = "MedIMeta" if medimeta else "the UCR archive"
    counts = ", ".join(f"{name} {count:,}" for name, count in list(cases.counts().items())[:6])
    return (
        cases,
        "pictures" if medimeta else "signals",
        (
            Choice(
                "File", f"The folder is laid out as {layout} lays them out; its official splits are merged."
            ),
            Choice("Diagnosis", f"Its labels are the conditions: {counts}."),
            Choice("Patients", f"{len(np.unique(cases.patient)):,} patients, as far as the folder tells."),
        ),
    )


def _volumes(path: Path, folders: list[Path], pictures: Pictures) -> tuple[Cases, Any, tuple[Choice, ...]]:
    """Class folders of NIfTI volumes: a few axial slices of each volume."""
    from metadx.cases.nifti import read_nifti
    from metadx.cases.slices import cases_of_slices

    found = [(folder.name, file) for folder in folders for file in files_below(folder) if _is_volume(file)]
    volumes = [read_nifti(file, nan=0.0) for _, file in found]
    whose = [file.name.split(".")[0] for _, file in found]
    slices = min(_SLICES, *(volume.values.shape[2] for volume in volumes))
    cases = cases_of_slices(volumes, [label for label, _ in found], whose, slices=slices, size=pictures.size)
    cases = replace(
        cases,
        name=np.asarray([f"{name}" for name in cases.name]) if cases.name is not None else None,
        provenance=replace(cases.provenance, source=str(path), licence="your own data"),
    )
    counts = ", ".join(f"{name} {count:,}" for name, count in cases.counts().items())
    return (
        cases,
        "pictures",
        (
            Choice("Diagnosis", f"Every folder is a condition: {counts}."),
            Choice("Pictures", f"{slices} axial slices of each volume, {pictures.size} pixels a side."),
            Choice(
                "Patients",
                f"One file is one person: {len(set(whose))} people. --patient-pattern is for pictures.",
            ),
        ),
    )


def _is_volume(path: Path) -> bool:
    return path.name.lower().endswith(_VOLUMES)


def _has(folder: Path, kind: Callable[[Path], bool]) -> bool:
    """Whether one of the first files below a folder is of a kind."""
    seen = 0
    for file in folder.rglob("*"):
        if not file.is_file() or is_stray(file):
            continue
        if kind(file):
            return True
        seen += 1
        if seen >= _LOOK:
            return False
    return False
