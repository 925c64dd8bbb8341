"""Patients whose cases lie in two of the splits that the source declares."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from metadx.cases.audit.leak import Leak, declared, find, some
from metadx.cases.cases import Cases
from metadx.cases.folders import SPLIT_NAMES


def declared_splits(cases: Cases) -> NDArray[np.str_] | None:
    """The split that each case's name begins with, such as `train/`, shape (cases,); None if any has none."""
    if cases.name is None:
        return None
    first = np.asarray([name.partition("/")[0].lower() for name in cases.name.tolist()])
    return first if np.isin(first, SPLIT_NAMES).all() and len(np.unique(first)) > 1 else None


def parted(cases: Cases) -> Iterator[Leak]:
    """The patients that the source's own splits part, if it has splits and patient ids."""
    split = declared_splits(cases)
    if split is None or not declared(cases):
        return
    patient, whose = np.unique(cases.patient, return_inverse=True)
    _, where = np.unique(split, return_inverse=True)
    held = np.zeros((len(patient), int(where.max()) + 1), dtype=bool)
    held[whose.ravel(), where.ravel()] = True
    shared = held.sum(axis=1) > 1
    if not shared.any():
        return
    yield find(
        "split",
        "serious",
        cases,
        np.flatnonzero(shared[whose.ravel()]).tolist(),
        f"{int(shared.sum()):,} of {len(patient):,} patients have cases in more than one of the source's splits "
        f"({', '.join(np.unique(split).tolist())}): {some(patient[shared].tolist())}.",
        "Do not measure on these splits; metadx merges them and makes its own, of which no two share a patient.",
    )
