"""Out of memory says which setting to lower, and to what."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from metadx.algorithms import MAML, FineTune, ProtoNet
from metadx.errors import UserError
from metadx.training import OutOfMemory, TrainingSettings, train
from metadx.training.memory import advice, ran_out
from training.making import network

MAMLS = MAML(network(), 0.1, 4)
SETTINGS = TrainingSettings(meta_batch=32)


@pytest.mark.parametrize(
    ("algorithm", "way", "said"),
    [
        (MAMLS, "vmap", "Set training.engine to loop, which holds one task at a time and not 32; or lower "
         "training.meta_batch from 32 to 16, which halves what a step takes."),
        (MAMLS, "loop", "Set algorithm.recompute to true: then one of 4 inner steps is in memory at a time, which "
         "takes longer."),
        (replace(MAMLS, recompute=True), "loop", "One task at a time is already all that it holds: halve "
         "tasks.query or tasks.shots, lower tasks.ways, algorithm.inner_steps from 4 to 2, or set "
         "algorithm.inner_microbatch to half the cases of a support set, or set algorithm.first_order to true."),
        (ProtoNet(network(None)), "loop", "One task at a time is already all that it holds: halve tasks.query or "
         "tasks.shots, lower tasks.ways."),
        (FineTune(network(None), width=8, classes=6), "loop", "Lower training.meta_batch from 32 to 16."),
    ],
)  # fmt: skip
def test_what_to_lower(algorithm: Any, way: Any, said: str) -> None:
    assert advice(algorithm, SETTINGS, way) == said


def test_a_training_that_ran_out_says_so() -> None:
    def feed(rng: Any, size: int) -> Any:
        return torch.empty(1 << 60)  # more than any machine has

    with pytest.raises(OutOfMemory) as error:
        train(MAMLS, feed, [], TrainingSettings(meta_batch=6, engine="vmap"))
    assert str(error.value).startswith("the memory does not suffice (")
    assert "training.meta_batch from 6 to 3" in str(error.value)
    assert isinstance(error.value, UserError)


@pytest.mark.parametrize(
    ("error", "out"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), True),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory"),
            True,
        ),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes."), True),
        (MemoryError(), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
    ],
)
def test_what_is_out_of_memory(error: Exception, out: bool) -> None:
    assert ran_out(error) == out


def test_other_errors_stay_what_they_are() -> None:
    def feed(rng: Any, size: int) -> Any:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        train(MAMLS, feed, [], TrainingSettings(iterations=1))
