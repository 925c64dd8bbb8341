"""How much of an inner loop is in memory at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from metadx.algorithms.checks import at_least
from metadx.errors import UserError
from metadx.learners import Functional
from metadx.tasks import Examples


@dataclass(frozen=True, eq=False, kw_only=True)
class MemorySettings:
    """Settings of every algorithm that is differentiated through gradient steps on the support set. They bound
    memory and change no result.

    Args:
        recompute: compute the inner steps again in the outer backward pass: memory hardly grows with their number,
            and it takes longer.
        inner_microbatch: support cases that go through the network at once in an inner step, whose gradients are
            added up; all by default. Where the outer loop differentiates through the steps, memory is saved with
            `recompute` only.
    """

    recompute: bool = False
    inner_microbatch: int | None = None


KEEP_ALL = MemorySettings()
"""All support cases at once, and all steps kept."""


def check_microbatch(owner: object, most: int | None, net: Functional) -> None:
    """Raises UserError unless the gradients of parts of a support set add up to the gradient of the whole."""
    at_least(1, owner, "inner_microbatch")
    if most is not None and net.batch_statistics:
        raise UserError(
            f"{type(owner).__name__}: inner_microbatch is {most}, but the network has batch norms, whose "
            "statistics over a part of the support set are not those over all of it. Take a norm of another kind, "
            "such as learner.norm: group, or layer in an MLP; or leave inner_microbatch out."
        )


def saves_memory(algorithm: object) -> bool:
    """Whether its settings ask for less memory at the price of time."""
    parts = getattr(algorithm, "inner_microbatch", None)
    return parts is not None or bool(getattr(algorithm, "recompute", False))


def in_parts(cases: Examples, most: int | None) -> list[Examples]:
    """The cases in order, at most so many at a time; all at once where that is None."""
    if most is None or most >= len(cases.x):
        return [cases]
    columns = (torch.split(column, most) for column in cases)
    return [Examples(*part) for part in zip(*columns, strict=True)]
