"""What a few labelled cases say of themselves: adapt to some of them, diagnose the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metadx.evaluation import Predictor
from metadx.tasks import Examples, Task, make_examples

_FOLDS = 5


class Marks(NamedTuple):
    """How diagnoses of labelled cases came out, by condition.

    Args:
        right: cases diagnosed right, shape (ways,).
        total: cases diagnosed, shape (ways,).
        belief: sum of the probabilities that were given to the true condition, shape (ways,).
    """

    right: NDArray[np.float64]
    total: NDArray[np.float64]
    belief: NDArray[np.float64]

    @property
    def recall(self) -> NDArray[np.float64]:
        """Share of each condition's cases diagnosed right; NaN where none was diagnosed."""
        with np.errstate(invalid="ignore"):
            return self.right / self.total

    @property
    def accuracy(self) -> float:
        """Share diagnosed right, were all conditions equally common; NaN where nothing was diagnosed."""
        return float(np.nanmean(self.recall)) if self.total.any() else float("nan")


def mark(predictor: Predictor, tasks: Sequence[Task]) -> list[Marks]:
    """How a predictor does on the query cases of each task."""
    return [
        _mark(np.asarray(output, dtype=float), task)
        for output, task in zip(predictor(tasks), tasks, strict=True)
    ]


def leave_out(x: Tensor, label: NDArray[np.int64], patient: NDArray[np.str_], ways: int) -> list[Task]:
    """Tasks in which every case is diagnosed once, from cases of other patients.

    The patients of each condition are dealt into at most five folds. A case stays in the support set where its
    condition would be left without one, and is then not diagnosed.

    Args:
        x: inputs, shape (cases, ...).
        label: in 0..ways-1, shape (cases,).
        patient: whose case it is, shape (cases,).
    """
    fold = _deal(label, patient)
    tasks = []
    for out in range(int(fold.max()) + 1):
        asked = fold == out
        kept = np.bincount(label[~asked], minlength=ways) > 0
        asked &= kept[label]
        if asked.any():
            tasks.append(Task(_examples(x, label, ~asked, ways), _examples(x, label, asked, ways)))
    return tasks


def pooled(marks: Sequence[Marks], ways: int) -> Marks:
    """The marks of several tasks of the same conditions, added up."""
    if not marks:
        return Marks(*(np.zeros(ways) for _ in Marks._fields))
    return Marks(*(np.sum(column, axis=0) for column in zip(*marks, strict=True)))


def pooled_by(sizes: Sequence[int], marks: Sequence[Marks], ways: int) -> Iterator[Marks]:
    """The same for consecutive groups of so many tasks each."""
    ends = np.cumsum(sizes)
    for size, end in zip(sizes, ends, strict=True):
        yield pooled(marks[end - size : end], ways)


def _deal(label: NDArray[np.int64], patient: NDArray[np.str_]) -> NDArray[np.int64]:
    """A fold for every case, the same for all cases of a patient."""
    given: dict[str, int] = {}
    dealt: dict[int, int] = {}
    for condition, person in zip(label.tolist(), patient.tolist(), strict=True):
        if person not in given:
            given[person] = dealt.get(condition, 0) % _FOLDS
            dealt[condition] = dealt.get(condition, 0) + 1
    return np.array([given[person] for person in patient.tolist()])


def _examples(x: Tensor, label: NDArray[np.int64], at: NDArray[np.bool_], ways: int) -> Examples:
    return make_examples(x[torch.from_numpy(at)], torch.from_numpy(label[at]), ways)


def _mark(output: NDArray[np.float64], task: Task) -> Marks:
    label = task.query.y.argmax(-1).numpy()
    output = np.where(np.isfinite(output).all(1, keepdims=True), output, 1 / task.ways)
    belief = output[np.arange(len(label)), label]
    right = (output.argmax(1) == label).astype(float)
    ones = np.ones(len(label))
    return Marks(*(np.bincount(label, v, task.ways).astype(float) for v in (right, ones, belief)))
