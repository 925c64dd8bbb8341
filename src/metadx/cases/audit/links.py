"""Pairs of cases that are more alike than chance explains, and the groups that they form."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True)
class Link:
    """Two cases that are alike.

    Args:
        cases: their numbers.
        exact: whether they are equal in every value.
        rare: whether it is rarer than what chance may pass.
        words: how they are alike, to follow "they".
        expected: how many pairs so alike chance would give in all of the data.
    """

    cases: tuple[int, int]
    exact: bool
    rare: bool
    words: str
    expected: float = 0.0


def quiet(what: str, done: int, total: int) -> None:
    """Reports nothing."""


def same(x: NDArray[Any]) -> NDArray[np.int64]:
    """For each case the first one that equals it in every value, missing ones included, shape (cases,)."""
    rows = np.ascontiguousarray(x).reshape(len(x), -1)
    if rows.dtype.kind == "f":
        rows = np.where(np.isnan(rows), np.nan, rows) + 0.0  # one NaN, and no -0
    found: dict[bytes, int] = {}
    return np.asarray([found.setdefault(row.tobytes(), at) for at, row in enumerate(rows)], dtype=np.int64)


def groups(links: Iterable[Link]) -> list[tuple[list[int], list[Link]]]:
    """The cases that links join, directly or through others, with the links among them."""
    above: dict[int, int] = {}

    def top(at: int) -> int:
        while above.setdefault(at, at) != at:
            above[at] = above[above[at]]
            at = above[at]
        return at

    kept = list(links)
    for link in kept:
        first, second = sorted(map(top, link.cases))
        above[second] = first
    found: dict[int, tuple[list[int], list[Link]]] = {}
    for at in sorted(above):
        found.setdefault(top(at), ([], []))[0].append(at)
    for link in kept:
        found[top(link.cases[0])][1].append(link)
    return list(found.values())
