"""What every task source does: draw an episode as plain data, and turn an episode into a task."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from metadx.tasks.task import Task

Size = int | tuple[int, int]


class Shape(BaseModel):
    """How large an episode is; a pair is a range to draw from, both ends included.

    Args:
        ways: number of conditions.
        shots: labelled support cases per condition.
        query: query cases per condition, at most.
        imbalance: 0 gives every condition `shots` support cases; above it, each condition's share is drawn
            from a Dirichlet distribution of concentration 1 / imbalance, at least one case each.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    ways: Size = 5
    shots: Size = 1
    query: Size = 15
    imbalance: float = 0.0

    def model_post_init(self, _: Any) -> None:
        for name, least in (("ways", 2), ("shots", 1), ("query", 1)):
            low, high = bounds(getattr(self, name))
            if low < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")
            if high < low:
                raise ValueError(f"{name} must run from the least to the most, not {getattr(self, name)}")
        if not 0 <= self.imbalance < float("inf"):
            raise ValueError(f"imbalance must be 0 or more, not {self.imbalance}")


def bounds(size: Size) -> tuple[int, int]:
    """The least and the most of a fixed size or a range."""
    return (size, size) if isinstance(size, int) else size


def draw_size(rng: np.random.Generator, size: Size, most: int | None = None) -> int:
    """A whole number within `size`, the range capped at `most`, all equally likely."""
    low, high = bounds(size)
    high = high if most is None else min(high, most)
    return high if low >= high else int(rng.integers(low, high + 1))


def draw_shots(rng: np.random.Generator, shots: Size) -> int:
    """A number of shots within `shots`; from a range, each doubling is equally likely."""
    low, high = bounds(shots)
    return min(high, int(np.exp(rng.uniform(np.log(low), np.log(high + 1)))))


class Episode(BaseModel):
    """What identifies one task of a source: plain data that saves to JSON and replays exactly."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TaskSource(Protocol):
    """Draws episodes along one axis: conditions, patients, sites, functions."""

    @property
    def name(self) -> str: ...

    @property
    def classification(self) -> bool:
        """Whether targets are conditions rather than values."""

    def patients(self) -> frozenset[str]:
        """Ids of all patients that tasks may hold; empty where there are none."""

    def conditions(self) -> frozenset[str]:
        """Names of all conditions that tasks are about; empty where conditions are not the axis."""

    def draw(self, rng: np.random.Generator, shape: Shape) -> Episode:
        """Draws an episode of the given shape.

        Raises:
            UserError: the source cannot fill the shape; says what is possible.
        """

    def task(self, episode: Any) -> Task:
        """The task an episode stands for; the same episode always gives the same task."""


@runtime_checkable
class CaseSource(TaskSource, Protocol):
    """A source whose tasks are made of cases that have numbers, so that what tasks share can be seen."""

    def numbered(self, episode: Any) -> Task:
        """The task with case numbers in the place of inputs, shape (cases,)."""

    def inputs(self, index: NDArray[np.int64]) -> Tensor:
        """Transformed observations of the cases at `index`, float32."""

    def kept(self, index: NDArray[np.int64]) -> Tensor:
        """What `metadx.tasks.as_inputs` makes those inputs of: pixels, uint8, or the inputs themselves; a copy."""
