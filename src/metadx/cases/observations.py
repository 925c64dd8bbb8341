"""Reading cases for a model that exists: the columns it takes, encoded as they were in training."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metadx.cases.cases import EVERY_CASE_ITS_OWN_PATIENT
from metadx.cases.columns import encode, is_missing, numbers
from metadx.cases.files import Reading, read_files
from metadx.cases.folders import class_folders, read_folders
from metadx.cases.inputs import Inputs
from metadx.cases.inside import children
from metadx.cases.kinds import is_dicom, is_picture
from metadx.cases.medimeta import holds_medimeta
from metadx.cases.pictures import read_pictures
from metadx.cases.scan_folders import holds_nifti
from metadx.cases.scans import Group, Scans, find_scans, is_nifti, read_scans, scan_of
from metadx.cases.signals import holds_recordings, read_beats
from metadx.cases.tables import ROLES, Columns, inside_folder, parse_table
from metadx.errors import UserError, nearest


class Observations(NamedTuple):
    """Cases as a model takes them, labelled or not.

    Args:
        x: shape (cases, ...), as in `metadx.cases.Cases`.
        name: what to call each case: its patient, its picture, or its row.
        label: the condition of each case, text; None where the file has no labels.
        patient: whose case it is; None where the file does not say.
        value: the target value of each case, NaN where it is not known, shape (cases,); None without any.
        time: when each case was observed, ascending, in the unit of the model's reach; None where it is not known.
        features: names of the columns, where they are the file's own.
    """

    x: NDArray[Any]
    name: tuple[str, ...]
    label: tuple[str, ...] | None = None
    patient: tuple[str, ...] | None = None
    value: NDArray[np.float64] | None = None
    time: NDArray[np.float64] | None = None
    features: tuple[str, ...] = ()


def read_observations(
    path: str | Path, inputs: Inputs, *, task: str | None = None, label: str | None = None
) -> Observations:
    """Cases from a CSV, a picture or scan, a folder of them or class folders, or a set, as the model takes them.

    A set is a MedIMeta folder of one task, or an .npz archive. A folder of DICOM files with an index (`DICOMDIR`)
    has no labels, whatever its folders are called.

    Args:
        path: the file or folder.
        inputs: what the model takes.
        task, label: which task of a MedIMeta folder, and which label where a case of a set has several.

    Raises:
        UserError: another modality than the model's, a column that is missing or renamed, or whatever the reader of
            the file refuses.
    """
    path = Path(path)
    if inputs.modality == "signal":
        return _beats(path, inputs)
    if path.is_dir() or is_picture(path) or is_nifti(path) or path.suffix.lower() == ".npz":
        if inputs.modality != "image":
            raise UserError(f"{path}: pictures, but the model takes {inputs.modality} cases. Give a CSV.")
        return _of_images(path, inputs, task, label)
    columns = parse_table(path)
    _refuse_choice(path, task, label)
    labels, patient = text_column(columns, "label", path), text_column(columns, "patient", path)
    rows = len(next(iter(columns.values())))
    if inputs.modality == "image":
        if "path" not in columns:
            raise UserError(
                f"{path}: no column 'path', but the model takes pictures. Name each row's picture."
            )
        listed = [inside_folder(path, str(cell), row) for row, cell in enumerate(columns["path"], start=1)]
        names = [str(cell) for cell in columns["path"]]
        if inputs.scans is None and not any(is_nifti(one) or one.is_dir() for one in listed):
            return _pictures(listed, names, inputs)._replace(label=labels, patient=patient)
        return _scans([scan_of(one) for one in listed], names, inputs, labels, patient)
    if "path" in columns and "path" not in inputs.features:
        raise UserError(f"{path}: a column 'path' of pictures, but the model takes {inputs.modality} cases.")
    name = patient or tuple(f"row {row}" for row in range(1, rows + 1))
    if inputs.open:
        x, own, _ = encode({n: v for n, v in columns.items() if n not in ROLES}, str(path))
        return Observations(x, name, labels, patient, features=own)
    x = features_of(columns, inputs, path)
    return Observations(x, name, labels, patient)


def _refuse_choice(path: Path, task: str | None, label: str | None) -> None:
    if task is not None or label is not None:
        raise UserError(
            f"{path}: tasks and labels are chosen of MedIMeta folders and archives. Leave them out."
        )


def _of_images(path: Path, inputs: Inputs, task: str | None, label: str | None) -> Observations:
    """Cases of a model of pictures or volumes, from anything but a manifest."""
    if path.suffix.lower() == ".npz" or (path.is_dir() and holds_medimeta(path)):
        return _set(path, inputs, task, label)
    _refuse_choice(path, task, label)
    scans = is_nifti(path) or (path.is_dir() and holds_nifti(path))
    if not scans and (inputs.scans is None or not (path.is_dir() or is_dicom(path))):
        return _folder(path, inputs) if path.is_dir() else _pictures([path], [path.name], inputs)
    if not path.is_dir():
        return _scans([scan_of(path)], [path.name], inputs)
    if any(child.name.upper() == "DICOMDIR" for child in path.iterdir()) or not any(
        child.is_dir() and not child.name.startswith(".") for child in path.iterdir()
    ):
        found = find_scans(path)
        if not found:
            raise UserError(f"{path}: no NIfTI or DICOM scans. Give a folder that holds some.")
        return _scans(found, [one[0].relative_to(path).as_posix() for one in found], inputs)
    each = [(folder, one) for folder in class_folders(path)[0] for one in find_scans(folder)]
    if not each:
        raise UserError(f"{path}: no NIfTI or DICOM scans. Give a folder that holds some.")
    names = [one[0].relative_to(path).as_posix() for _, one in each]
    return _scans([one for _, one in each], names, inputs, tuple(folder.name for folder, _ in each))


def _scans(
    groups: list[Group],
    names: list[str],
    inputs: Inputs,
    label: tuple[str, ...] | None = None,
    patient: tuple[str, ...] | None = None,
) -> Observations:
    """Cases of scans; names, labels and patients are those of each scan."""
    if inputs.scans is None and len(inputs.shape) == 3:
        raise UserError(
            f"{groups[0][0]}: a scan, but the model takes pictures that were no slices of scans. Give pictures."
        )
    channels, *size = inputs.shape
    chosen = inputs.scans or Scans()
    read = read_scans(groups, chosen, size=tuple(size), channels=channels)  # type: ignore[arg-type]
    if len(set(read.of.tolist())) < len(groups):
        raise UserError(f"{read.told.notes[-1]} Leave them out.")
    return Observations(
        read.x,
        tuple(f"{names[at]} {where}".strip() for at, where in zip(read.of, read.where, strict=True)),
        None if label is None else tuple(label[at] for at in read.of),
        None if patient is None else tuple(patient[at] for at in read.of),
    )


def _set(path: Path, inputs: Inputs, task: str | None, label: str | None) -> Observations:
    """Every case of an archive or a MedIMeta folder, with its label."""
    channels, *size = inputs.shape
    flat = len(size) == 2
    how = Reading(
        patients=EVERY_CASE_ITS_OWN_PATIENT,
        size=tuple(size),  # type: ignore[arg-type]
        channels=channels if flat else None,
        task=task,
        label=label,
    )
    cases = read_files(path, how)
    if cases.regression or cases.x.shape[1:] != inputs.shape:
        raise UserError(f"{path}: cases of shape {cases.x.shape[1:]}, but the model takes {inputs.shape}.")
    labels = tuple(cases.classes[y] for y in cases.y)
    assert cases.name is not None or path.suffix.lower() == ".npz"
    names = [f"case {at}" for at in range(len(cases))] if cases.name is None else cases.name.tolist()
    return Observations(cases.x, tuple(names), labels)


def _folder(path: Path, inputs: Inputs) -> Observations:
    inside = children(path)
    flat = [p for p in inside if p.is_file() and is_picture(p)]
    folders = [p.name for p in inside if p.is_dir()]
    if flat and folders:
        raise UserError(
            f"{path}: holds pictures and the folder '{folders[0]}'. Give one folder of pictures, or a folder of "
            "class folders."
        )
    if flat:
        return _pictures(flat, [p.name for p in flat], inputs)
    size, channels = _size(inputs)
    cases = read_folders(path, patient_pattern="(.*)", size=size, channels=channels, bits=inputs.bits)
    assert cases.name is not None
    labels = tuple(cases.classes[y] for y in cases.y)
    return Observations(cases.x, tuple(map(str, cases.name)), labels)


def _pictures(paths: list[Path], names: list[str], inputs: Inputs) -> Observations:
    size, channels = _size(inputs)
    return Observations(read_pictures(paths, size=size, channels=channels, bits=inputs.bits), tuple(names))


def _size(inputs: Inputs) -> tuple[tuple[int, int], int]:
    if len(inputs.shape) != 3:
        raise UserError(f"the model takes volumes of shape {inputs.shape}: give NIfTI files or DICOM series.")
    channels, height, width = inputs.shape
    return (height, width), channels


def features_of(columns: Columns, inputs: Inputs, path: Path) -> NDArray[np.float64]:
    """The columns that the model takes, shape (rows, features); raises `UserError` where one is missing."""
    _check_levels(columns, inputs.features, path)
    return np.column_stack([_feature(columns, name, path) for name in inputs.features])


def text_column(columns: Columns, name: str, path: Path) -> tuple[str, ...] | None:
    """A column of text; None where there is none, `UserError` where a cell of it is missing."""
    if name not in columns:
        return None
    missing = np.flatnonzero(is_missing(columns[name]))
    if len(missing):
        raise UserError(
            f"{path}: column '{name}' is missing in row {missing[0] + 1}. Fill it in or leave it out."
        )
    return tuple(str(cell) for cell in columns[name])


def _check_levels(columns: Columns, features: tuple[str, ...], path: Path) -> None:
    """Refuses text that training did not show.

    Text of two levels became the 0/1 column of the first, and the name of the second is not known: one other word
    is taken for it, two are not.
    """
    known: dict[str, set[str]] = {}
    for feature in features:
        name, _, level = feature.partition("=")
        if feature not in columns and level and name in columns:
            known.setdefault(name, set()).add(level)
    for name, shown in known.items():
        cells = columns[name]
        others = sorted({str(cell) for cell in cells[~is_missing(cells)]} - shown)
        if len(others) > (len(shown) == 1):
            levels = ", ".join(f"'{level}'" for level in sorted(shown))
            raise UserError(
                f"{path}: column '{name}' says {' and '.join(repr(o[:40]) for o in others[:3])}, but training said "
                f"{levels}{' and one other word' if len(shown) == 1 else ''}. Write them as in training, or leave "
                "the cells empty."
            )


def _beats(path: Path, inputs: Inputs) -> Observations:
    """The annotated heartbeats of a folder of recordings."""
    if not (path.is_dir() and holds_recordings(path)):
        raise UserError(
            f"{path}: the model takes heartbeats. Give a folder of WFDB recordings with annotations."
        )
    cases = read_beats(path)
    if cases.x.shape[1:] != inputs.shape:
        raise UserError(f"{path}: beats of shape {cases.x.shape[1:]}, but the model takes {inputs.shape}.")
    assert cases.name is not None
    labels = tuple(cases.classes[y] for y in cases.y)
    return Observations(cases.x, tuple(map(str, cases.name)), labels, tuple(map(str, cases.patient)))


def _feature(columns: Columns, feature: str, path: Path) -> NDArray[np.float64]:
    """A column of numbers, or the 0/1 column of one level of a column of text."""
    if feature in columns:
        return numbers(columns[feature], f"{path}: column '{feature}'")
    name, _, level = feature.partition("=")
    if level and name in columns:
        cells = columns[name]
        return np.where(is_missing(cells), np.nan, (cells == level).astype(np.float64))
    raise UserError(
        f"{path}: no column '{name}', which the model was trained with; {nearest(name, columns)}. "
        "Name the columns as in training; leave cells empty where a value is not known."
    )
