"""Numbers as people write them in cells, with a bound or a unit; one in a unit of its own is not known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metadx.cases.columns import is_missing, number_or_none
from metadx.cases.own.choice import Choice
from metadx.cases.own.roles import plain_name

_BOUND = re.compile(r"^[<>≤≥=~]{1,2}\s*([-+]?[0-9.,eE+-]+)$")
_UNIT = re.compile(r"^([-+]?[0-9]+(?:\.[0-9]+)?)\s*([a-zA-Zµμ%/][a-zA-Zµμ%/0-9^*. ]*)$")


class Numerals(NamedTuple):
    """Cells of numbers, "" where none is sure.

    Args:
        cells: text, shape (cases,).
        read: how many were written with a bound, or with the unit of the column, and read.
        foreign: how many were in a unit that the column's name does not say.
        unread: how many are no numbers.
    """

    cells: NDArray[np.object_]
    read: int
    foreign: int
    unread: int


def numerals(name: str, cells: NDArray[np.object_]) -> Numerals:
    """The numbers that cells of a column hold.

    A unit counts only where the name of the column says it, as `glucose [mmol/L]` does: what has no unit may be in
    another.
    """
    out, read, foreign, unread = cells.copy(), 0, 0, 0
    for at in np.flatnonzero(~is_missing(cells)):
        word = str(cells[at])
        value = number_or_none(word)
        if value is not None and np.isfinite(value):
            continue
        bound, unit = _BOUND.match(word), _UNIT.match(word)
        inner = bound[1] if bound else unit[1] if unit else ""
        value = number_or_none(inner)
        out[at] = ""
        if value is None or not np.isfinite(value):
            unread += 1
        elif unit and not _says(name, unit[2]):
            foreign += 1
        else:
            out[at], read = inner, read + 1
    return Numerals(out, read, foreign, unread)


def about_numerals(columns: Mapping[str, Numerals]) -> list[Choice]:
    """A sentence on every kind of cell that is no plain number, with the columns and how many each has."""
    said = (
        ("read", "Values such as '< 0.01', or with the unit of the column, were read as their number in"),
        (
            "foreign",
            "Cells such as '7 mmol/L', with a unit that the column's name does not say, were taken for not known: "
            "the others may be in another unit. So it is in",
        ),
        ("unread", "Cells that are no numbers were taken for not known in"),
    )
    choices = []
    for kind, sentence in said:
        counts = {name: count for name, found in columns.items() if (count := getattr(found, kind))}
        if counts:
            choices.append(Choice("Read", f"{sentence} {_counted(counts)}."))
    return choices


def _says(name: str, unit: str) -> bool:
    """Whether the name of a column says a unit, as "glucose [mmol/L]" and "dose_mg" do."""
    plain = plain_name(unit)
    return f"_{plain}_" in f"_{plain_name(name)}_" if plain else unit in name


def _counted(counts: Mapping[str, int]) -> str:
    shown = ", ".join(f"'{name[:40]}' ({number:,})" for name, number in list(counts.items())[:4])
    return shown + (f" and {len(counts) - 4} more columns" if len(counts) > 4 else "")
