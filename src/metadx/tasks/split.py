"""Dealing conditions out to meta-train, meta-validation and meta-test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metadx.cases import Cases
from metadx.errors import UserError, nearest

Parts = Callable[[str], frozenset[str]]

_SIDES = ("train", "validation", "test")
_BLOCK = 4


def whole(name: str) -> frozenset[str]:
    """A condition that shares nothing with another."""
    return frozenset({name})


@dataclass(frozen=True)
class ConditionSplit:
    """The conditions of each side, and those on none with the reason."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    left_out: dict[str, str]


def split_conditions(
    counts: Mapping[str, int],
    seed: int,
    *,
    parts: Parts = whole,
    share: tuple[float, float, float] = (3, 1, 1),
    large: int = 25,
    least: int = 2,
) -> ConditionSplit:
    """Deals conditions out so that each side gets large and small ones, and no part is on two sides.

    Parts (such as the letters of a combined diagnosis) are dealt in blocks of similar case counts, shuffled by
    the seed, each to the side that is furthest below its share; a condition goes where all of its parts went.

    Args:
        counts: cases of each condition.
        seed: of the shuffles.
        parts: what a condition is made of; conditions with a common part never meet across sides.
        share: of train, validation and test.
        large: conditions with at least this many cases are dealt first, so that every side has some.
        least: conditions with fewer cases are left out.
    """
    enough = {name: count for name, count in counts.items() if count >= least}
    left_out = {name: f"{n} cases, fewer than {least}" for name, n in counts.items() if name not in enough}
    side = _deal(_blocks(enough, parts, large), share, seed)
    sides: dict[str, list[str]] = {name: [] for name in _SIDES}
    for name in sorted(enough, key=lambda n: (-enough[n], n)):
        found = {side[part] for part in parts(name)}
        if len(found) > 1:
            left_out[name] = f"its parts are in {' and '.join(sorted(found))}"
        else:
            sides[found.pop()].append(name)
    train, validation, test = (tuple(sides[name]) for name in _SIDES)
    return ConditionSplit(train, validation, test, left_out)


def split_by_name(
    counts: Mapping[str, int], validation: Sequence[str], test: Sequence[str], *, least: int = 2
) -> ConditionSplit:
    """Named conditions held out, all others that have enough cases for meta-train.

    Args:
        counts: cases of each condition.
        validation, test: names.
        least: conditions with fewer cases are left out, unless they are named.

    Raises:
        UserError: an unknown condition.
    """
    for name in (*validation, *test):
        if name not in counts:
            raise UserError(f"data.split: no condition '{name[:60]}'; {nearest(name, counts)}")
    free = {name: n for name, n in counts.items() if name not in (*validation, *test)}
    left_out = {name: f"{n} cases, fewer than {least}" for name, n in free.items() if n < least}
    train = tuple(name for name in free if name not in left_out)
    return ConditionSplit(train, tuple(validation), tuple(test), left_out)


def split_cases(cases: Cases, split: ConditionSplit) -> tuple[Cases, Cases, Cases]:
    """The cases of each side; a patient who is on several sides keeps only the cases on the last of them.

    Raises:
        UserError: a side has fewer than two conditions or no case left.
    """
    sides: list[Cases] = []
    later: set[str] = set()
    for name in reversed(_SIDES):
        conditions: tuple[str, ...] = getattr(split, name)
        if len(conditions) < 2:
            raise UserError(
                f"{cases.provenance.source}: {len(conditions)} conditions for meta-{name}, of "
                f"{len(cases.classes)} in all, and each of the three sides needs two. With fewer than six "
                "conditions there is nothing to meta-learn from: fit logistic regression to them instead. With "
                "more, change `data.split` (`share`, `least`) so that each side gets two."
                + "".join(f" Left out: {name} ({why})." for name, why in list(split.left_out.items())[:3])
            )
        side = cases.of_conditions(conditions)
        side = side.select(~np.isin(side.patient, sorted(later)))
        later |= set(side.patient.tolist())
        sides.append(side)
    return sides[2], sides[1], sides[0]


def _blocks(counts: Mapping[str, int], parts: Parts, large: int) -> list[list[str]]:
    """Parts in blocks of similar numbers of cases, those of large conditions first."""
    alone = {part: 0 for name in counts for part in parts(name)}
    for name, count in counts.items():
        if len(parts(name)) == 1:
            (part,) = parts(name)
            alone[part] = max(alone[part], count)
    order = sorted(alone, key=lambda part: (-alone[part], part))
    groups = ([p for p in order if alone[p] >= large], [p for p in order if alone[p] < large])
    return [group[at : at + _BLOCK] for group in groups for at in range(0, len(group), _BLOCK)]


def _deal(blocks: list[list[str]], share: tuple[float, float, float], seed: int) -> dict[str, str]:
    """The side of each part: always the one furthest below its quota, blocks shuffled by the seed."""
    rng = np.random.default_rng(seed)
    quota = _quotas(sum(map(len, blocks)), share)
    given = np.zeros(3)
    side: dict[str, str] = {}
    for block in blocks:
        for at in rng.permutation(len(block)):
            lack = quota * (given.sum() + 1) / quota.sum() - given
            chosen = max((2, 0, 1), key=lambda i: lack[i])
            given[chosen] += 1
            side[block[at]] = _SIDES[chosen]
    return side


def _quotas(total: int, share: tuple[float, float, float]) -> NDArray[np.float64]:
    """How many parts each side gets: two each first, where there are six, and then by share."""
    wanted = np.asarray(share, dtype=float) / sum(share)
    quota = np.full(3, min(2, total // 3), dtype=float)
    for _ in range(total - int(quota.sum())):
        quota[np.argmax(wanted * total - quota)] += 1
    return quota
