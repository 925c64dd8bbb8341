"""Trained algorithms averaged: each adapts by itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from metadx.algorithms import CROSS_ENTROPY, Average, BoostedTrees, Pooled, ProtoNet, Ridge, averaged
from metadx.algorithms.algorithm import Algorithm, solve
from metadx.errors import UserError
from metadx.learners import MLP, Tensors
from metadx.tasks import Task, make_examples


def task() -> Task:
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(9, 3, generator=generator) for _ in range(2)]
    return Task(*(make_examples(x, torch.arange(9) % 3, 3) for x in parts))


def members() -> list[tuple[Algorithm, Tensors, Tensors]]:
    torch.manual_seed(0)
    made: list[Algorithm] = [Pooled(MLP(3, 3, (4,)), CROSS_ENTROPY), ProtoNet(MLP(3, None, (4,)))]
    return [(one, *one.init(np.random.default_rng(0))) for one in made]


def test_answers_are_averaged_in_log_space() -> None:
    each = [torch.log_softmax(solve(*one, task()), -1) for one in members()]
    together = averaged(members())
    assert torch.allclose(solve(*together, task()), (each[0] + each[1]) / 2)
    names = [*together[1], *together[2]]
    assert {name.partition(".")[0] for name in names} == {"0", "1"}
    assert {k: v.shape for k, v in together[0].init(np.random.default_rng(0))[0].items()} == {
        k: v.shape for k, v in together[1].items()
    }


def test_an_offset_calls_a_condition_more_readily() -> None:
    plain, ready = (solve(*averaged(members(), offset), task()) for offset in ((), (0.0, 2.0, 0.0)))
    assert torch.allclose(ready - plain, torch.tensor([0.0, 2.0, 0.0]).expand_as(plain))
    pairs = averaged([averaged(members()), members()[0]])
    assert solve(*pairs, task()).shape == plain.shape


@pytest.mark.parametrize("wrong", [Ridge(), BoostedTrees()])
def test_members_must_be_classifiers_of_tensors(wrong: Algorithm) -> None:
    with pytest.raises(UserError, match=f"Average: {type(wrong).__name__} is no inductive classifier"):
        Average((wrong,))
