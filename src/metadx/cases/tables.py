"""Reading a CSV: one row per case, with its label, its patient, and its features or its picture's path."""

from __future__ import annotations

import csv
import hashlib
from datetime import UTC, datetime
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metadx.cases.cases import Cases, Provenance
from metadx.cases.columns import encode, is_missing, numbers
from metadx.cases.dicom.told import Told, told_by_headers
from metadx.cases.kinds import PICTURE_SUFFIXES
from metadx.cases.labels import number_classes
from metadx.cases.nifti import SUFFIXES
from metadx.cases.patients import VOUCHED, vouched
from metadx.cases.pictures import AnySize, describe_reading, read_pictures, sides
from metadx.cases.scan import scan_text
from metadx.cases.scans import Scans, is_nifti, read_scans, scan_of
from metadx.cases.stored import Room, in_memory
from metadx.errors import UserError

ROLES = ("label", "target", "patient", "site", "time", "path")
"""Columns that are not features."""

Columns = dict[str, NDArray[np.object_]]


def read_table(
    path: str | Path,
    *,
    patients: str | None = None,
    size: AnySize | None = None,
    channels: int | None = None,
    bits: int | None = None,
    scans: Scans | None = None,
    room: Room = in_memory,
) -> Cases:
    """Cases from a CSV with columns `label` and `patient`, perhaps `site` and `time`, and features or `path`.

    A numeric column `target` in place of `label` makes it regression. Columns of numbers stay as they are,
    NaN where missing; text becomes columns such as `sex=F`. With `path`, cases are pictures, named relative
    to the CSV's folder; what the CSV leaves out of patient and time, the headers of DICOM pictures tell. A path may
    also be a NIfTI file or the folder of a DICOM series: then all are scans.

    Args:
        path: the CSV: UTF-8, comma-separated, with a header line.
        patients: `EVERY_CASE_ITS_OWN_PATIENT`, for data without a column `patient`.
        size, channels, bits: for pictures, as in `read_picture`; for scans as in `read_scans`.
        scans: what of scans becomes cases; given, DICOM files are read as scans too.
        room: as in `read_pictures`.

    Raises:
        UserError: the file, its columns, a label, a patient, a value or a picture cannot be used; one class.
    """
    file = Path(path)
    columns = parse_table(file)
    label, classes = _outcome(columns, file)
    features: tuple[str, ...] = ()
    shown = _shown(columns, file, size, channels, bits, scans, room) if "path" in columns else None
    told = Told() if shown is None else shown.told
    of = np.arange(len(label)) if shown is None else shown.of
    columns = {role: cells[of] for role, cells in columns.items()}
    patient, notes = _patients(columns, patients, told, of, file)
    name: NDArray[np.str_] | None = None
    if shown is not None:
        x, done = shown.x, shown.done
        text = np.char.add(columns["path"].astype(np.str_), " ")
        name = np.char.strip(np.char.add(text, np.asarray(shown.where, dtype=np.str_)))
    else:
        measured = {n: v for n, v in columns.items() if n not in ROLES}
        _refuse_pictures(columns, file)
        x, features, done = encode(measured, str(file))
    return Cases(
        x=x,
        y=label[of],
        patient=patient,
        classes=classes,
        modality="image" if "path" in columns else "table",
        provenance=Provenance(
            source=str(file), checksum=_sha256(file), preprocessing=done, notes=notes + told.notes
        ),
        site=_filled(columns, "site", file).astype(np.str_) if "site" in columns else None,
        time=_times(columns, file) if "time" in columns else told.time,
        features=features,
        details=told.details,
        name=name,
    )


def _refuse_pictures(columns: Columns, path: Path) -> None:
    """Refuses a column of pictures' names: as text it would tell every case by its own name."""
    for name, cells in columns.items():
        if any(str(cell).lower().endswith((*PICTURE_SUFFIXES, *SUFFIXES, ".dcm")) for cell in cells):
            raise UserError(f"{path}: column '{name[:60]}' names pictures. Call it 'path', or remove it.")


class _Shown(NamedTuple):
    """What the paths of a manifest show; `of` is the row of each case, `where` what to add to its name."""

    x: NDArray[np.generic]
    told: Told
    of: NDArray[np.int64]
    where: tuple[str, ...]
    done: tuple[str, ...]


def _shown(
    columns: Columns,
    file: Path,
    size: AnySize | None,
    channels: int | None,
    bits: int | None,
    scans: Scans | None,
    room: Room,
) -> _Shown:
    """The pictures of the rows; or their scans, if any is one or the caller says so."""
    paths = _pictures(columns, file)
    if scans is None and not any(is_nifti(path) or path.is_dir() for path in paths):
        flat = None if size is None else sides(size)
        x = read_pictures(paths, size=flat, channels=channels, bits=bits, room=room)
        every = np.arange(len(paths))
        return _Shown(
            x, told_by_headers(paths), every, ("",) * len(paths), describe_reading(flat, channels, bits)
        )
    read = read_scans([scan_of(path) for path in paths], scans or Scans(), size=size, channels=channels)
    if len(np.unique(read.of)) < len(paths):
        raise UserError(f"{file}: {read.told.notes[-1]} Leave those rows out.")
    return _Shown(read.x, read.told, read.of, read.where, read.done)


def parse_table(path: Path) -> Columns:
    """Every column of a CSV as text, stripped; "" where the cell is empty.

    Raises:
        UserError: no sound UTF-8 CSV with a header line and rows of equal length; says where.
    """
    scan_text(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file, strict=True) if row and row != [""]]
    except csv.Error as why:
        raise UserError(
            f"{path}: not a sound CSV ({why}). Mend the quotes, or save it as CSV again."
        ) from why
    names = _header([name.strip() for name in rows[0]] if rows else [], path)
    body = rows[1:]
    if not body:
        raise UserError(f"{path}: no cases below the header. Add one line per case.")
    for number, row in enumerate(body, start=1):
        if len(row) != len(names):
            raise UserError(
                f"{path}: row {number} has {len(row)} cells, the header {len(names)}. Mend that row."
            )
    return {
        name: np.asarray([row[at].strip() for row in body], dtype=object) for at, name in enumerate(names)
    }


def _header(names: list[str], path: Path) -> list[str]:
    if not names:
        raise UserError(f"{path}: the file is empty. Give a header line and one line per case.")
    seen: set[str] = set()
    for number, name in enumerate(names, start=1):
        if not name:
            raise UserError(f"{path}: column {number} has no name. Name it or remove it.")
        if name in seen:
            raise UserError(f"{path}: two columns are named '{name[:60]}'. Rename or remove one.")
        seen.add(name)
    if len(names) == 1 and any(mark in names[0] for mark in ";\t"):
        raise UserError(
            f"{path}: the header has no commas ('{names[0][:60]}'). Separate columns with commas."
        )
    return names


def _outcome(columns: Columns, path: Path) -> tuple[NDArray[np.generic], tuple[str, ...]]:
    if "label" in columns and "target" in columns:
        raise UserError(
            f"{path}: both 'label' and 'target'. Keep 'label' for conditions or 'target' for a value."
        )
    if "label" in columns:
        return number_classes(_filled(columns, "label", path).tolist(), str(path))
    if "target" in columns:
        value = numbers(_filled(columns, "target", path), f"{path}: column 'target'")
        return value, ()
    raise UserError(f"{path}: no column 'label' (found {_some(list(columns))}). Name the diagnosis 'label'.")


def _patients(
    columns: Columns, words: str | None, told: Told, of: NDArray[np.int64], path: Path
) -> tuple[NDArray[np.str_], tuple[str, ...]]:
    """Whose each case is; `of` is its row."""
    if "patient" in columns:
        return _filled(columns, "patient", path).astype(np.str_), ()
    if told.patient is not None:
        return told.patient, ()
    mend = f"There is no column 'patient' (found {_some(list(columns))}): add one"
    return vouched(words, int(of.max()) + 1, str(path), otherwise=mend)[of], (VOUCHED,)


def _pictures(columns: Columns, path: Path) -> list[Path]:
    """The picture of each row; there may be no features beside it."""
    beside = [name for name in columns if name not in ROLES]
    if beside:
        raise UserError(f"{path}: feature columns {_some(beside)} beside 'path'. Keep one or the other.")
    return [
        inside_folder(path, str(text), row)
        for row, text in enumerate(_filled(columns, "path", path), start=1)
    ]


def _filled(columns: Columns, name: str, path: Path) -> NDArray[np.object_]:
    missing = np.flatnonzero(is_missing(columns[name]))
    if len(missing):
        raise UserError(
            f"{path}: column '{name}' is missing in row {missing[0] + 1} ({len(missing)} rows in all). "
            "Fill it in or leave those cases out."
        )
    return columns[name]


def _times(columns: Columns, path: Path) -> NDArray[np.generic]:
    """Numbers as they are; dates as datetime64, in UTC where they name a time zone."""
    text = _filled(columns, "time", path)
    try:
        if not any("_" in cell for cell in text):
            plain = text.astype(np.float64)
            if np.isfinite(plain).all():
                return plain
            raise UserError(
                f"{path}: column 'time' is infinite in row {np.isinf(plain).argmax() + 1}. Mend it."
            )
    except ValueError:
        pass
    return np.asarray([_date(cell, row, path) for row, cell in enumerate(text, start=1)])


def _date(cell: str, row: int, path: Path) -> np.datetime64:
    try:
        date = datetime.fromisoformat(cell)
    except ValueError as why:
        raise UserError(
            f"{path}: column 'time', row {row}: '{cell[:40]}' is neither a number nor a date such as 2024-05-31. "
            "Mend it."
        ) from why
    return np.datetime64(date if date.tzinfo is None else date.astimezone(UTC).replace(tzinfo=None), "us")


def inside_folder(manifest: Path, text: str, row: int) -> Path:
    """The picture's path, which must stay in the manifest's folder once links are followed."""
    folder = manifest.parent.resolve()
    inside = not Path(text).is_absolute() and not PureWindowsPath(text).drive
    picture = (folder / text).resolve() if inside else folder
    if not inside or ".." in Path(text).parts or not picture.is_relative_to(folder):
        raise UserError(
            f"{manifest}: row {row} points outside the manifest's folder ('{text[:100]}'). "
            "Put the pictures beside the manifest."
        )
    return picture


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def _some(names: list[str]) -> str:
    shown = ", ".join(name[:40] for name in names[:12])
    return shown + (f" and {len(names) - 12} more" if len(names) > 12 else "")
