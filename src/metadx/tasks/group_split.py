"""Dealing whole groups, such as genes or hospitals, out to meta-train, meta-validation and meta-test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadx.cases import Cases
from metadx.errors import UserError, nearest


@dataclass(frozen=True)
class GroupSplit:
    """The groups of each side, and those on none with the reason."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    left_out: dict[str, str]


def split_groups(
    cases: Cases,
    group: NDArray[np.str_],
    seed: int = 0,
    *,
    share: tuple[float, float, float] = (3, 1, 1),
    least: int = 1,
    validation: Sequence[str] = (),
    test: Sequence[str] = (),
) -> GroupSplit:
    """Deals whole groups out, at random in proportion to `share`; named ones go where they are named for.

    Args:
        cases: the cases.
        group: the group of each, shape (cases,); "" for none.
        seed: of the shuffle.
        share: of train, validation and test; that of a side whose groups are named plays no part.
        least: groups with fewer cases of two classes each, or of values in all, are left out.
        validation, test: groups that are to be on that side, and then no others are.

    Raises:
        UserError: an unknown group, one named twice, or a side without any.
    """
    names = np.unique(group[group != ""]).tolist()
    what = cases.provenance.source
    for name in (*validation, *test):
        if name not in names:
            raise UserError(f"{what}: no group '{name[:60]}'; {nearest(name, names)}")
    twice = next((name for name in validation if name in test), None)
    if twice is not None:
        raise UserError(f"{what}: '{twice}' is named for validation and for test; a group is on one side")
    few = {name: _most(cases, group == name, least) for name in names}
    left_out = {name: why for name, why in few.items() if why and name not in (*validation, *test)}
    free = [name for name in names if name not in (*left_out, *validation, *test)]
    order = [free[i] for i in np.random.default_rng(seed).permutation(len(free))]
    shares = np.array([share[0], 0 if validation else share[1], 0 if test else share[2]], dtype=float)
    open_sides = int((shares > 0).sum())
    if len(order) < open_sides:
        raise UserError(
            f"{what}: {len(order)} groups for {open_sides} sides. Each side needs one, and to learn from others "
            "there should be several in meta-training. Lower data.split.least, or name `validation` and `test`."
        )
    sizes = _sizes(len(order), shares)
    ends = np.cumsum(sizes)[:2]
    train, more_validation, more_test = (order[a:b] for a, b in zip((0, *ends), (*ends, None), strict=True))
    return GroupSplit(
        tuple(sorted(train)),
        tuple(validation) or tuple(sorted(more_validation)),
        tuple(test) or tuple(sorted(more_test)),
        left_out,
    )


def split_by_group(
    cases: Cases, group: NDArray[np.str_], split: GroupSplit
) -> list[tuple[Cases, NDArray[np.str_]]]:
    """The cases of each side with their groups; who is on several sides keeps only the cases on the last of them.

    Raises:
        UserError: a side has no case left.
    """
    sides: list[tuple[Cases, NDArray[np.str_]]] = []
    later: set[str] = set()
    for side in ("test", "validation", "train"):
        mine = np.isin(group, getattr(split, side)) & ~np.isin(cases.patient, sorted(later))
        if not mine.any():
            raise UserError(f"{cases.provenance.source}: no patient is on the {side} side alone")
        part = cases.select(mine)
        later |= set(part.patient.tolist())
        sides.append((part, group[mine]))
    return sides[::-1]


def _most(cases: Cases, mine: NDArray[np.bool_], least: int) -> str:
    """Why a group has too few cases; empty if it has enough."""
    if cases.regression:
        n = int(mine.sum())
        return "" if n >= least else f"{n} cases, fewer than {least}"
    counts = np.bincount(cases.y[mine], minlength=len(cases.classes))
    n = int(np.sort(counts)[-2])
    return "" if n >= least else f"{n} cases of its second class, fewer than {least}"


def _sizes(number: int, shares: NDArray[Any]) -> NDArray[np.int64]:
    """How many groups each side gets: one first where it has a share, then by share."""
    sizes = (shares > 0).astype(np.int64)
    wanted = shares / shares.sum() * number
    for _ in range(number - int(sizes.sum())):
        sizes[np.argmax(np.where(shares > 0, wanted - sizes, -np.inf))] += 1
    return sizes
