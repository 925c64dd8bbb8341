"""What to lower, and to what, where the memory does not suffice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from metadx.algorithms import Algorithm, Way
from metadx.errors import UserError
from metadx.training.settings import TrainingSettings

_WORDS = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")


class OutOfMemory(UserError, MemoryError):
    """The memory of the device does not suffice; the message says which setting to lower, and to what."""


@contextmanager
def enough_memory(algorithm: Algorithm, settings: TrainingSettings, way: Way) -> Iterator[None]:
    """Says of a training that ran out of memory how it fits.

    Raises:
        OutOfMemory: it ran out.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
            raise
        asked = " ".join(str(error).split()).partition(". ")[0][:160]
        raise OutOfMemory(
            f"the memory does not suffice ({asked}). {advice(algorithm, settings, way)}"
        ) from error


def ran_out(error: BaseException) -> bool:
    """Whether it says that memory could not be had: PyTorch has an error of its own for GPUs only."""
    said = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(words in said for words in _WORDS)


def advice(algorithm: Algorithm, settings: TrainingSettings, way: Way) -> str:
    """What to lower first, and what next."""
    half = max(settings.meta_batch // 2, 1)
    batch = f"training.meta_batch from {settings.meta_batch} to {half}"
    if algorithm.consumes == "cases":
        return f"Lower {batch}."
    if way != "loop":
        return (
            f"Set training.engine to loop, which holds one task at a time and not {settings.meta_batch}; "
            f"or lower {batch}, which halves what a step takes."
        )
    steps = getattr(algorithm, "inner_steps", 0)
    fewer = f", algorithm.inner_steps from {steps} to {steps // 2}" if steps > 1 else ""
    first = ", or set algorithm.first_order to true" if not getattr(algorithm, "first_order", True) else ""
    if not getattr(algorithm, "recompute", True) and steps > 1:
        return (
            f"Set algorithm.recompute to true: then one of {steps} inner steps is in memory at a time, which takes "
            "longer."
        )
    return (
        "One task at a time is already all that it holds: halve tasks.query or tasks.shots, lower tasks.ways"
        f"{fewer}{_in_parts(algorithm)}{first}."
    )


def _in_parts(algorithm: Algorithm) -> str:
    """What to do about large support sets, where they may go through the network in parts."""
    most = getattr(algorithm, "inner_microbatch", 1)
    if most == 1 or algorithm.net.batch_statistics:  # type: ignore[attr-defined]
        return ""
    fewer = "half the cases of a support set" if most is None else str(most // 2)
    return f", or set algorithm.inner_microbatch to {fewer}"
