"""Mahalanobis distances in embeddings wider than the support set."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from contracts.examples import close, draw_task
from contracts.test_head_references import nearest_by_covariance
from metadx.algorithms import Mahalanobis, solve
from metadx.tasks import Task, stack, unstack


@pytest.mark.parametrize("width", [11, 12, 13, 60])
def test_wide_embeddings_are_solved_in_the_cases_with_the_same_outcome(
    width: int, rng: np.random.Generator
) -> None:
    algorithm = Mahalanobis(nn.Identity(), identity=0.5)
    task = draw_task(rng, (width,))
    assert len(task.support.x) == 6
    given = task.support.x, task.support.y.argmax(1), task.query.x
    reference = torch.log_softmax(nearest_by_covariance(*given, {}, identity=0.5), -1)
    assert close(torch.log_softmax(solve(algorithm, {}, {}, task), -1), reference)
    in_batch: Task = unstack(stack([task, draw_task(rng, (width,), ways=4, shots=3)]))[0]
    padded = torch.log_softmax(solve(algorithm, {}, {}, in_batch), -1)[: len(reference), :3]
    assert close(padded, reference)


def test_a_wide_embedding_costs_what_its_cases_do(rng: np.random.Generator) -> None:
    algorithm = Mahalanobis(nn.Identity())
    adapted = algorithm.adapt({}, {}, draw_task(rng, (5000,)).support)
    assert adapted.head["factor"].shape == (3, 12, 12)
