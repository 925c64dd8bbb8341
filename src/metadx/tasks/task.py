"""A few-shot task as tensors, and how ragged tasks become one padded batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Examples(NamedTuple):
    """Cases as a learner sees them; a leading task dimension makes it a batch.

    Args:
        x: inputs, shape (cases, ...).
        y: targets, shape (cases, outputs): one-hot for conditions, values for regression.
        mask: 1 for a real case, 0 for padding, shape (cases,).
    """

    x: Tensor
    y: Tensor
    mask: Tensor

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Examples:
        """The cases on another device, or with their floating-point tensors in another precision."""
        return Examples(*(part.to(device=device, dtype=dtype) for part in self))


class Task(NamedTuple):
    """A small diagnostic problem: few labelled `support` cases and the `query` cases to diagnose."""

    support: Examples
    query: Examples

    @property
    def ways(self) -> int:
        """Number of outputs, padded ones included."""
        return self.support.y.shape[-1]

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Task:
        """The task on another device, or with its floating-point tensors in another precision."""
        return Task(*(part.to(device, dtype) for part in self))


def make_examples(x: Tensor, labels: Tensor, ways: int) -> Examples:
    """Examples of whole-number `labels`, shape (cases,), in 0..ways-1; targets have the precision of `x`."""
    dtype = x.dtype if x.is_floating_point() else torch.float32
    return Examples(x, F.one_hot(labels.long(), ways).to(dtype), torch.ones(len(x), dtype=dtype))


def present(support: Examples) -> Tensor:
    """1 for each way that has a support case, 0 for a padded one, shape (ways,)."""
    return (support.y * support.mask.unsqueeze(-1)).sum(-2).gt(0).to(support.y.dtype)


def stack(tasks: Sequence[Task]) -> Task:
    """One batch of tasks, padded to the most cases and ways among them.

    Padded cases are zero with mask 0; padded ways have no support case.

    Raises:
        ValueError: there are no tasks.
    """
    if not tasks:
        raise ValueError("stack needs at least one task")
    ways = max(task.ways for task in tasks)
    parts = []
    for name in Task._fields:
        examples: list[Examples] = [getattr(task, name) for task in tasks]
        size = max(len(e.x) for e in examples)
        padded = [_pad(e, size, ways) for e in examples]
        parts.append(Examples(*(torch.stack(column) for column in zip(*padded, strict=True))))
    return Task(*parts)


def unstack(batch: Task) -> list[Task]:
    """The tasks of a batch, still padded."""
    return [
        Task(*(Examples(*(t[i] for t in part)) for part in batch)) for i in range(batch.support.x.shape[0])
    ]


def _pad(examples: Examples, size: int, ways: int) -> Examples:
    extra, missing = size - len(examples.x), ways - examples.y.shape[-1]
    if missing:
        examples = examples._replace(y=F.pad(examples.y, (0, missing)))
    if not extra:
        return examples
    return Examples(*(torch.cat([t, t.new_zeros((extra, *t.shape[1:]))]) for t in examples))
