"""Pictures of one's own: class folders, manifests and archives; sizes, channels and patients are found out."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from metadx.cases.cases import EVERY_CASE_ITS_OWN_PATIENT, Cases, Provenance
from metadx.cases.columns import is_missing
from metadx.cases.dicom.told import told_by_headers
from metadx.cases.folders import read_folders
from metadx.cases.labels import number_classes
from metadx.cases.medimeta import declared_tasks, read_info, read_medimeta
from metadx.cases.medmnist import read_medmnist
from metadx.cases.own.cells import Cells
from metadx.cases.own.choice import Choice
from metadx.cases.own.roles import Roles
from metadx.cases.patients import ASSUMED, VOUCHED
from metadx.cases.pictures import describe_reading, read_pictures
from metadx.cases.tables import inside_folder
from metadx.cases.textfile import sha256_of
from metadx.errors import UserError

_PATTERNS = (
    r"(?i)^((?:patient|subject|case|person|pat|sub|pt|p)[-_ ]?\d+)",
    r"(?i)[-_]((?:patient|subject|case|person|pat|sub|pt)[-_ ]?\d+)",
    r"^(?:rotated_\d+_)?(.+?)[-_ ]\d{1,4}\.\w+$",
)
_SIXTEEN = re.compile(r"Give bits=(\d+)")
Kind = Literal["pictures"]


@dataclass(frozen=True)
class Pictures:
    """How pictures are read; None to find out.

    Args:
        size: side in pixels.
        channels: 1 or 3.
        pattern: finds the patient in a picture's name; a regular expression with one group.
    """

    size: int = 64
    channels: int | None = None
    pattern: str | None = None


def read_class_folders(path: Path, asked: Pictures) -> tuple[Cases, Kind, tuple[Choice, ...]]:
    """Cases from one folder of pictures per condition."""
    pattern, about = asked.pattern, "as you said"
    vouched = None if pattern else EVERY_CASE_ITS_OWN_PATIENT

    def read(channels: int | None, bits: int | None) -> Cases:
        return read_folders(
            path, patients=vouched, patient_pattern=pattern, size=asked.size, channels=channels, bits=bits
        )

    cases, choices = _alike(read, asked)
    if pattern is None and cases.provenance.notes and VOUCHED in cases.provenance.notes:
        assert cases.name is not None
        cases, about = _guess_patients(cases, [str(name).rpartition("/")[2] for name in cases.name])
        choices.append(Choice("Patients", about))
    else:
        how = f"the pattern {pattern} in their names" if pattern else "the headers of the pictures"
        choices.append(Choice("Patients", f"{len(np.unique(cases.patient)):,} patients, told by {how}."))
    counts = ", ".join(f"{name} {count:,}" for name, count in list(cases.counts().items())[:6])
    first = Choice("Diagnosis", f"Every folder is a condition: {counts}.")
    return _mine(cases), "pictures", (first, *choices)


def read_manifest(
    path: Path, cells: Cells, roles: Roles, asked: Pictures
) -> tuple[Cases, Kind, tuple[Choice, ...]]:
    """Cases from a table that names a picture in every row."""
    assert roles.path is not None
    if roles.value:
        raise UserError(
            f"{path}: '{roles.label}' is a value; pictures are studied by condition. Name it with --label."
        )
    kept = np.flatnonzero(~is_missing(cells.columns[roles.label]))
    columns = {name: column[kept] for name, column in cells.columns.items()}
    files = [inside_folder(path, str(cell), row) for row, cell in enumerate(columns[roles.path], start=1)]
    told = told_by_headers(files)

    def read(channels: int | None, bits: int | None) -> Cases:
        y, classes = number_classes([str(cell) for cell in columns[roles.label]], str(path))
        notes: tuple[str, ...] = ()
        if roles.patient:
            patient = columns[roles.patient].astype(np.str_)
        elif told.patient is not None:
            patient = told.patient
        else:
            patient, notes = np.asarray([f"picture {i}" for i in range(1, len(files) + 1)]), (ASSUMED,)
        return Cases(
            x=read_pictures(files, size=asked.size, channels=channels, bits=bits),
            y=y,
            patient=patient,
            classes=classes,
            modality="image",
            provenance=Provenance(
                source=str(path),
                checksum=sha256_of(path),
                preprocessing=describe_reading(asked.size, channels, bits),
                notes=(*notes, *told.notes),
            ),
            site=columns[roles.site].astype(np.str_) if roles.site else None,
            name=columns[roles.path or ""].astype(np.str_),
        )

    cases, choices = _alike(read, asked)
    beside = [name for name in columns if name not in roles.aside]
    if beside:
        choices.append(
            Choice("Left out", f"Columns beside the pictures are not used: {', '.join(beside[:6])}.")
        )
    left = cells.rows - len(kept)
    if left:
        choices.append(Choice("Left out", f"{left:,} rows have no '{roles.label}' and were left out."))
    about = [c for c in roles.choices if c.topic != "Patients" or roles.patient or told.patient is None]
    return _mine(cases), "pictures", (*about, *choices)


def read_archive(path: Path, label: str | None) -> tuple[Cases, Kind, tuple[Choice, ...]]:
    """Cases from a MedMNIST archive; `label` chooses where a case has several."""
    cases = read_medmnist(path, label=label, patients=EVERY_CASE_ITS_OWN_PATIENT)
    cases = _with_note(cases, ASSUMED)
    said = Choice(
        "Patients", "A MedMNIST archive carries no patient ids: every picture is taken for another patient."
    )
    merged = Choice("Splits", "Its official splits are merged: a study makes splits of its own.")
    return cases, "pictures", (said, merged)


def read_set(path: Path, label: str | None, asked: Pictures) -> tuple[Cases, Kind, tuple[Choice, ...]]:
    """Cases from a MedIMeta folder; the task is the one that `label` names, or the first that has conditions."""
    tasks = [task for task in declared_tasks(read_info(path), path) if task.kind == "conditions"]
    name = label or (tasks[0].name if tasks else None)
    cases = read_medimeta(
        path, task=name, patients=EVERY_CASE_ITS_OWN_PATIENT, size=asked.size, channels=asked.channels
    )
    whose = f"{len(np.unique(cases.patient)):,} patients, told by annotations.csv."
    if VOUCHED in cases.provenance.notes:
        cases = _with_note(cases, ASSUMED)
        whose = "No patients are named: every picture is taken for another patient."
    others = f" --label chooses another of {len(tasks)}." if len(tasks) > 1 else ""
    said = Choice("Diagnosis", f"The task '{name}' of a MedIMeta set.{others}")
    return cases, "pictures", (said, Choice("Patients", whose))


def _alike(read: Callable[[int | None, int | None], Cases], asked: Pictures) -> tuple[Cases, list[Choice]]:
    """The cases with channels and bits that suit all pictures."""
    channels, bits = asked.channels, None
    choices = [
        Choice("Pictures", f"Brought to {asked.size} x {asked.size} pixels; --size chooses another side.")
    ]
    for _ in range(3):
        try:
            return read(channels, bits), choices
        except UserError as error:
            narrow = _SIXTEEN.search(str(error))
            if narrow and bits is None:
                bits = int(narrow.group(1))
                choices.append(
                    Choice("Pictures", f"16-bit grey values use {bits} bits; they were scaled by that.")
                )
            elif channels is None and "to bring them to one" in str(error):
                channels = 3
                choices.append(
                    Choice("Pictures", "Some are grey and some have colours: all were given three channels.")
                )
            else:
                raise
    return read(channels, bits), choices


def _guess_patients(cases: Cases, names: Sequence[str]) -> tuple[Cases, str]:
    """Patients as names of files tell them, if one pattern fits all and some patients come twice."""
    for pattern in _PATTERNS:
        found = [re.search(pattern, name) for name in names]
        if not all(found):
            continue
        patient = np.asarray([match.group(1) for match in found if match])
        people = len(np.unique(patient))
        if len(names) * 0.02 < people < len(names) and people >= 2 * len(cases.classes):
            said = (
                f"{people:,} patients, as the names of the files tell them (such as '{patient[0]}' in "
                f"'{names[0]}'); "
                "--patient-pattern says it otherwise."
            )
            notes = tuple(note for note in cases.provenance.notes if note != VOUCHED)
            return replace(cases, patient=patient, provenance=replace(cases.provenance, notes=notes)), said
    said = (
        "Neither names nor headers tell whose a picture is: every picture is taken for another patient. If "
        "people come "
        "twice, the figures are too good: give --patient-pattern, or a CSV with columns path, label and patient."
    )
    return _with_note(cases, ASSUMED), said


def _with_note(cases: Cases, note: str) -> Cases:
    notes = (note, *(n for n in cases.provenance.notes if n != VOUCHED))
    return replace(cases, provenance=replace(cases.provenance, notes=notes))


def _mine(cases: Cases) -> Cases:
    return replace(cases, provenance=replace(cases.provenance, licence="your own data"))
