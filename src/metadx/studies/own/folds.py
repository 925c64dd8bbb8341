"""Dealing patients out to folds: nobody, and no copy of anybody, is on both sides."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metadx.cases import Audit, Cases

_COPIES = ("duplicate", "near-duplicate")


def linked_patients(cases: Cases, audit: Audit | None = None) -> NDArray[np.int64]:
    """A number for whose each case is, shape (cases,); people whom the audit
    takes for one share it; equal rows that chance allows are no sign of that.

    Args:
        cases: the cases.
        audit: of these very cases.
    """
    _, person = np.unique(cases.patient, return_inverse=True)
    head = np.arange(person.max() + 1)

    def root(at: int) -> int:
        while head[at] != at:
            at = int(head[at])
        return at

    for leak in audit.leaks if audit else ():
        if leak.kind == "two ids" or (leak.kind in _COPIES and leak.severity == "serious"):
            people = [root(int(person[case])) for case in leak.cases]
            for one in people:
                head[one] = min(people)
    _, number = np.unique([root(int(p)) for p in person.ravel()], return_inverse=True)
    return np.asarray(number.ravel(), dtype=np.int64)


def deal_folds(
    y: NDArray[np.int64], person: NDArray[np.int64], folds: int, seed: int | list[int]
) -> NDArray[np.int64]:
    """The fold of each case, shape (cases,): whole patients, the conditions in equal shares as far as that goes.

    Args:
        y: conditions, shape (cases,).
        person: whose each case is, shape (cases,).
        folds: how many.
        seed: of the shuffle.
    """
    rng = np.random.default_rng(seed)
    people = np.unique(person)
    counts = np.zeros((len(people), int(y.max()) + 1))
    np.add.at(counts, (np.searchsorted(people, person), y), 1)
    usual = counts.argmax(1)
    fold = np.zeros(len(people), dtype=np.int64)
    start = 0
    for label in np.argsort(np.bincount(usual, minlength=counts.shape[1]), kind="stable"):
        mine = rng.permutation(np.flatnonzero(usual == label))
        mine = mine[np.argsort(-counts[mine].sum(1), kind="stable")]
        fold[mine] = (start + np.arange(len(mine))) % folds
        start += len(mine)
    return fold[np.searchsorted(people, person)]


def people_of_each(y: NDArray[np.int64], person: NDArray[np.int64], conditions: int) -> NDArray[np.int64]:
    """How many people have a case of each condition, shape (conditions,)."""
    return np.asarray([len(np.unique(person[y == label])) for label in range(conditions)])
