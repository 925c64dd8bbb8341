"""One split of task sources, iterated as batches; and the three splits that share nobody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metadx.errors import UserError
from metadx.tasks.augment import Augment, Augments, Changes, Numbers
from metadx.tasks.batch import Batch, DrawnExamples, Pending, gathered, pending
from metadx.tasks.case_inputs import as_inputs
from metadx.tasks.source import CaseSource, Episode, Shape, TaskSource, bounds, draw_shots
from metadx.tasks.task import Task

Split = Literal["train", "validation", "test"]


class _Drawn(NamedTuple):
    """A task as it was drawn.

    Args:
        source, episode: what it was drawn from.
        task: with case numbers in the place of inputs, or with inputs.
        numbered_by: whose case numbers.
        numbers: how its support and query cases are to be changed.
    """

    source: TaskSource
    episode: Episode
    task: Task
    numbered_by: CaseSource | None
    numbers: tuple[tuple[Numbers, ...], tuple[Numbers, ...]] = ((), ())


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
        sure = len(sources) == 1 and self._weights is None
        source = sources[0] if sure else sources[rng.choice(len(sources), p=self._weights)]
        return source, source.draw(rng, shape or self.shape)

    def sample(self, rng: np.random.Generator, tasks: int, shape: Shape | None = None) -> Task:
        """A batch of freshly drawn tasks.

        A range of shots is drawn from once for the whole batch, so that little is padded; a source that cannot
        give as many gives as many as it can.
        """
        batch: Task = self.draw_batch(rng, tasks, shape).on("cpu")
        return batch

    def draw_batch(self, rng: np.random.Generator, tasks: int, shape: Shape | None = None) -> Batch:
        """What `sample` gives, to be finished on the device that learns from it."""
        drawn = list(self._drawn(rng, tasks, shape or self.shape))
        batch = gathered([one.task for one in drawn], [one.numbered_by for one in drawn])
        numbers = zip(*(one.numbers for one in drawn), strict=True)
        parts = zip(batch, self._changes() or (None, None), numbers, strict=True)
        kept = all(one.numbered_by is not None for one in drawn)
        return Batch(
            tuple(DrawnExamples(part, pending(change, how, part.mask), kept) for part, change, how in parts)
        )

    def names(self, rng: np.random.Generator, tasks: int, shape: Shape | None = None) -> list[str]:
        """What `sample` draws from the same generator, in words."""
        return [_in_words(one.source, one.episode) for one in self._drawn(rng, tasks, shape or self.shape)]

    def _drawn(self, rng: np.random.Generator, tasks: int, shape: Shape) -> Iterator[_Drawn]:
        low, _ = bounds(shape.shots)
        shots = draw_shots(rng, shape.shots)
        fixed = shape.model_copy(update={"shots": shots})
        fewer = shape.model_copy(update={"shots": (low, shots)})
        numbering: dict[int, CaseSource | None] = {}
        for _ in range(tasks):
            try:
                source, episode = self.draw(rng, fixed)
            except UserError:
                source, episode = self.draw(rng, fewer)
            if id(source) not in numbering:
                numbering[id(source)] = source if isinstance(source, CaseSource) else None
            yield self._begun(source, episode, numbering[id(source)], rng)

    def _begun(
        self, source: TaskSource, episode: Episode, numbered_by: CaseSource | None, rng: np.random.Generator
    ) -> _Drawn:
        """A task whose changes are drawn; those of somebody's own making are made at once."""
        changes = self._changes()
        if changes is None and self.augment is not None:
            return _Drawn(source, episode, self.augment.changed(source.task(episode), rng), None)
        task = source.task(episode) if numbered_by is None else numbered_by.numbered(episode)
        how = [
            () if change is None else change.draw(rng, int((part.mask > 0).sum()))
            for change, part in zip(changes or (None, None), task, strict=True)
        ]
        return _Drawn(source, episode, task, numbered_by, (how[0], how[1]))

    def _changes(self) -> tuple[Changes | None, Changes | None] | None:
        """The changes whose chance can be drawn apart; None where there is another kind, or nothing to change."""
        if self.augment is None:
            return None
        support, query = self.augment
        apart = all(one is None or isinstance(one, Changes) for one in (support, query))
        return cast(tuple[Changes | None, Changes | None], (support, query)) if apart else None

    def draw_changes(self, x: Tensor, rng: np.random.Generator) -> tuple[Tensor, Pending | None]:
        """What pooled cases keep and how it is changed, as those of a support set are: later, or now where the
        change is of somebody's own making."""
        change = None if self.augment is None else self.augment.support
        if change is None or isinstance(change, Changes):
            ones = torch.ones(len(x))
            return x, pending(change, [change.draw(rng, len(x))] if change else [], ones)
        return change(as_inputs(x), rng), None

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
