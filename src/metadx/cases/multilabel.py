"""Cases with several labels each, made into tasks that tell conditions apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metadx.errors import UserError, nearest

EXACTLY_ONE = "exactly one"
"""The word that keeps the cases with just one label, which is then their condition."""


class Chosen(NamedTuple):
    """Cases of a table of labels that make a task.

    Args:
        kept: their numbers, ascending, shape (kept,).
        y: their conditions, shape (kept,).
        classes: the names of the conditions.
        done: sentences on what was chosen and left out.
    """

    kept: NDArray[np.int64]
    y: NDArray[np.int64]
    classes: tuple[str, ...]
    done: tuple[str, ...]


def one_of_many(table: NDArray[np.int64], names: Sequence[str], label: str | None, source: str) -> Chosen:
    """One label against its absence, or the cases that have exactly one label.

    Args:
        table: 1 where a case has a label, else 0, shape (cases, labels).
        names: the name of each label.
        label: one of them, whose absence becomes the condition "no <label>"; or `EXACTLY_ONE`.
        source: what to name in an error.

    Raises:
        UserError: none chosen, an unknown one, values other than 0 and 1, names that do not fit the table, or one
            condition only.
    """
    if len(names) != table.shape[1]:
        raise UserError(
            f"{source}: {table.shape[1]} labels per case, but {len(names)} names. Name each in its order."
        )
    if label is None:
        raise UserError(
            f"{source}: multi-label, {table.shape[1]} per case ({', '.join(names[:20])}). Choose one with label=, "
            f"or label='{EXACTLY_ONE}' for the cases that have just one."
        )
    if not np.isin(table, (0, 1)).all():
        raise UserError(f"{source}: several labels per case must be 0 or 1 each. Get the file again.")
    if label == EXACTLY_ONE:
        kept = np.flatnonzero(table.sum(1) == 1)
        number = table[kept].argmax(1)
        used = np.unique(number)
        y, classes = np.searchsorted(used, number), tuple(names[at] for at in used)
        left = len(table) - len(kept)
        done = (f"{left} of {len(table)} cases with no label or several were left out",)
    else:
        if label not in names:
            raise UserError(f"{source}: no label '{label[:60]}'; {nearest(label, names)}.")
        kept, y = np.arange(len(table)), table[:, list(names).index(label)]
        classes = (f"no {label}", label)
        done = (f"one of {table.shape[1]} labels: {label} against its absence, whatever else a case has",)
    if len(np.unique(y)) < 2:
        raise UserError(f"{source}: label='{label[:60]}' leaves one condition only. Choose another label.")
    return Chosen(kept.astype(np.int64), y.astype(np.int64), classes, done)
