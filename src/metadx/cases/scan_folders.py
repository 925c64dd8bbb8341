"""Reading class folders of scans: NIfTI files and DICOM series, one folder per condition."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from metadx.cases.cases import Cases, Provenance
from metadx.cases.folders import class_folders
from metadx.cases.inside import is_stray
from metadx.cases.labels import number_classes
from metadx.cases.patients import VOUCHED, from_pattern, vouched
from metadx.cases.pictures import AnySize
from metadx.cases.scans import Group, Scans, find_scans, is_nifti, read_scans
from metadx.errors import UserError

_LOOK = 2000


def holds_nifti(folder: Path) -> bool:
    """Whether there is a NIfTI file among the first files below a folder."""
    for number, file in enumerate(folder.rglob("*")):
        if is_nifti(file) and not is_stray(file) and "__MACOSX" not in file.parts:
            return True
        if number > _LOOK:
            return False
    return False


def read_scan_folders(
    path: str | Path,
    scans: Scans | None = None,
    *,
    patients: str | None = None,
    patient_pattern: str | None = None,
    size: AnySize | None = None,
    channels: int | None = None,
) -> Cases:
    """Cases from a folder with one folder of scans per condition, at any depth below it.

    A scan is a NIfTI file or a DICOM series; files of one series belong together wherever they lie. Patients, days,
    and details are those of DICOM headers; NIfTI names no patient. Folders of splits are merged, as by
    `read_folders`.

    Args:
        path: the folder.
        scans: what of a scan becomes cases; whole volumes by default.
        patients: `EVERY_CASE_ITS_OWN_PATIENT`: then every scan is a patient.
        patient_pattern: a regular expression whose group 1 is the patient id in a scan's path within its class
            folder, such as `p01/head.nii.gz`.
        size, channels: as in `read_scans`.

    Raises:
        UserError: no class folders, one without scans, one class only, no patient ids, or a scan that cannot be
            read.
    """
    root = Path(path)
    if patients is not None and patient_pattern is not None:
        raise UserError(f"{root}: both a patient pattern and words about patients. Give one of them.")
    folders, notes = class_folders(root)
    labels: list[str] = []
    groups: list[Group] = []
    names: list[str] = []
    for folder in folders:
        found = find_scans(folder)
        if not found:
            raise UserError(f"{folder}: no NIfTI or DICOM scans. Add some or remove the folder.")
        labels += [folder.name] * len(found)
        groups += found
        names += [_name(group, folder) for group in found]
    y, classes = number_classes(labels, str(root))
    read = read_scans(groups, scans or Scans(), size=size, channels=channels)
    if patient_pattern is not None:
        patient = from_pattern(names, patient_pattern, str(root))[read.of]
    elif read.told.patient is not None:
        patient = read.told.patient
    else:
        mend = "Give a patient pattern, such as '^(p[0-9]+)_', that finds the patient in a scan's path"
        patient = vouched(patients, len(groups), str(root), otherwise=mend)[read.of]
        notes += (VOUCHED,)
    place = [f"{labels[at]}/{names[at]}" for at in read.of]
    digest = hashlib.sha256("\0".join(place).encode())
    digest.update(read.x.tobytes())
    used = np.unique(y[read.of])
    if len(used) < len(classes):
        raise UserError(f"{root}: no scan of '{classes[_absent(used)]}' is a volume. {read.told.notes[-1]}")
    return Cases(
        x=read.x,
        y=y[read.of],
        patient=patient,
        classes=classes,
        modality="image",
        provenance=Provenance(
            source=str(root),
            checksum=f"sha256 of names and values: {digest.hexdigest()}",
            preprocessing=read.done,
            notes=notes + read.told.notes,
        ),
        time=read.told.time,
        details=read.told.details,
        name=np.asarray([f"{p} {w}".strip() for p, w in zip(place, read.where, strict=True)], dtype=np.str_),
    )


def _name(group: Group, folder: Path) -> str:
    """A scan's path within its class folder; of a series of files, the folder that its first file lies in."""
    inside = group[0].relative_to(folder)
    whole = inside if len(group) == 1 or len(inside.parts) == 1 else inside.parent
    return whole.as_posix()


def _absent(used: np.ndarray[tuple[int], np.dtype[np.int64]]) -> int:
    return int(next(number for number in range(len(used) + 1) if number not in used))
