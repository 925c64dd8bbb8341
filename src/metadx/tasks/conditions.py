"""N-way K-shot tasks: each condition is a way, and no patient is in both support and query."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metadx.cases import Cases, Transform, fit_transform
from metadx.errors import UserError
from metadx.tasks.case_inputs import CaseInputs
from metadx.tasks.numbered import with_inputs
from metadx.tasks.source import Episode, Shape, bounds, draw_size
from metadx.tasks.task import Examples, Task

_ATTEMPTS = 100
_TRIALS = 5


class ConditionEpisode(Episode):
    """Case numbers of the support and query set, one row per condition in the order of the labels."""

    conditions: tuple[str, ...]
    support: tuple[tuple[int, ...], ...]
    query: tuple[tuple[int, ...], ...]


class _Condition(NamedTuple):
    """The cases of one condition: the patients' codes, the case numbers of each and of all, how many each patient
    has, and the most support cases that leave a patient for the query set."""

    patients: list[int]
    cases: list[NDArray[np.int64]]
    rows: NDArray[np.int64]
    sizes: dict[int, int]
    most: int


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
        names, patient = np.unique(cases.patient, return_inverse=True)
        self._patients = len(names)
        self._conditions = [
            _group(np.flatnonzero(cases.y == label), patient) for label in range(len(cases.classes))
        ]
        self._most = np.array([condition.most for condition in self._conditions])
        self._inputs = CaseInputs(cases, self.transform)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one case as the learner sees it."""
        return self.transform.shape

    def inputs(self, index: NDArray[np.int64]) -> Tensor:
        """Transformed observations of the cases at `index`, float32."""
        return self._inputs(index)

    def kept(self, index: NDArray[np.int64]) -> Tensor:
        """What `metadx.tasks.as_inputs` makes inputs of: pixels, uint8, or the inputs themselves."""
        return self._inputs.kept(index)

    def patients(self) -> frozenset[str]:
        return frozenset(self.cases.patient.tolist())

    def conditions(self) -> frozenset[str]:
        return frozenset(self.cases.classes)

    def eligible(self, shots: int) -> list[int]:
        """Labels of conditions that can give `shots` support cases and a query case of another patient."""
        able: list[int] = self._able(shots).tolist()
        return able

    def draw(self, rng: np.random.Generator, shape: Shape) -> ConditionEpisode:
        episode = self._attempt(rng, shape, _ATTEMPTS)
        if episode is None:
            raise UserError(self._shortfall(shape))
        return episode

    def task(self, episode: ConditionEpisode) -> Task:
        return with_inputs(self.numbered(episode), self.inputs)

    def numbered(self, episode: ConditionEpisode) -> Task:
        """The task with case numbers in the place of inputs, shape (cases,)."""
        return Task(*map(_numbered, (episode.support, episode.query)))

    def _able(self, shots: int) -> NDArray[np.int64]:
        return np.flatnonzero(self._most >= shots)

    def _attempt(self, rng: np.random.Generator, shape: Shape, attempts: int) -> ConditionEpisode | None:
        """An episode, or None where none was found in so many attempts."""
        eligible = self._able(bounds(shape.shots)[0])
        if len(eligible) < bounds(shape.ways)[0]:
            return None
        for _ in range(attempts):
            ways = draw_size(rng, shape.ways, len(eligible))
            labels = rng.choice(eligible, ways, replace=False)
            most = int(self._most[labels].min())
            shots = _shares(rng, ways, draw_size(rng, shape.shots, most), shape.imbalance)
            query = draw_size(rng, shape.query)
            drawn = self._fill(rng, labels, np.minimum(shots, most), query)
            if drawn is not None:
                names = tuple(self.cases.classes[label] for label in labels)
                return ConditionEpisode(conditions=names, support=drawn[0], query=drawn[1])
        return None

    def _fill(
        self, rng: np.random.Generator, labels: NDArray[np.int64], shots: NDArray[np.int64], query: int
    ) -> tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]] | None:
        """Support and query rows, or None where patients of several conditions leave one of them short."""
        if self._patients == len(self.cases):
            return _fill_alone(rng, [self._conditions[label].rows for label in labels], shots, query)
        in_support: set[int] = set()
        in_query: set[int] = set()
        support, queries = [], []
        for label, k in zip(labels.tolist(), shots.tolist(), strict=True):
            condition = self._conditions[label]
            order: list[int] = rng.permutation(len(condition.patients)).tolist()
            spare = _spare(condition, order, k, in_support, in_query)
            if spare is None:
                return None
            others = (at for at in order if at != spare)
            support.append(_take(rng, condition, others, k, in_query, in_support))
            queries.append(_take(rng, condition, order, query, in_support, in_query))
        return tuple(support), tuple(queries)

    def _shortfall(self, shape: Shape) -> str:
        """What was asked, and what was drawn when tried."""
        shots, ways = bounds(shape.shots)[0], bounds(shape.ways)[0]
        most = sorted((c.most for c in self._conditions), reverse=True)

        def works(ways: int, shots: int) -> bool:
            smaller = shape.model_copy(update={"ways": ways, "shots": shots})
            return self._attempt(np.random.default_rng(0), smaller, _TRIALS) is not None

        fewer_ways = _most(len(self.eligible(shots)), lambda n: works(n, shots))
        fewer_shots = _most(most[ways - 1] if ways <= len(most) else 0, lambda k: works(ways, k))
        possible = [f"{fewer_ways} ways at {shots} shots"] if fewer_ways > 1 else []
        possible += [f"{fewer_shots} shots at {ways} ways"] if fewer_shots else []
        counts = sorted((len(c.rows) for c in self._conditions), reverse=True)
        return (
            f"{self.name}: cannot draw {ways} ways x {shots} shots, with a query case of another patient in "
            f"each, from {len(counts)} conditions with {counts} cases. "
            f"Possible: {' or '.join(possible) or 'nothing'}."
        )


def _group(index: NDArray[np.int64], patient: NDArray[np.int64]) -> _Condition:
    order = index[np.argsort(patient[index], kind="stable")]
    codes, starts = np.unique(patient[order], return_index=True)
    cases = np.split(order, starts[1:])
    sizes = {patient: len(own) for patient, own in zip(codes.tolist(), cases, strict=True)}
    return _Condition(codes.tolist(), cases, order, sizes, len(index) - min(sizes.values()))


def _most(limit: int, works: Callable[[int], bool]) -> int:
    """The largest number up to `limit` that works, by bisection; 0 if none does."""
    return bisect_left(range(1, limit + 1), True, key=lambda n: not works(n))


def _numbered(rows: tuple[tuple[int, ...], ...]) -> Examples:
    """Case numbers and labels, taking one case of each condition in turn, so that any stretch is balanced."""
    lengths = tuple(map(len, rows))
    order, y = _round_robin(lengths)
    number = torch.from_numpy(np.array([case for row in rows for case in row], dtype=np.int64))[order]
    return Examples(number, y.clone(), y.new_ones(len(y)))


@lru_cache(maxsize=256)
def _round_robin(lengths: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The order in which rows of these lengths, one after the other, are taken in turn; and whose each case is."""
    label = np.repeat(np.arange(len(lengths)), lengths)
    turn = np.concatenate([np.arange(length) for length in lengths])
    order = np.lexsort((label, turn))
    return torch.from_numpy(order), torch.from_numpy(np.eye(len(lengths), dtype=np.float32)[label[order]])


def _shares(rng: np.random.Generator, ways: int, shots: int, imbalance: float) -> NDArray[np.int64]:
    """Support cases of each way: `shots` each, or `ways * shots` shared out unequally, at least one each."""
    if imbalance == 0:
        return np.full(ways, shots)
    share = rng.dirichlet(np.full(ways, 1.0 / imbalance))
    return 1 + np.asarray(rng.multinomial(ways * (shots - 1), share), dtype=np.int64)


def _fill_alone(
    rng: np.random.Generator, conditions: Sequence[NDArray[np.int64]], shots: NDArray[np.int64], query: int
) -> tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]:
    """What `_fill` draws from the same generator where every case is of another patient."""
    drawn = [
        (rows[rng.permutation(len(rows))[: k + query]].tolist(), k)
        for rows, k in zip(conditions, shots.tolist(), strict=True)
    ]
    return tuple(tuple(rows[:k]) for rows, k in drawn), tuple(tuple(rows[k:]) for rows, k in drawn)


def _spare(
    condition: _Condition, order: Sequence[int], shots: int, in_support: set[int], in_query: set[int]
) -> int | None:
    """The place of the last patient in `order` who can be kept for the query set, leaving enough for support."""
    usable = len(condition.rows) - sum(condition.sizes.get(patient, 0) for patient in in_query)
    for at in reversed(order):
        patient = condition.patients[at]
        own = 0 if patient in in_query else condition.sizes[patient]
        if patient not in in_support and usable - own >= shots:
            return at
    return None


def _take(
    rng: np.random.Generator,
    condition: _Condition,
    order: Iterable[int],
    wanted: int,
    barred: set[int],
    taken: set[int],
) -> tuple[int, ...]:
    """Up to `wanted` cases, of patients in `order` who are not `barred`; those patients become `taken`."""
    row: list[int] = []
    for at in order:
        patient = condition.patients[at]
        if patient in barred:
            continue
        taken.add(patient)
        own = condition.cases[at]
        row += (rng.permutation(own) if len(own) > 1 else own).tolist()
        if len(row) >= wanted:
            break
    return tuple(row[:wanted])
