"""Any table as columns of text cells: what separates them, and whether there is a header, is found out."""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metadx.cases.columns import is_missing
from metadx.cases.own.choice import Choice
from metadx.cases.textfile import text_lines, zipped_lines
from metadx.errors import UserError

MAX_CELLS = 50_000_000
TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".tab", ".data", ".arff", ".parquet", ".pq")
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_LOOK = 50
_DECIMAL = re.compile(r"^([<>≤≥=~]*\s*[-+]?\d+),(\d+\D*)$")


class Cells(NamedTuple):
    """A table as text: cells by column name, "" where one is empty, and what was chosen in reading it."""

    columns: dict[str, NDArray[np.object_]]
    choices: tuple[Choice, ...] = ()

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self.columns.values())))


def is_table(path: Path) -> bool:
    """Whether a file is one of the tables that `read_cells` reads, by its name."""
    return _plain_name(path).endswith(TABLE_SUFFIXES)


def _plain_name(path: Path) -> str:
    return path.name.lower().removesuffix(".gz").removesuffix(".zip")


def read_cells(path: Path) -> Cells:
    """The cells of a CSV (or the like), an ARFF or a Parquet file; plain, gzipped or alone in a zip.

    Raises:
        UserError: no such file, damaged, rows of unequal length, two columns of one name, or no rows.
    """
    name = _plain_name(path)
    if name.endswith(".arff"):
        return Cells(_arff(path))
    if name.endswith((".parquet", ".pq")):
        return Cells(_parquet(path))
    suffix = name[name.rfind(".") :] if "." in name else ".csv"
    zipped = path.suffix.lower() == ".zip" or (path.is_file() and zipfile.is_zipfile(path))
    with (
        zipped_lines(path, suffix if suffix in TABLE_SUFFIXES else ".csv")
        if zipped
        else text_lines(path) as lines
    ):
        return _delimited(lines, path)


def _arff(path: Path) -> dict[str, NDArray[np.object_]]:
    from metadx.cases.clinical import parse_arff

    table = parse_arff(path)
    return {
        attribute.name: np.asarray(["" if cell is None else str(cell) for cell in cells], dtype=object)
        for attribute, cells in zip(table.attributes, table.columns, strict=True)
    }


def _parquet(path: Path) -> dict[str, NDArray[np.object_]]:
    from metadx.cases.clinical.parquet import parquet_table

    table = parquet_table(path)
    return {
        name: np.asarray([_text(cell) for cell in column.to_pylist()], dtype=object)
        for name, column in zip(table.column_names, table.columns, strict=True)
    }


def _text(cell: Any) -> str:
    if cell is None or cell != cell:
        return ""
    if isinstance(cell, bool):
        return str(int(cell))
    return cell.isoformat() if hasattr(cell, "isoformat") else str(cell).strip()


def _delimited(lines: Iterable[str], path: Path) -> Cells:
    text = list(lines)
    mark = _separator([line for line in text[: 4 * _LOOK] if line.strip()][:_LOOK])
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(text, delimiter=mark, strict=True)]
    except csv.Error as why:
        raise UserError(
            f"{path}: not a sound table ({why}). Mend the quotes, or save it as CSV again."
        ) from why
    rows = [row for row in rows if any(row)]
    if not rows:
        raise UserError(f"{path}: the file is empty. Give a header line and one line per case.")
    choices = []
    if mark != ",":
        choices.append(Choice("File", f"Columns are separated by {_NAMES[mark]}."))
    names, body = rows[0], rows[1:]
    if _all_values(names):
        names, body = [f"column {number}" for number in range(1, len(names) + 1)], rows
        choices.append(
            Choice("File", "The first line holds values, not names: columns are called by their number.")
        )
    if not body:
        raise UserError(f"{path}: no cases below the header. Add one line per case.")
    _check(names, body, path)
    columns = {
        name or f"column {at + 1}": np.asarray([row[at] for row in body], dtype=object)
        for at, name in enumerate(names)
    }
    if len(columns) < len(names):
        raise UserError(f"{path}: two columns have the same name. Rename one.")
    if mark != ",":
        columns, mended = _decimal_points(columns)
        if mended:
            choices.append(Choice("File", f"Decimal commas were read as points in {_some(mended)}."))
    return Cells(columns, tuple(choices))


def _separator(lines: Sequence[str]) -> str:
    """The mark that cuts every line into the same number of cells, and into the most of them."""

    def cells(mark: str) -> int:
        try:
            widths = {len(row) for row in csv.reader(lines, delimiter=mark) if row}
        except csv.Error:
            return 0
        return widths.pop() if len(widths) == 1 else 0

    best = max(_NAMES, key=cells)
    return best if cells(best) > 1 else max(_NAMES, key=lines[0].count) if lines else ","


def _all_values(names: Sequence[str]) -> bool:
    """Whether a first line can hold no names: most are numbers, and one comes twice or all are numbers."""
    numbers = sum(map(_is_number, names))
    missing = sum(name in ("?", "NA", "nan") for name in names)
    return len(names) > 1 and (numbers + missing == len(names) or (2 * numbers > len(names) and numbers > 2))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _check(names: Sequence[str], body: Sequence[Sequence[str]], path: Path) -> None:
    if len(body) * len(names) > MAX_CELLS:
        raise UserError(f"{path}: more than {MAX_CELLS:,} values. Keep fewer cases or columns.")
    for number, row in enumerate(body, start=1):
        if len(row) != len(names):
            raise UserError(
                f"{path}: row {number} has {len(row)} cells, the header {len(names)}. Mend that row."
            )
    seen: set[str] = set()
    for name in names:
        if name and name in seen:
            raise UserError(f"{path}: two columns are named '{name[:60]}'. Rename or remove one.")
        seen.add(name)


def _decimal_points(
    columns: dict[str, NDArray[np.object_]],
) -> tuple[dict[str, NDArray[np.object_]], list[str]]:
    """The columns, those of numbers with decimal commas written with points, and their names."""
    mended: dict[str, NDArray[np.object_]] = {}
    for name, cells in columns.items():
        with_comma = [str(cell) for cell in cells[~is_missing(cells)] if "," in str(cell)]
        if with_comma and all(map(_DECIMAL.match, with_comma)):
            mended[name] = np.asarray([_DECIMAL.sub(r"\1.\2", str(cell)) for cell in cells], dtype=object)
    return {**columns, **mended}, list(mended)


def _some(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:4]) + (
        f" and {len(names) - 4} more" if len(names) > 4 else ""
    )
