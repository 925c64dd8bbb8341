"""Reading cases for a model that exists: the columns it takes, encoded as they were in training."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metadx.cases.columns import is_missing, numbers
from metadx.cases.folders import read_folders
from metadx.cases.inputs import Inputs
from metadx.cases.kinds import is_picture
from metadx.cases.pictures import read_pictures
from metadx.cases.tables import Columns, inside_folder, parse_table
from metadx.errors import UserError, nearest


class Observations(NamedTuple):
    """Cases as a model takes them, labelled or not.

    Args:
        x: shape (cases, ...), as in `metadx.cases.Cases`.
        name: what to call each case: its patient, its picture, or its row.
        label: the condition of each case, text; None where the file has no labels.
        patient: whose case it is; None where the file does not say.
    """

    x: NDArray[Any]
    name: tuple[str, ...]
    label: tuple[str, ...] | None = None
    patient: tuple[str, ...] | None = None


def read_observations(path: str | Path, inputs: Inputs) -> Observations:
    """Cases from a CSV, a picture, a folder of pictures or class folders, as the model takes them.

    Raises:
        UserError: another modality than the model's, a column that is missing or renamed, or whatever the reader of
            the file refuses.
    """
    path = Path(path)
    if path.is_dir() or is_picture(path):
        if inputs.modality != "image":
            raise UserError(f"{path}: pictures, but the model takes {inputs.modality} cases. Give a CSV.")
        return _folder(path, inputs) if path.is_dir() else _pictures([path], [path.name], inputs)
    columns = parse_table(path)
    label, patient = _text(columns, "label", path), _text(columns, "patient", path)
    rows = len(next(iter(columns.values())))
    if inputs.modality == "image":
        if "path" not in columns:
            raise UserError(
                f"{path}: no column 'path', but the model takes pictures. Name each row's picture."
            )
        listed = [inside_folder(path, str(cell), row) for row, cell in enumerate(columns["path"], start=1)]
        read = _pictures(listed, [str(cell) for cell in columns["path"]], inputs)
        return read._replace(label=label, patient=patient)
    if "path" in columns and "path" not in inputs.features:
        raise UserError(f"{path}: a column 'path' of pictures, but the model takes {inputs.modality} cases.")
    _check_levels(columns, inputs.features, path)
    x = np.column_stack([_feature(columns, name, path) for name in inputs.features])
    name = patient or tuple(f"row {row}" for row in range(1, rows + 1))
    return Observations(x, name, label, patient)


def _folder(path: Path, inputs: Inputs) -> Observations:
    inside = [p for p in sorted(path.iterdir()) if not p.name.startswith(".")]
    flat = [p for p in inside if p.is_file() and is_picture(p)]
    folders = [p.name for p in inside if p.is_dir() and p.name != "__MACOSX"]
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
    channels, height, width = inputs.shape
    return (height, width), channels


def _text(columns: Columns, name: str, path: Path) -> tuple[str, ...] | None:
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
