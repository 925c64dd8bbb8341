"""N-way K-shot tasks: each condition is a way, and no patient is in both support and query."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metadx.cases import Cases, Transform, fit_transform
from metadx.errors import UserError
from metadx.tasks.source import Episode, Shape, bounds, draw_size
from metadx.tasks.task import Task, make_examples

_PRECOMPUTE_BYTES = 1 << 30
_ATTEMPTS = 50


class ConditionEpisode(Episode):
    """Case numbers of the support and query set, one row per condition in the order of the labels."""

    conditions: tuple[str, ...]
    support: tuple[tuple[int, ...], ...]
    query: tuple[tuple[int, ...], ...]


class _Condition(NamedTuple):
    """The cases of one condition: the patients' codes, and the case numbers of each of them."""

    patients: NDArray[np.int64]
    cases: list[NDArray[np.int64]]
    total: int


class ConditionSource:
    """Tasks that tell conditions apart.

    Args:
        cases: the cases to draw from; the patients of support and query are always different people.
        transform: maps observations to inputs, fitted on meta-training cases; by default fitted on `cases`.
        name: what reports call the source.
    """

    classification = True

    def __init__(self, cases: Cases, transform: Transform | None = None, name: str = "conditions") -> None:
        if len(cases.classes) < 2:
            raise UserError(
                f"{cases.provenance.source}: tasks need at least two conditions; found {list(cases.classes)}"
            )
        self.name = name
        self.cases = cases
        self.transform = fit_transform(cases) if transform is None else transform
        _, patient = np.unique(cases.patient, return_inverse=True)
        self._conditions = [
            _group(np.flatnonzero(cases.y == label), patient) for label in range(len(cases.classes))
        ]
        size = len(cases) * int(np.prod(self.transform.shape)) * 4
        self._inputs = torch.from_numpy(self.transform(cases.x)) if size <= _PRECOMPUTE_BYTES else None

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one case as the learner sees it."""
        return self.transform.shape

    def inputs(self, index: NDArray[np.int64]) -> Tensor:
        """Transformed observations of the cases at `index`, float32."""
        if self._inputs is not None:
            return self._inputs[torch.from_numpy(index)]
        return torch.from_numpy(self.transform(self.cases.x[index]))

    def eligible(self, shots: int) -> list[int]:
        """Labels of conditions that can give `shots` support cases and a query case of another patient."""
        return [
            label
            for label, c in enumerate(self._conditions)
            if len(c.patients) > 1 and c.total - min(map(len, c.cases)) >= shots
        ]

    def draw(self, rng: np.random.Generator, shape: Shape) -> ConditionEpisode:
        least_shots, _ = bounds(shape.shots)
        eligible = self.eligible(least_shots)
        least_ways, _ = bounds(shape.ways)
        if len(eligible) < least_ways:
            raise UserError(self._shortfall(shape))
        for _ in range(_ATTEMPTS):
            ways = draw_size(rng, shape.ways, len(eligible))
            labels = rng.choice(eligible, ways, replace=False)
            most = min(c.total - min(map(len, c.cases)) for c in (self._conditions[i] for i in labels))
            shots = _shares(rng, ways, draw_size(rng, shape.shots, most), shape.imbalance)
            query = draw_size(rng, shape.query)
            drawn = self._fill(rng, labels, np.minimum(shots, most), query)
            if drawn is not None:
                names = tuple(self.cases.classes[label] for label in labels)
                return ConditionEpisode(conditions=names, support=drawn[0], query=drawn[1])
        raise UserError(self._shortfall(shape))

    def task(self, episode: ConditionEpisode) -> Task:
        parts = []
        for rows in (episode.support, episode.query):
            index, labels = _round_robin(rows)
            parts.append(make_examples(self.inputs(index), torch.from_numpy(labels), len(rows)))
        return Task(*parts)

    def _fill(
        self, rng: np.random.Generator, labels: NDArray[np.int64], shots: NDArray[np.int64], query: int
    ) -> tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]] | None:
        """Support and query rows, or None where this order of patients leaves a condition short."""
        in_support: set[int] = set()
        in_query: set[int] = set()
        support, queries = [], []
        for label, k in zip(labels, shots, strict=True):
            condition = self._conditions[label]
            order = rng.permutation(len(condition.patients))
            row = _take(rng, condition, order[:-1], int(k), in_query, in_support)
            if len(row) < k:
                return None
            support.append(row)
            row = _take(rng, condition, order, query, in_support, in_query)
            if not row:
                return None
            queries.append(row)
        return tuple(support), tuple(queries)

    def _shortfall(self, shape: Shape) -> str:
        shots, ways = bounds(shape.shots)[0], bounds(shape.ways)[0]
        counts = sorted((c.total for c in self._conditions), reverse=True)
        most_shots = max((k for k in range(1, counts[0]) if len(self.eligible(k)) >= ways), default=0)
        possible = [f"{len(self.eligible(shots))} ways at {shots} shots"] if self.eligible(shots) else []
        possible += [f"{most_shots} shots at {ways} ways"] if most_shots else []
        return (
            f"{self.name}: cannot draw {ways} ways x {shots} shots, with a query case of another patient in "
            f"each, from {len(counts)} conditions with {counts} cases. "
            f"Possible: {' or '.join(possible) or 'nothing'}."
        )


def _group(index: NDArray[np.int64], patient: NDArray[np.int64]) -> _Condition:
    order = index[np.argsort(patient[index], kind="stable")]
    codes, starts = np.unique(patient[order], return_index=True)
    return _Condition(codes, np.split(order, starts[1:]), len(index))


def _round_robin(rows: tuple[tuple[int, ...], ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Case numbers and labels, taking one case of each condition in turn, so that any stretch is balanced."""
    lengths = [len(row) for row in rows]
    labels = np.repeat(np.arange(len(rows)), lengths)
    turn = np.concatenate([np.arange(length) for length in lengths])
    order = np.lexsort((labels, turn))
    return np.concatenate([np.asarray(row, dtype=np.int64) for row in rows])[order], labels[order]


def _shares(rng: np.random.Generator, ways: int, shots: int, imbalance: float) -> NDArray[np.int64]:
    """Support cases of each way: `shots` each, or `ways * shots` shared out unequally, at least one each."""
    if imbalance == 0:
        return np.full(ways, shots)
    share = rng.dirichlet(np.full(ways, 1.0 / imbalance))
    return 1 + np.asarray(rng.multinomial(ways * (shots - 1), share), dtype=np.int64)


def _take(
    rng: np.random.Generator,
    condition: _Condition,
    order: NDArray[np.int64],
    wanted: int,
    barred: set[int],
    taken: set[int],
) -> tuple[int, ...]:
    """Up to `wanted` cases, of patients in `order` who are not `barred`; those patients become `taken`."""
    row: list[int] = []
    for at in order:
        patient = int(condition.patients[at])
        if patient in barred:
            continue
        taken.add(patient)
        row += rng.permutation(condition.cases[at]).tolist()
        if len(row) >= wanted:
            break
    return tuple(row[:wanted])
