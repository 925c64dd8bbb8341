"""Turning columns of text cells into numbers: numeric columns as they are, text one column per level."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from metadx.errors import UserError

MISSING = frozenset(("", "?", "na", "n/a", "#n/a", "nan", "null", "<na>", "nat"))
"""Cells that mean "not known", in any case of letters."""

MAX_LEVELS = 50
"""Text with more different values than this is refused: it is a note or a number, not a category."""


def is_missing(cells: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Which text cells mean "not known", shape (cases,)."""
    missing = {cell: cell.strip().lower() in MISSING for cell in set(cells)}
    return np.asarray([missing[cell] for cell in cells], dtype=np.bool_)


def numbers(cells: NDArray[np.object_], what: str) -> NDArray[np.float64]:
    """Text cells as float64, NaN where missing, shape (cases,).

    Args:
        cells: text, shape (cases,).
        what: the file and column, to name in an error.

    Raises:
        UserError: a cell is no number, or infinite; names its row.
    """
    value = {cell: number_or_none(cell) for cell in set(cells)}
    missing = is_missing(cells)
    wrong = {
        cell for cell in set(cells[~missing]) if value[cell] is None or not np.isfinite(value[cell] or 0.0)
    }
    if wrong:
        row = next(at for at, cell in enumerate(cells) if cell in wrong)
        how = "not a number" if value[cells[row]] is None else "infinite"
        raise UserError(
            f"{what}, row {row + 1}: '{cells[row][:40]}' is {how}. Write a number or leave it empty."
        )
    return np.where(missing, np.nan, np.asarray([value[cell] for cell in cells], dtype=np.float64))


def levels(cells: NDArray[np.object_], name: str) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """One 0/1 column per level of a text column, NaN in all of them where missing; one column for two levels.

    Args:
        cells: text, shape (cases,).
        name: the column's name; the new ones are called `name=level`, the first level of two.

    Returns:
        The columns, shape (cases, columns), and their names.
    """
    missing = is_missing(cells)
    text = np.where(missing, "", cells).astype(np.str_)
    found = np.unique(text[~missing])
    kept = found[:1] if len(found) == 2 else found
    columns = (text[:, None] == kept[None, :]).astype(np.float64)
    columns[missing] = np.nan
    return columns, tuple(f"{name}={level}" for level in kept)


def encode(
    columns: Mapping[str, NDArray[np.object_]], source: str
) -> tuple[NDArray[np.float64], tuple[str, ...], tuple[str, ...]]:
    """All feature columns as one array, with the names of its columns and sentences on what was done.

    Args:
        columns: text cells by column name, each of shape (cases,).
        source: the file, to name in an error.

    Returns:
        Values, shape (cases, features), float64 with NaN where missing; names; preprocessing.

    Raises:
        UserError: no columns; one is empty, holds an infinite value, mixes numbers with text, or is text with
            more than `MAX_LEVELS` different values.
    """
    if not columns:
        raise UserError(
            f"{source}: no feature columns. Add the measurements, or a column 'path' of pictures."
        )
    parts: list[NDArray[np.float64]] = []
    names: list[str] = []
    text: list[str] = []
    for name, cells in columns.items():
        what = f"{source}: column '{name}'"
        plain = _all_numbers(cells)
        made: tuple[str, ...] = (name,)
        if plain is not None:
            values = plain[:, None]
        elif _is_text(cells, what):
            values, made = levels(cells, name)
            text.append(name)
        else:
            values = numbers(cells, what)[:, None]
        parts.append(values)
        names.extend(made)
    done = (f"text columns made one 0/1 column per level: {', '.join(text)}",) if text else ()
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"{source}: two columns become '{twice}'. Rename one.")
    return np.concatenate(parts, axis=1), tuple(names), done


def _all_numbers(cells: NDArray[np.object_]) -> NDArray[np.float64] | None:
    """The whole column at once, if every cell is a finite number; None otherwise."""
    if any("_" in cell for cell in cells):
        return None
    try:
        values = cells.astype(np.float64)
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None


def _is_text(cells: NDArray[np.object_], what: str) -> bool:
    """Whether most cells that are known are no numbers."""
    known = cells[~is_missing(cells)]
    if len(known) == 0:
        raise UserError(f"{what} is empty in every row. Remove it.")
    words = {cell for cell in set(known) if number_or_none(cell) is None}
    unparsed = [cell for cell in known if cell in words]
    if 2 * len(unparsed) <= len(known):
        return False
    found = len(set(known))
    if found > MAX_LEVELS:
        raise UserError(
            f"{what} is text with {found} different values (at most {MAX_LEVELS}), such as "
            f"'{unparsed[0][:40]}'. Remove it, group its values, or write numbers with a decimal point."
        )
    return True


def number_or_none(cell: str) -> float | None:
    """The cell as a number written in digits, or inf; None for text, also where `float` would be lenient."""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None
