"""Heads on an embedding against their papers, one way at a time, by plain inverses and softmaxes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contracts.algorithms import start
from contracts.examples import TABLE, WIDTH, all_close, close, draw_regression, draw_task, perturbed
from metadx.algorithms import (
    R2D2,
    SQUARED_ERROR,
    Algorithm,
    Engine,
    Mahalanobis,
    MatchingNet,
    solve,
)
from metadx.learners import Tensors
from metadx.tasks import Task, stack

Head = Callable[[Tensor, Tensor, Tensor, Tensors], Tensor]
"""From embeddings of the support cases, their labels, embeddings of the query cases, and parameters to outputs."""


@pytest.fixture
def network() -> nn.Module:
    layers = nn.Sequential(nn.Linear(TABLE[0], 6), nn.Tanh(), nn.Linear(6, WIDTH))
    return perturbed(layers.double())


def matching(support: Tensor, label: Tensor, query: Tensor, params: Tensors) -> Tensor:
    sharpness = params["head.log_sharpness"].exp()
    attention = torch.softmax(sharpness * F.cosine_similarity(query[:, None], support[None], dim=-1), 1)
    return torch.stack([attention[:, label == way].sum(1) for way in label.unique()], 1).log()


def nearest_by_covariance(support: Tensor, label: Tensor, query: Tensor, params: Tensors) -> Tensor:
    logits = []
    for way in label.unique():
        cases = support[label == way]
        own = torch.cov(cases.mT) if len(cases) > 1 else torch.zeros(WIDTH, WIDTH, dtype=support.dtype)
        share = len(cases) / (len(cases) + 1)
        spread = share * own + (1 - share) * torch.cov(support.mT) + torch.eye(WIDTH, dtype=support.dtype)
        apart = query - cases.mean(0)
        logits.append(-torch.einsum("nf,fg,ng->n", apart, torch.linalg.inv(spread), apart) / 2)
    return torch.stack(logits, 1)


def ridge(support: Tensor, label: Tensor, query: Tensor, params: Tensors) -> Tensor:
    y = F.one_hot(label).to(support.dtype)
    return params["head.log_scale"].exp() * ridge_values(support, y, query, params)


def ridge_values(support: Tensor, y: Tensor, query: Tensor, params: Tensors) -> Tensor:
    rows, others = (F.pad(x, (0, 1), value=1.0) for x in (support, query))
    penalty = params["head.log_penalty"].exp() * torch.eye(WIDTH + 1, dtype=support.dtype)
    weights = torch.linalg.inv(rows.mT @ rows / len(rows) + penalty) @ rows.mT @ y / len(rows)
    return others @ weights


HEADS: list[tuple[Callable[[nn.Module], Algorithm], Head]] = [
    (MatchingNet, matching),
    (Mahalanobis, nearest_by_covariance),
    (R2D2, ridge),
]


@pytest.mark.parametrize("way", ["loop", "vmap"])
@pytest.mark.parametrize("shots", [1, 2, 5])
@pytest.mark.parametrize(("kind", "head"), HEADS)
def test_a_head_gives_the_probabilities_and_the_gradient_of_its_paper(
    kind: Callable[[nn.Module], Algorithm],
    head: Head,
    shots: int,
    way: str,
    network: nn.Module,
    rng: np.random.Generator,
) -> None:
    algorithm = kind(network)
    params, state = start(algorithm)
    tasks = [draw_task(rng, TABLE, shots=shots) for _ in range(3)]
    leaves = {name: p.clone().requires_grad_() for name, p in params.items()}
    losses = []
    for task in tasks:
        support, query = (torch.func.functional_call(network, _of(network, leaves), part.x) for part in task)
        logits = head(support, task.support.y.argmax(1), query, leaves)
        found = torch.log_softmax(solve(algorithm, params, state, task), -1)
        assert close(found, torch.log_softmax(logits, -1).detach())
        losses.append(F.cross_entropy(logits, task.query.y.argmax(1)))
    torch.stack(losses).mean().backward()
    expected = {name: leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}
    assert all_close(Engine(algorithm, way).update(params, state, stack(tasks))[0], expected)


@pytest.mark.parametrize("cases", [2, 6])
def test_r2d2_predicts_values_by_ridge_regression_on_the_embedding(
    cases: int, network: nn.Module, rng: np.random.Generator
) -> None:
    algorithm = R2D2(network, SQUARED_ERROR)
    params, state = start(algorithm)
    task = draw_regression(rng, TABLE)
    task = Task(
        task.support._replace(**{n: t[:cases] for n, t in task.support._asdict().items()}), task.query
    )
    expected = ridge_values(network(task.support.x), task.support.y, network(task.query.x), params)
    assert close(solve(algorithm, params, state, task), expected.detach())


def _of(network: nn.Module, tensors: Tensors) -> Tensors:
    return {name: tensors[name] for name, _ in network.named_parameters()}
