"""Batches as they are drawn: pictures in bytes, changes yet to be made, for the device that learns from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from metadx.tasks.augment import Changes, Numbers
from metadx.tasks.case_inputs import as_inputs
from metadx.tasks.numbered import with_inputs
from metadx.tasks.source import CaseSource
from metadx.tasks.task import Examples, Task, stack


class Pending(NamedTuple):
    """Changes of the pictures of a batch that are drawn and yet to be made.

    Args:
        changes: what to do.
        numbers: how, for each case in order, padding included.
        padded: whether there is padding, which stays as it is.
    """

    changes: Changes
    numbers: tuple[Tensor, ...]
    padded: bool


class DrawnExamples(NamedTuple):
    """Cases of a batch as they were drawn.

    Args:
        examples: the cases.
        pending: changes yet to be made.
        kept: whether `x` is what sources keep, pixels perhaps, and not inputs yet.
    """

    examples: Examples
    pending: Pending | None
    kept: bool

    def on(self, device: torch.device | str) -> Examples:
        """The cases finished there."""
        x, y, mask = (tensor.to(device, non_blocking=True) for tensor in self.examples)
        x = as_inputs(x) if self.kept else x
        if self.pending is not None:
            numbers = [one.to(device, non_blocking=True) for one in self.pending.numbers]
            changed = self.pending.changes.apply(x.flatten(0, mask.dim() - 1), numbers).view_as(x)
            x = _without_padding(changed, mask) if self.pending.padded else changed
        return Examples(x, y, mask)

    def pinned(self) -> DrawnExamples:
        """The cases in memory that a GPU can copy from by itself."""
        pending = self.pending
        if pending is not None:
            pending = pending._replace(numbers=tuple(one.pin_memory() for one in pending.numbers))
        return DrawnExamples(Examples(*(tensor.pin_memory() for tensor in self.examples)), pending, self.kept)


class Batch(NamedTuple):
    """A batch as it was drawn, which is brought to a device and finished there; it holds nothing random any more.

    Args:
        parts: support and query of tasks, or pooled cases.
    """

    parts: tuple[DrawnExamples, ...]

    def on(self, device: torch.device | str) -> Any:
        """What it becomes there: a `Task` with tasks first, or `Examples` of pooled cases."""
        finished = [part.on(device) for part in self.parts]
        return Task(*finished) if len(finished) == len(Task._fields) else finished[0]

    def pinned(self) -> Batch:
        """The batch in memory that a GPU can copy from by itself."""
        return Batch(tuple(part.pinned() for part in self.parts))


def pending(changes: Changes | None, drawn: Sequence[tuple[Numbers, ...]], mask: Tensor) -> Pending | None:
    """Changes of a batch, of which each task drew its own numbers.

    Args:
        changes: what to do; None for nothing.
        drawn: the numbers of each task's cases, in order.
        mask: 1 for a case, 0 for padding; of all tasks.
    """
    if changes is None:
        return None
    real = mask.flatten().numpy() > 0
    numbers = []
    for one in zip(*drawn, strict=True):
        known = np.concatenate(one)
        every = np.zeros((len(real), *known.shape[1:]), known.dtype)
        every[real] = known
        numbers.append(torch.from_numpy(every))
    return Pending(changes, tuple(numbers), not real.all())


def gathered(tasks: Sequence[Task], sources: Sequence[CaseSource | None]) -> Task:
    """Tasks of case numbers stacked, with what their sources keep of those cases; where not all of them have case
    numbers, with inputs.

    Args:
        tasks: with case numbers in the place of inputs where they have a source.
        sources: of each task; None where it has its inputs.
    """
    known = [source for source in sources if source is not None]
    if len(known) < len(sources):
        pairs = zip(tasks, sources, strict=True)
        return stack([task if source is None else with_inputs(task, source.inputs) for task, source in pairs])
    batch = stack(tasks)
    return Task(*(part._replace(x=_kept(part, known)) for part in batch))


def _kept(part: Examples, sources: Sequence[CaseSource]) -> Tensor:
    """What the sources keep of the cases whose numbers are in the place of inputs, shape (tasks, cases, ...)."""
    number = part.x.numpy()
    of_source: dict[CaseSource, list[int]] = {}
    for task, source in enumerate(sources):
        of_source.setdefault(source, []).append(task)
    parts = [source.kept(number[tasks].ravel()) for source, tasks in of_source.items()]
    x = joined(parts).view(*number.shape, *parts[0].shape[1:])
    if len(parts) > 1:
        x = x[torch.from_numpy(np.argsort(np.concatenate(list(of_source.values()))))]
    return _without_padding(x, part.mask) if (part.mask == 0).any() else x


def joined(parts: Sequence[Tensor]) -> Tensor:
    """What several sources keep, one after the other; inputs, where not all keep the same."""
    if len(parts) == 1:
        return parts[0]
    alike = len({part.dtype for part in parts}) == 1
    return torch.cat([part if alike else as_inputs(part) for part in parts])


def _without_padding(x: Tensor, mask: Tensor) -> Tensor:
    shown = mask.view(*mask.shape, *[1] * (x.dim() - mask.dim())) > 0
    return torch.where(shown, x, x.new_zeros(()))
