"""Measurements at visits: one case per patient and day, its target the score of that day."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metadx.cases.cases import Cases, Provenance
from metadx.errors import UserError, nearest

_MOST_BYTES = 500_000_000
_LARGEST = 1e300
"""Of which several can be added up."""


def read_visits(
    path: str | Path,
    *,
    patient: str,
    time: str,
    target: str,
    leave_out: Sequence[str] = (),
    note: str = "",
) -> Cases:
    """One case per visit from a table of measurements, several of which may be of one visit.

    Rows of one patient whose times lie in the same whole unit are one visit, and are averaged. `time` is the first
    feature too, so that a course over time can be learned; it is also `Cases.time`.

    Args:
        path: a text table with a header; commas, semicolons or tabs are found out.
        patient, time, target: names of columns; all others are features, and must be numbers.
        leave_out: columns that are no features, such as other scores of the same visit.
        note: a sentence that reports repeat.

    Raises:
        UserError: no such file or column, or a cell that is no number.
    """
    file = Path(path)
    header, rows = _table(file)
    for name in (patient, time, target, *leave_out):
        if name not in header:
            raise UserError(f"{file}: no column '{name}'; {nearest(name, header)}")
    features = [time, *(n for n in header if n not in (patient, time, target, *leave_out))]
    owner = np.array([row[header.index(patient)].strip() for row in rows])
    values = {n: _numbers(rows, header.index(n), n, file) for n in (*features, target)}
    for name in (time, target):
        empty = np.flatnonzero(~np.isfinite(values[name]))
        if len(empty):
            raise UserError(f"{file}: column '{name}' is empty in row {empty[0] + 1}.")
    visit_of = list(zip(owner.tolist(), np.floor(values[time]).tolist(), strict=True))
    visits = sorted(set(visit_of))
    number = {visit: i for i, visit in enumerate(visits)}
    of = np.array([number[visit] for visit in visit_of])
    mean = {name: _means(column, of, len(visits)) for name, column in values.items()}
    return Cases(
        x=np.column_stack([mean[name] for name in features]),
        y=mean[target],
        patient=np.array([who for who, _ in visits]),
        classes=(),
        modality="table",
        provenance=Provenance(
            source=str(file),
            preprocessing=(f"rows of one visit averaged: {len(rows):,} rows, {len(visits):,} visits",),
            notes=(note,) if note else (),
        ),
        time=mean[time],
        features=tuple(features),
        quantity=target,
    )


def _table(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UserError(f"{path}: larger than {_MOST_BYTES // 1_000_000} MB. Cut the table.")
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file.") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: byte {error.start} is not UTF-8. Save the file as UTF-8.") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2:
        raise UserError(f"{path}: no rows below the header.")
    delimiter = max("\t;,", key=lines[0].count)
    try:
        header, *rows = (row for row in csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise UserError(f"{path}: cannot be read as a table ({error}).") from error
    header = [name.strip() for name in header]
    short = next((i for i, row in enumerate(rows, start=1) if len(row) != len(header)), None)
    if short is not None:
        raise UserError(f"{path}: row {short} has {len(rows[short - 1])} cells, the header {len(header)}.")
    if len(set(header)) < len(header):
        raise UserError(f"{path}: two columns have the same name. Name every column once.")
    return header, rows


def _numbers(rows: Sequence[Sequence[str]], column: int, name: str, path: Path) -> NDArray[np.float64]:
    """A column of numbers, NaN where it is empty."""
    found = np.full(len(rows), np.nan)
    for i, row in enumerate(rows):
        cell = row[column].strip()
        if cell in ("", "?", "NA", "NaN", "nan"):
            continue
        try:
            found[i] = float("x" if "_" in cell else cell)
        except ValueError:
            raise UserError(f"{path}: column '{name}', row {i + 1}: '{cell[:40]}' is no number.") from None
        if not abs(found[i]) < _LARGEST:
            raise UserError(
                f"{path}: column '{name}', row {i + 1}: '{cell[:40]}' is infinite, or as good as."
            )
    return found


def _means(column: NDArray[np.float64], of: NDArray[np.int64], visits: int) -> NDArray[np.float64]:
    """The mean of each visit's known values, NaN where none is known."""
    known = np.isfinite(column)
    count = np.bincount(of[known], minlength=visits)
    total = np.bincount(of[known], column[known], minlength=visits)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
