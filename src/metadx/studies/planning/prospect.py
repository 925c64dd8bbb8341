"""Replays beside the user's own cases: what to expect of each condition, and of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metadx.studies.planning.evidence import Marks
from metadx.studies.planning.extrapolation import Foreseen, Known, Range, above_chance, foresee, share_of
from metadx.studies.planning.history import Replay

Array = NDArray[np.float64]


class Prospect(NamedTuple):
    """What is known of a support set beforehand.

    Args:
        evidence: what its cases say of themselves.
        trained: whether the run was trained on each condition, shape (ways,).
    """

    evidence: Marks
    trained: NDArray[np.bool_]

    @property
    def ways(self) -> int:
        """How many conditions there are."""
        return len(self.trained)


def recalls_of(prospect: Prospect, replays: Sequence[Replay]) -> list[Foreseen]:
    """The share of each condition's cases diagnosed right."""
    total = float(np.mean([r.course[0].total.mean() for r in replays]))
    known = Known(
        np.array([_of_way(_before(r), way) for r in replays for way in range(len(r.trained))]),
        np.array([row for r in replays for row in zip(*map(_by_way, r.course), strict=True)]),
        [name for r in replays for name in r.conditions],
    )

    def share(z: Array) -> Array:
        return share_of(z, total, prospect.ways)

    return [foresee(known, _of_way(prospect, way), share) for way in range(prospect.ways)]


def accuracy_of(recalls: Sequence[Foreseen]) -> Foreseen:
    """The share of cases diagnosed right, were all conditions equally common: the mean of their recalls.

    So are the ends of its interval, as if all conditions erred together.
    """
    shares, gains = np.mean([[f.shares, f.gains] for f in recalls], axis=0)
    return Foreseen(*(tuple(Range(*map(float, row)) for row in rows) for rows in (shares, gains)))


def _before(replay: Replay) -> Prospect:
    return Prospect(replay.evidence, replay.trained)


def _of_task(prospect: Prospect) -> Array:
    """Features of a task: how far its evidence is above chance."""
    total = prospect.evidence.total
    asked = total > 0
    if not asked.any():
        return np.zeros(2)
    belief = float((prospect.evidence.belief[asked] / total[asked]).mean())
    shares = np.array([prospect.evidence.accuracy, belief])
    return above_chance(shares, total.sum(), prospect.ways)


def _of_way(prospect: Prospect, way: int) -> Array:
    """Features of one condition: its own evidence, its task's, and whether the run was trained on it."""
    total = prospect.evidence.total[way]
    own = np.array([prospect.evidence.right[way], prospect.evidence.belief[way]]) / max(total, 1)
    near = above_chance(own, total, prospect.ways)
    return np.array([*near, *_of_task(prospect), float(prospect.trained[way])])


def _by_way(marks: Marks) -> Array:
    return above_chance(marks.recall, marks.total, len(marks.total))
