"""Turning the names of conditions into the whole numbers that `Cases.y` holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from metadx.errors import UserError


def number_classes(labels: Sequence[str], source: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """The index of each label, shape (cases,), and the names of the classes: by number if all are numbers.

    Args:
        labels: the name of each case's condition.
        source: what to name in an error.

    Raises:
        UserError: there are fewer than two different labels.
    """
    names, index = np.unique(np.asarray(labels, dtype=np.str_), return_inverse=True)
    if len(names) < 2:
        raise UserError(
            f"{source}: every case has the label '{names[0] if len(names) else ''}'. "
            "A diagnosis needs cases of at least two conditions."
        )
    order = np.asarray(sorted(range(len(names)), key=lambda at: _sort_key(str(names[at]))))
    place = np.empty(len(names), dtype=np.int64)
    place[order] = np.arange(len(names))
    return place[index.ravel()], tuple(str(names[at]) for at in order)


def used_classes(
    label: NDArray[np.int64], names: Sequence[str], source: str
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Labels renumbered over the classes that have cases; `names` without the others.

    Raises:
        UserError: fewer than two classes have cases, or a label has no name.
    """
    if len(label) and (label.min() < 0 or label.max() >= len(names)):
        raise UserError(
            f"{source}: labels run from {label.min()} to {label.max()} but {len(names)} classes have names. "
            "Name every class, in the order of its number from 0."
        )
    used, index = np.unique(label, return_inverse=True)
    if len(used) < 2:
        raise UserError(
            f"{source}: every case has the same label. A diagnosis needs cases of at least two conditions."
        )
    return index.ravel().astype(np.int64), tuple(names[at] for at in used)


def _sort_key(name: str) -> tuple[bool, float, str]:
    try:
        return (False, float(name), name)
    except ValueError:
        return (True, 0.0, name)
