"""One split of task sources, iterated as batches; and the three splits that share nobody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from metadx.errors import UserError
from metadx.tasks.augment import Augment, Augments
from metadx.tasks.source import Episode, Shape, TaskSource, bounds, draw_shots
from metadx.tasks.task import Task, stack

Split = Literal["train", "validation", "test"]


class MetaDataset:
    """One split of task sources: draws tasks, and iterates over batches of them.

    Subclass it and override `sources` to bring your own tasks, or give the sources. Iterating yields dicts
    with `data`, `labels`, `query_data`, `query_labels` and the two masks, tasks first; labels are whole numbers
    for conditions, values for regression. Every pass over the training
    split draws new tasks, the same ones for the same seed; the other splits give the same tasks at every pass.

    Args:
        split: "train", "validation" or "test".
        sources: where tasks come from.
        shape: how large an episode is.
        batch_size: tasks per batch when iterated.
        batches: batches per pass when iterated.
        seed: of the passes.
        weights: how often each source is drawn from, relative to the others; equally by default.
        augment: changes the inputs of what is drawn for training (`sample` and pooled cases), every case by
            itself; an `Augments` changes support and query sets each in its way. `tasks` and `episodes`, which
            evaluation draws from, stay as they are.
    """

    def __init__(
        self,
        split: Split,
        sources: Sequence[TaskSource] = (),
        shape: Shape | None = None,
        *,
        batch_size: int = 4,
        batches: int = 100,
        seed: int = 0,
        weights: Sequence[float] | None = None,
        augment: Augment | Augments | None = None,
    ) -> None:
        if split not in ("train", "validation", "test"):
            raise UserError(f"unknown split {split!r}; use 'train', 'validation' or 'test'")
        self.split: Split = split
        self.shape = shape or Shape()
        self.batch_size = batch_size
        self.batches = batches
        self.seed = seed
        self.augment = Augments(augment, augment) if callable(augment) else augment
        self._passes = 0
        self._given = list(sources)
        self._weights = None if weights is None else np.asarray(weights, dtype=float) / sum(weights)

    def sources(self) -> Sequence[TaskSource]:
        """The task sources of this split."""
        return self._given

    @property
    def weights(self) -> NDArray[np.float64] | None:
        """How often each source is drawn from, as shares of 1; None where equally."""
        return self._weights

    def draw(self, rng: np.random.Generator, shape: Shape | None = None) -> tuple[TaskSource, Episode]:
        """An episode, and the source that turns it into a task."""
        sources = self.sources()
        if not sources:
            raise UserError(f"the {self.split} split has no task source: give `sources` or override them")
        source = sources[rng.choice(len(sources), p=self._weights)]
        return source, source.draw(rng, shape or self.shape)

    def sample(self, rng: np.random.Generator, tasks: int, shape: Shape | None = None) -> Task:
        """A batch of freshly drawn tasks.

        A range of shots is drawn from once for the whole batch, so that little is padded; a source that cannot
        give as many gives as many as it can.
        """
        return stack([task for _, _, task in self._drawn(rng, tasks, shape or self.shape)])

    def names(self, rng: np.random.Generator, tasks: int, shape: Shape | None = None) -> list[str]:
        """What `sample` draws from the same generator, in words."""
        return [
            _in_words(source, episode) for source, episode, _ in self._drawn(rng, tasks, shape or self.shape)
        ]

    def _drawn(
        self, rng: np.random.Generator, tasks: int, shape: Shape
    ) -> Iterator[tuple[TaskSource, Episode, Task]]:
        low, _ = bounds(shape.shots)
        shots = draw_shots(rng, shape.shots)
        fixed = shape.model_copy(update={"shots": shots})
        fewer = shape.model_copy(update={"shots": (low, shots)})
        for _ in range(tasks):
            try:
                source, episode = self.draw(rng, fixed)
            except UserError:
                source, episode = self.draw(rng, fewer)
            yield source, episode, self._augmented(source.task(episode), rng)

    def _augmented(self, task: Task, rng: np.random.Generator) -> Task:
        return task if self.augment is None else self.augment.changed(task, rng)

    def augmented_cases(self, x: Tensor, rng: np.random.Generator) -> Tensor:
        """Inputs of pooled cases, changed as those of a support set are."""
        change = None if self.augment is None else self.augment.support
        return x if change is None else change(x, rng)

    def episodes(
        self, number: int, shape: Shape | None = None, seed: int = 0
    ) -> list[tuple[TaskSource, Episode]]:
        """The same episodes every time, each with its source."""
        rng = np.random.default_rng(seed)
        return [self.draw(rng, shape) for _ in range(number)]

    def tasks(self, number: int, shape: Shape | None = None, seed: int = 0) -> list[Task]:
        """The same tasks every time, unpadded."""
        return [source.task(episode) for source, episode in self.episodes(number, shape, seed)]

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        passes = self._passes if self.split == "train" else 0
        self._passes += 1
        rng = np.random.default_rng([self.seed, passes])
        for _ in range(self.batches):
            yield as_dict(self.sample(rng, self.batch_size), self.sources()[0].classification)


def _in_words(source: TaskSource, episode: Episode) -> str:
    """What a task is about: the conditions, the patient, the group or the function."""
    about = [
        f"{name} {', '.join(value) if isinstance(value, tuple) else value}"
        for name, value in episode
        if name not in ("support", "query")
    ]
    return f"{source.name} ({'; '.join(about)})"


def as_dict(batch: Task, classification: bool = True) -> dict[str, Tensor]:
    """A batch under the names a hand-written training loop uses; conditions become whole numbers."""
    support, query = batch
    return {
        "data": support.x,
        "labels": support.y.argmax(-1) if classification else support.y,
        "mask": support.mask,
        "query_data": query.x,
        "query_labels": query.y.argmax(-1) if classification else query.y,
        "query_mask": query.mask,
    }


@dataclass(frozen=True)
class MetaSplits:
    """Meta-train, meta-validation and meta-test: no patient in two of them, and no condition where conditions
    are the axis.

    Raises:
        UserError: two splits share a patient or a condition; names some of them.
    """

    train: MetaDataset
    validation: MetaDataset
    test: MetaDataset
    description: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parts = (self.train, self.validation, self.test)
        for i, a in enumerate(parts):
            for b in parts[i + 1 :]:
                for what, shared in (
                    ("patient", _patients(a) & _patients(b)),
                    ("condition", _names(a) & _names(b)),
                ):
                    if shared:
                        raise UserError(
                            f"{len(shared)} {what}s are in both {a.split} and {b.split}, such as "
                            f"{sorted(shared)[:3]}. Split by {what} before making tasks."
                        )


def _patients(dataset: MetaDataset) -> frozenset[str]:
    return frozenset().union(*(source.patients() for source in dataset.sources()))


def _names(dataset: MetaDataset) -> frozenset[str]:
    return frozenset().union(*(source.conditions() for source in dataset.sources()))
