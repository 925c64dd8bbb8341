"""Reading class folders of pictures: one folder per condition, perhaps below train/, val/ and test/."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from metadx.cases.cases import Cases, Provenance
from metadx.cases.dicom.told import told_by_headers
from metadx.cases.inside import children, files_below
from metadx.cases.kinds import is_picture, read_as_dicom
from metadx.cases.labels import number_classes
from metadx.cases.patients import VOUCHED, from_pattern, vouched
from metadx.cases.pictures import Size, describe_reading, read_pictures
from metadx.cases.stored import Room, in_memory
from metadx.errors import UserError

SPLIT_NAMES = ("train", "training", "val", "valid", "validation", "test", "testing")


def read_folders(
    path: str | Path,
    *,
    patients: str | None = None,
    patient_pattern: str | None = None,
    size: Size | None = None,
    channels: int | None = None,
    bits: int | None = None,
    room: Room = in_memory,
) -> Cases:
    """Cases from a folder with one folder of pictures per condition, named after it.

    Where the first folders are splits (train, val, test), the class folders below them are merged, and a note
    says so: metadx makes its own splits, of which no two share a patient.

    DICOM files may have any suffix or none, and lie in folders of patients, studies and series below a class
    folder; their headers tell patients (unless a pattern does), days and details.

    Args:
        path: the folder.
        patients: `EVERY_CASE_ITS_OWN_PATIENT`, for pictures whose names and headers carry no patient id.
        patient_pattern: a regular expression whose group 1 is the patient id in a file's name.
        size, channels, bits: as in `read_picture`.
        room: as in `read_pictures`.

    Raises:
        UserError: no class folders, an empty or nested one, one class only, no patient ids, or a picture that
            cannot be read or differs from the others in size or mode.
    """
    root = Path(path)
    if patients is not None and patient_pattern is not None:
        raise UserError(f"{root}: both a patient pattern and words about patients. Give one of them.")
    found, notes = _find(root)
    labels, classes = number_classes([folder.name for folder, _ in found], str(root))
    names = [file.relative_to(folder).as_posix() for folder, file in found]
    told = told_by_headers([file for _, file in found])
    notes += told.notes
    if patient_pattern is not None:
        patient = from_pattern(names, patient_pattern, str(root))
    elif told.patient is not None:
        patient = told.patient
    else:
        mend = "Give a patient pattern, such as '^(p[0-9]+)_', that finds the patient in a file's name"
        patient = vouched(patients, len(found), str(root), otherwise=mend)
        notes += (VOUCHED,)
    x = read_pictures([file for _, file in found], size=size, channels=channels, bits=bits, room=room)
    digest = hashlib.sha256()
    for folder, file in found:
        digest.update(f"{folder.name}/{file.relative_to(folder).as_posix()}\0".encode())
    digest.update(x.data)
    return Cases(
        x=x,
        y=labels,
        patient=np.asarray(patient, dtype=np.str_),
        classes=classes,
        modality="image",
        provenance=Provenance(
            source=str(root),
            checksum=f"sha256 of names and pixels: {digest.hexdigest()}",
            preprocessing=describe_reading(size, channels, bits),
            notes=notes,
        ),
        time=told.time,
        details=told.details,
        name=np.asarray([file.relative_to(root).as_posix() for _, file in found], dtype=np.str_),
    )


def class_folders(root: Path) -> tuple[list[Path], tuple[str, ...]]:
    """The folder of each condition, perhaps once per split, in the order of their names; and what to note of that.

    Raises:
        UserError: no such folder, none in it, or a split beside a class folder.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such folder. Give a folder that holds one folder per condition.")
    top = _visible_folders(root)
    splits = [folder for folder in top if folder.name.lower() in SPLIT_NAMES and _visible_folders(folder)]
    if not top:
        raise UserError(
            f"{root}: no class folders. Put the pictures of each condition into a folder of its own."
        )
    if not splits:
        return top, ()
    if len(splits) < len(top):
        odd = next(folder.name for folder in top if folder not in splits)
        raise UserError(
            f"{root}: '{odd}' lies beside the splits {_names(splits)}. Move one or the other away."
        )
    inside = [folder for split in splits for folder in _visible_folders(split)]
    return inside, (f"The splits {_names(splits)} of the source were merged.",)


def _find(root: Path) -> tuple[list[tuple[Path, Path]], tuple[str, ...]]:
    """(class folder, picture) of every case, in the order of their names; and what to note of the layout."""
    folders, notes = class_folders(root)
    found = [pair for folder in folders for pair in _pictures(folder)]
    return found, (*notes, *_left_out(root, {file for _, file in found}))


def _left_out(root: Path, read: set[Path]) -> tuple[str, ...]:
    """A note of files that are no pictures, or lie outside the class folders."""
    other = [file for file in files_below(root) if file not in read]
    return (f"{len(other)} other files were left out, such as {other[0].name}.",) if other else ()


def _pictures(folder: Path) -> list[tuple[Path, Path]]:
    nested = _visible_folders(folder)
    below = [file for one in nested for file in files_below(one)]
    dicom = [file for file in below if read_as_dicom(file)]
    if nested and (not dicom or any(is_picture(file) and file not in set(dicom) for file in below)):
        raise UserError(f"{folder}: holds the folder '{nested[0].name}'. Put its pictures directly into it.")
    files = [file for file in children(folder) if file.is_file()]
    files += dicom
    pictures = [file for file in files if is_picture(file)]
    if not pictures:
        other = f" but {len(files)} other files, such as {files[0].name}" if files else ""
        raise UserError(
            f"{folder}: no PNG, JPEG, TIFF or DICOM pictures{other}. Add some or remove the folder."
        )
    return [(folder, file) for file in pictures]


def _visible_folders(folder: Path) -> list[Path]:
    return [child for child in children(folder) if child.is_dir()]


def _names(folders: list[Path]) -> str:
    return ", ".join(folder.name for folder in folders)
