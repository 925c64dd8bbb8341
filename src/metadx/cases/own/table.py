"""A table of unknown columns as cases: what is no measurement is left out and counted, never guessed at."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metadx.cases.cases import Cases, Modality, Provenance
from metadx.cases.columns import MAX_LEVELS, encode, is_missing, number_or_none, numbers
from metadx.cases.labels import number_classes
from metadx.cases.own.cells import Cells
from metadx.cases.own.choice import Choice
from metadx.cases.own.numerals import Numerals, about_numerals, numerals
from metadx.cases.own.roles import Columns, Roles, distinct, is_text
from metadx.cases.patients import ASSUMED
from metadx.cases.textfile import MAX_TEXT, sha256_of
from metadx.errors import UserError

MANY_FEATURES = 300
"""A table with so many columns of numbers is taken for molecular measurements."""


def table_cases(
    cells: Cells, roles: Roles, path: Path, drop: tuple[str, ...] = ()
) -> tuple[Cases, tuple[Choice, ...]]:
    """Cases from a table whose roles are known, and what was left out or read in another way.

    Raises:
        UserError: no measurement is left, or nobody has a label.
    """
    kept = np.flatnonzero(~is_missing(cells.columns[roles.label]))
    columns = {name: column[kept] for name, column in cells.columns.items()}
    choices = []
    unlabelled = cells.rows - len(kept)
    if unlabelled:
        choices.append(Choice("Left out", f"{unlabelled:,} rows have no '{roles.label}' and were left out."))
    columns, kept_rows, said = _with_patients(columns, roles)
    choices += said
    y, classes = _outcome(columns[roles.label], roles, str(path))
    features, said = measurements(
        {n: c for n, c in columns.items() if n not in roles.aside and n not in drop}
    )
    choices += said
    if drop:
        choices.append(Choice("Left out", f"Columns left out as you said: {', '.join(drop)}."))
    if not features:
        raise UserError(f"{path}: no column of measurements is left beside the label. Add the measurements.")
    x, names, done = encode(features, str(path))
    wide = len(names) >= MANY_FEATURES
    modality: Modality = "genomics" if wide or roles.group else "table"
    return (
        Cases(
            x=x,
            y=y,
            patient=_whose(columns, roles, len(y)),
            classes=classes,
            modality=modality,
            provenance=Provenance(
                source=str(path),
                licence="your own data",
                checksum=sha256_of(path),
                preprocessing=done,
                notes=() if roles.patient else (ASSUMED,),
            ),
            site=_short(columns[roles.site]) if roles.site else None,
            time=_times(columns[roles.time], str(path), roles.time) if roles.time else None,
            features=names,
            name=np.asarray([f"row {int(row) + 1}" for row in kept[kept_rows]]),
            group=_short(columns[roles.group]) if roles.group else None,
        ),
        tuple(choices),
    )


def measurements(columns: Columns) -> tuple[dict[str, NDArray[np.object_]], list[Choice]]:
    """The columns that are measurements, and a sentence on every kind that is not, or was read in another way."""
    kept: dict[str, NDArray[np.object_]] = {}
    left: dict[str, list[str]] = {}
    read: dict[str, Numerals] = {}
    zeros: list[str] = []
    for name, cells in columns.items():
        why = _no_measurement(cells)
        if why:
            left.setdefault(why, []).append(name)
            continue
        if not is_text(cells):
            read[name] = numerals(name, cells)
            cells = read[name].cells
            zeros += [name] if _odd_zeros(cells) else []
        kept[name] = cells
    choices = [
        Choice("Left out", f"{_listed(names)}: {why}, so no measurement.") for why, names in left.items()
    ]
    choices += about_numerals(read)
    if zeros:
        choices.append(
            Choice(
                "Look at this",
                f"Zeros in {_listed(zeros)} stand apart from all other values. If 0 means that nothing was "
                "measured, "
                "leave those cells empty and run the study again; here they were kept as they are.",
            )
        )
    return kept, choices


def _no_measurement(cells: NDArray[np.object_]) -> str | None:
    """Why a column is none, or None."""
    found = distinct(cells)
    if not found:
        return "empty in every row"
    if len(found) == 1:
        return "the same in every row"
    if is_text(cells):
        if _dates(found):
            return "dates"
        if len(found) > MAX_LEVELS or (len(found) > 10 and len(found) > 0.8 * len(cells)):
            return "words that hardly repeat, such as names or notes"
        return None
    return "running numbers" if _running(cells) else None


def _running(cells: NDArray[np.object_]) -> bool:
    values = [number_or_none(cell) for cell in cells]
    if len(values) < 5 or any(v is None or not np.isfinite(v) for v in values):
        return False
    numbers_of_rows = np.asarray(values, dtype=float)
    return bool((np.diff(numbers_of_rows) == 1).all() and numbers_of_rows[0] == int(numbers_of_rows[0]))


def _dates(found: list[str]) -> bool:
    return all(_date(word) is not None for word in found[:50])


def _date(word: str) -> datetime | None:
    try:
        return datetime.fromisoformat(word)
    except ValueError:
        return None


def _odd_zeros(cells: NDArray[np.object_]) -> bool:
    """Whether 0 is far below all other values of a column that never is below 0."""
    value = numbers(cells, "")
    value = value[np.isfinite(value)]
    found = np.unique(value)
    if len(found) < 12 or found[0] != 0:
        return False
    return bool(found[1] > 4 * np.median(np.diff(found[1:])) and found[1] > 0.1 * np.median(found[1:]))


def _with_patients(
    columns: Columns, roles: Roles
) -> tuple[dict[str, NDArray[np.object_]], NDArray[np.int64], list[Choice]]:
    """The rows whose patient, site and time are known, where there are such columns."""
    rows = len(columns[roles.label])
    kept = np.arange(rows)
    choices = []
    for name in (roles.patient, roles.site, roles.time):
        if name is None:
            continue
        missing = is_missing(columns[name][kept])
        if missing.any():
            choices.append(Choice("Left out", f"{missing.sum():,} rows have no '{name}' and were left out."))
            kept = kept[~missing]
    return {name: cells[kept] for name, cells in columns.items()}, kept, choices


def _outcome(
    cells: NDArray[np.object_], roles: Roles, source: str
) -> tuple[NDArray[np.generic], tuple[str, ...]]:
    if roles.value:
        return numbers(cells, f"{source}: column '{roles.label}'"), ()
    return number_classes([str(cell)[:MAX_TEXT] for cell in cells], source)


def _whose(columns: Columns, roles: Roles, rows: int) -> NDArray[np.str_]:
    if roles.patient is None:
        return np.asarray([f"row {row}" for row in range(1, rows + 1)])
    return _short(columns[roles.patient])


def _short(cells: NDArray[np.object_]) -> NDArray[np.str_]:
    return np.asarray([str(cell)[:MAX_TEXT] for cell in cells])


def _times(cells: NDArray[np.object_], source: str, name: str | None) -> NDArray[np.generic]:
    """Numbers as they are; dates as datetime64."""
    values = [number_or_none(cell) for cell in cells]
    if all(value is not None and np.isfinite(value) for value in values):
        return np.asarray(values, dtype=np.float64)
    dates = [_date(str(cell)) for cell in cells]
    if any(date is None for date in dates):
        row = next(at for at, date in enumerate(dates) if date is None)
        raise UserError(
            f"{source}: column '{name}', row {row + 1}: '{str(cells[row])[:40]}' is neither a number nor a "
            "date such as "
            "2024-05-31. Mend it, or name another column with --time."
        )
    plain = [d if d is None or d.tzinfo is None else d.astimezone(UTC).replace(tzinfo=None) for d in dates]
    return np.asarray([np.datetime64(date, "us") for date in plain if date is not None])


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"'{name[:40]}'" for name in names[:5])
    return shown + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")
