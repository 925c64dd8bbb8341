"""Reading clinical tables in Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadx.cases.cases import Cases, Provenance
from metadx.cases.columns import MAX_LEVELS, levels
from metadx.cases.labels import number_classes
from metadx.cases.patients import VOUCHED, vouched
from metadx.cases.textfile import sha256_of, short_text
from metadx.errors import UserError, nearest

MAX_VALUES = 200_000_000
"""Cells that are read at most."""


def read_parquet(
    path: str | Path,
    *,
    label: str = "label",
    patient: str = "patient",
    site: str | None = None,
    time: str | None = None,
    drop: Sequence[str] = (),
    patients: str | None = None,
) -> Cases:
    """Cases from a Parquet table; a `label` of fractions makes it regression.

    Numbers stay numbers, true and false become 1 and 0, text becomes columns such as `sex=F`, nulls and NaN stay
    missing. Needs `pip install 'metadx[clinical]'`.

    Args:
        path: the file.
        label: the column that is to be diagnosed.
        patient: the column that says whose case it is.
        site, time: the columns that say where and when it was observed; a column `site` or `time` is taken unasked.
        drop: columns to leave out, such as row numbers.
        patients: `EVERY_CASE_ITS_OWN_PATIENT`, for a table without a patient column.

    Raises:
        UserError: pyarrow is not installed; the file, a column, a label, a patient or a value cannot be used.
    """
    file = Path(path)
    table = parquet_table(file)
    names = table.column_names
    if len(set(names)) < len(names):
        raise UserError(f"{file}: two columns have the same name. Rename one.")
    site = site or ("site" if "site" in names else None)
    time = time or ("time" if "time" in names else None)
    for name in (label, *(n for n in (site, time) if n)):
        if name not in names:
            raise UserError(f"{file}: no column '{name}'; {nearest(name, names)}. Name the right one.")
    y, classes = _outcome(table[label], f"{file}: column '{label}'", file)
    notes: tuple[str, ...] = ()
    if patient in names:
        whose = _text(table[patient], f"{file}: column '{patient}'")
    else:
        mend = f"There is no column '{patient}': name it with patient='...'"
        whose, notes = vouched(patients, len(y), str(file), otherwise=mend), (VOUCHED,)
    aside = {label, patient, site, time, *drop}
    x, features, done = _encoded(table, [name for name in names if name not in aside], file)
    return Cases(
        x=x,
        y=y,
        patient=whose,
        classes=classes,
        modality="table",
        provenance=Provenance(source=str(file), checksum=sha256_of(file), preprocessing=done, notes=notes),
        site=_text(table[site], f"{file}: column '{site}'") if site else None,
        time=_times(table[time], f"{file}: column '{time}'") if time else None,
        features=features,
    )


def parquet_table(path: Path) -> Any:
    """The table of a Parquet file; raises `UserError` as `read_parquet`."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise UserError("reading Parquet needs `pip install 'metadx[clinical]'`") from None
    if not path.is_file():
        raise UserError(f"{path}: no such file. Mend the path.")
    try:
        with pyarrow.parquet.ParquetFile(path, memory_map=False, page_checksum_verification=True) as file:
            shape = file.metadata.num_rows, file.metadata.num_columns
            if shape[0] * max(shape[1], 1) > MAX_VALUES or shape[0] < 0:
                raise UserError(
                    f"{path}: {shape[0]:,} rows of {shape[1]:,} columns are too many. Keep fewer."
                )
            table = file.read(use_threads=False)
            table.validate(full=True)
            str(table.schema)
    except UserError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError, MemoryError) as why:
        said = " ".join(str(why).split())[:200]
        raise UserError(f"{path}: no sound Parquet file ({said}). Get or write it again.") from why
    if not table.num_rows:
        raise UserError(f"{path}: no rows. Give one row per case.")
    return table


def _encoded(
    table: Any, names: list[str], path: Path
) -> tuple[NDArray[np.float64], tuple[str, ...], tuple[str, ...]]:
    parts: list[NDArray[np.float64]] = []
    features: list[str] = []
    words: list[str] = []
    for name in names:
        what = f"{path}: column '{name[:60]}'"
        column = _plain(table[name])
        if _is_number(column):
            parts.append(_numbers(column, what)[:, None])
            features.append(name)
        elif _is_text(column):
            values, made = _levels(column, name, what)
            parts.append(values)
            features.extend(made)
            words.append(name)
        else:
            raise UserError(
                f"{what} holds {column.type}, which is no measurement. Remove it, or make it a number such as days "
                "since admission."
            )
    if not features:
        raise UserError(f"{path}: no feature columns. Add the measurements.")
    twice = next((name for name in features if features.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"{path}: two columns become '{twice[:60]}'. Rename one.")
    done = (f"text columns made one 0/1 column per level: {', '.join(words)}",) if words else ()
    return np.concatenate(parts, axis=1), tuple(features), done


def _outcome(column: Any, what: str, path: Path) -> tuple[NDArray[Any], tuple[str, ...]]:
    column = _plain(column)
    from pyarrow import types

    if types.is_floating(column.type) or types.is_decimal(column.type):
        value = _numbers(column, what)
        if np.isnan(value).any():
            raise UserError(f"{what} is missing in row {int(np.isnan(value).argmax()) + 1}. Fill it in.")
        return value, ()
    return number_classes(_text(column, what).tolist(), str(path))


def _text(column: Any, what: str) -> NDArray[np.str_]:
    column = _plain(column)
    if not (_is_text(column) or _is_number(column)):
        raise UserError(f"{what} holds {column.type}. Give text or whole numbers.")
    cells = ["" if cell is None or cell != cell else str(cell).strip() for cell in column.to_pylist()]
    if "" in cells:
        raise UserError(
            f"{what} is missing in row {cells.index('') + 1} ({cells.count('')} rows in all). "
            "Fill it in or leave those cases out."
        )
    return short_text(cells, what)


def _times(column: Any, what: str) -> NDArray[Any]:
    from pyarrow import compute, types

    if column.null_count:
        raise UserError(f"{what} is missing in {column.null_count} rows. Fill it in.")
    if types.is_timestamp(column.type) or types.is_date(column.type):
        stamps = compute.cast(column, "timestamp[us]", safe=False)
        return np.asarray(stamps.to_numpy(), dtype="datetime64[us]")
    if not _is_number(column):
        raise UserError(f"{what} holds {column.type}. Give timestamps, dates or numbers.")
    return _numbers(column, what)


def _levels(column: Any, name: str, what: str) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    cells = np.asarray(["" if cell is None else cell.strip() for cell in column.to_pylist()], dtype=object)
    found = len(set(cells))
    if found > MAX_LEVELS + 1:
        raise UserError(
            f"{what} is text with {found} different values (at most {MAX_LEVELS}). Remove it or group its values."
        )
    short_text(sorted(set(cells)), what)
    return levels(cells, name)


def _numbers(column: Any, what: str) -> NDArray[np.float64]:
    from pyarrow import compute

    value = compute.cast(column, "double", safe=False).to_numpy().astype(np.float64)
    wrong = np.flatnonzero(np.isinf(value))
    if len(wrong):
        raise UserError(f"{what}, row {wrong[0] + 1}: infinite. Write a number or leave it empty.")
    return np.asarray(value)


def _plain(column: Any) -> Any:
    """A dictionary-encoded column as the values it stands for."""
    from pyarrow import compute, types

    return compute.cast(column, column.type.value_type) if types.is_dictionary(column.type) else column


def _is_number(column: Any) -> bool:
    from pyarrow import types

    kind = column.type
    return bool(
        types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind)
    )


def _is_text(column: Any) -> bool:
    from pyarrow import types

    return bool(
        types.is_string(column.type) or types.is_large_string(column.type) or types.is_null(column.type)
    )
