"""Files and folders of one's own, each read by the reader of its kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metadx.cases.cases import Cases
from metadx.cases.folders import read_folders
from metadx.cases.medimeta import holds_medimeta, read_medimeta
from metadx.cases.medmnist import read_medmnist
from metadx.cases.npz import array_names
from metadx.cases.packed import read_packed
from metadx.cases.pictures import AnySize, sides
from metadx.cases.resize import resize_cases
from metadx.cases.scan_folders import holds_nifti, read_scan_folders
from metadx.cases.scans import Scans
from metadx.cases.signals import (
    holds_glucose,
    holds_recordings,
    holds_series,
    holds_stays,
    holds_ucr,
    read_beats,
    read_glucose,
    read_icu,
    read_ucr,
)
from metadx.cases.stored import Room, in_memory
from metadx.cases.tables import read_table
from metadx.errors import UserError


@dataclass(frozen=True)
class Reading:
    """How files are read; a reader looks at what is meant for its kind.

    Args:
        patients: `EVERY_CASE_ITS_OWN_PATIENT`, for data without patient ids.
        patient_pattern: finds the patient in a name; a regular expression with one group.
        size: of pictures, as in `read_picture`; of volumes the side of a cube, or (depth, height, width).
        channels: 1 or 3.
        bits: how many bits of 16-bit grey pictures hold values.
        task: which task of a MedIMeta folder.
        label: which label, where a case has several.
        scans: what of NIfTI files and DICOM series becomes cases; None reads DICOM files as pictures.
        room: makes the array that pictures of class folders and manifests are read into.
    """

    patients: str | None = None
    patient_pattern: str | None = None
    size: AnySize | None = None
    channels: int | None = None
    bits: int | None = None
    task: str | None = None
    label: str | None = None
    scans: Scans | None = field(default=None)
    room: Room = field(default=in_memory)


def read_files(path: str | Path, how: Reading | None = None) -> Cases:
    """The cases of a CSV, an .npz archive, or a folder.

    A folder is one of recordings, glucose readings, stays or UCR files, of MedIMeta, or of class folders, which
    hold NIfTI files or pictures.

    Raises:
        UserError: no such file or folder, settings that are not for its kind, or whatever its reader refuses.
    """
    place, how = Path(path), how or Reading()
    if place.is_dir():
        return _folder(place, how)
    if not place.exists():
        raise UserError(f"{place}: no such file or folder. Mend the path.")
    if place.suffix.lower() == ".npz":
        return _archive(place, how)
    _refuse(place, how, "patient_pattern", "a CSV has a column 'patient'")
    _refuse(place, how, "task", "tasks are of MedIMeta folders")
    _refuse(place, how, "label", "a CSV has one column 'label'")
    return read_table(
        place,
        patients=how.patients,
        size=how.size,
        channels=how.channels,
        bits=how.bits,
        scans=how.scans,
        room=how.room,
    )


def _folder(place: Path, how: Reading) -> Cases:
    if holds_medimeta(place):
        _refuse(place, how, "patient_pattern", "MedIMeta names patients in annotations.csv")
        return read_medimeta(
            place,
            task=how.task,
            label=how.label,
            patients=how.patients,
            size=None if how.size is None else sides(how.size),
            channels=how.channels,
        )
    _refuse(place, how, "task", "tasks are of MedIMeta folders")
    _refuse(place, how, "label", "class folders say the label")
    if holds_recordings(place):
        return read_beats(place)
    if holds_glucose(place):
        return read_glucose(place)
    if holds_stays(place):
        return read_icu(place)
    if holds_ucr(place):
        return read_ucr(place, patients=how.patients)
    if holds_series(place):
        raise UserError(
            f"{place}: recordings with labels.csv. Say their grid with data.series (step, duration)."
        )
    told: dict[str, Any] = {"patients": how.patients, "patient_pattern": how.patient_pattern}
    if how.scans is not None or holds_nifti(place):
        return read_scan_folders(place, how.scans, size=how.size, channels=how.channels, **told)
    flat = None if how.size is None else sides(how.size)
    return read_folders(place, size=flat, channels=how.channels, bits=how.bits, room=how.room, **told)


def _archive(place: Path, how: Reading) -> Cases:
    _refuse(place, how, "task", "tasks are of MedIMeta folders")
    if "train_images" in array_names(place):
        _refuse(place, how, "patient_pattern", "MedMNIST carries no patient ids")
        cases = read_medmnist(place, label=how.label, patients=how.patients)
    else:
        _refuse(place, how, "label", "it has one label per case")
        held = "files" if how.patient_pattern is not None else None
        cases = read_packed(
            place, patients=how.patients, patient_array=held, patient_pattern=how.patient_pattern
        )
    return resize_cases(cases, how.size, how.channels)


def _refuse(place: Path, how: Reading, setting: str, why: str) -> None:
    if getattr(how, setting) is not None:
        raise UserError(f"{place}: {setting.replace('_', ' ')} is not for it: {why}. Leave it out.")
