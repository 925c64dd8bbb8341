"""Heads on an embedding against their papers, one way at a time, by plain inverses and softmaxes."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contracts.algorithms import CLASSES, start
from contracts.examples import TABLE, WIDTH, all_close, close, draw_regression, draw_task, perturbed, pooled
from metadx.algorithms import (
    R2D2,
    SQUARED_ERROR,
    Algorithm,
    BaselinePlusPlus,
    Engine,
    Mahalanobis,
    MatchingNet,
    ProtoMAML,
    ProtoNet,
    TransductiveFineTune,
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


def nearest_by_covariance(
    support: Tensor, label: Tensor, query: Tensor, params: Tensors, identity: float = 1.0
) -> Tensor:
    logits, unit = [], torch.eye(support.shape[1], dtype=support.dtype)
    for way in label.unique():
        cases = support[label == way]
        own = torch.cov(cases.mT) if len(cases) > 1 else torch.zeros_like(unit)
        share = len(cases) / (len(cases) + 1)
        spread = share * own + (1 - share) * torch.cov(support.mT) + identity * unit
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


@pytest.mark.parametrize("way", ["loop", "vmap"])
@pytest.mark.parametrize("first_order", [False, True])
def test_proto_maml_descends_from_the_prototypes_and_learns_through_them(
    first_order: bool, way: str, network: nn.Module, rng: np.random.Generator
) -> None:
    algorithm = ProtoMAML(network, inner_lr=0.05, inner_steps=2, first_order=first_order)
    params, state = start(algorithm)
    tasks = [draw_task(rng, TABLE) for _ in range(3)]
    leaves = {name: p.clone().requires_grad_() for name, p in params.items()}
    for task in tasks:
        label = task.support.y.argmax(1)
        support = torch.func.functional_call(network, leaves, task.support.x)
        centre = torch.stack([support[label == way].mean(0) for way in range(task.ways)])
        fast = {
            name: leaf.clone() for name, leaf in leaves.items()
        }  # on which the first head does not depend
        fast |= {"w": 2 * centre, "b": -centre.square().sum(1)}
        for _ in range(2):
            loss = F.cross_entropy(linear(network, fast, task.support.x), label)
            slopes = torch.autograd.grad(
                loss, list(fast.values()), create_graph=not first_order, retain_graph=True
            )
            fast = {name: t - 0.05 * slope for (name, t), slope in zip(fast.items(), slopes, strict=True)}
        (F.cross_entropy(linear(network, fast, task.query.x), task.query.y.argmax(1)) / 3).backward()
    expected = {name: leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}
    assert all_close(Engine(algorithm, way).update(params, state, stack(tasks))[0], expected)


def linear(network: nn.Module, tensors: Tensors, x: Tensor) -> Tensor:
    return torch.func.functional_call(network, _of(network, tensors), x) @ tensors["w"].mT + tensors["b"]


def test_proto_maml_without_a_step_is_a_prototypical_network(
    network: nn.Module, rng: np.random.Generator
) -> None:
    params, state = start(ProtoNet(network))
    task = draw_task(rng, TABLE)
    here, there = (
        torch.softmax(solve(algorithm, params, state, task), -1)
        for algorithm in (ProtoMAML(network, inner_steps=0), ProtoNet(network))
    )
    assert close(here, there)


def test_baseline_plus_plus_is_adam_on_directions(network: nn.Module, rng: np.random.Generator) -> None:
    algorithm = BaselinePlusPlus(network, WIDTH, CLASSES, scale=7.0, lr=0.05, steps=9)
    params, state = start(algorithm)
    task = draw_task(rng, TABLE)
    support, query = (F.normalize(network(part.x).detach(), dim=1) for part in task)
    label = task.support.y.argmax(1)
    weight = nn.Parameter(torch.stack([support[label == way].mean(0) for way in range(task.ways)]))
    optimiser = torch.optim.Adam([weight], 0.05)
    for _ in range(9):
        optimiser.zero_grad()
        F.cross_entropy(7 * support @ F.normalize(weight, dim=1).mT, label).backward()
        optimiser.step()
    expected = 7 * F.cosine_similarity(query[:, None], weight[None], dim=-1)
    assert close(solve(algorithm, params, state, task), expected.detach(), 1e-8)


def test_baseline_plus_plus_is_pretrained_through_cosines(
    network: nn.Module, rng: np.random.Generator
) -> None:
    algorithm = BaselinePlusPlus(network, WIDTH, CLASSES, scale=7.0)
    params, state = start(algorithm)
    cases = pooled(draw_task(rng, TABLE), CLASSES)
    leaves = {name: p.clone().requires_grad_() for name, p in params.items()}
    embedding = torch.func.functional_call(network, _of(network, leaves), cases.x)
    logits = 7 * F.cosine_similarity(embedding[:, None], leaves["classifier.weight"][None], dim=-1)
    real = cases.mask > 0
    F.cross_entropy(logits[real], cases.y[real].argmax(1)).backward()
    assert all_close(algorithm.update(params, state, cases)[0], {n: t.grad for n, t in leaves.items()})


@pytest.mark.parametrize("entropy", [0.0, 1.0])
def test_transductive_fine_tuning_is_adam_on_cross_entropy_and_the_query_cases_entropy(
    entropy: float, network: nn.Module, rng: np.random.Generator
) -> None:
    algorithm = TransductiveFineTune(network, WIDTH, CLASSES, lr=0.01, steps=6, entropy=entropy)
    params, state = start(algorithm)
    task = draw_task(rng, TABLE)
    label = task.support.y.argmax(1)
    model = nn.Sequential(copy.deepcopy(network), nn.Linear(WIDTH, task.ways).double())
    unit = F.normalize(network(task.support.x), dim=1)
    with torch.no_grad():
        model[1].weight.copy_(
            F.normalize(torch.stack([unit[label == way].mean(0) for way in range(task.ways)]), dim=1)
        )
        model[1].bias.zero_()
    optimiser = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(6):
        optimiser.zero_grad()
        doubt = torch.distributions.Categorical(logits=model(task.query.x)).entropy().mean()
        (F.cross_entropy(model(task.support.x), label) + entropy * doubt).backward()
        optimiser.step()
    assert close(solve(algorithm, params, state, task), model(task.query.x).detach(), 1e-8)


def _of(network: nn.Module, tensors: Tensors) -> Tensors:
    return {name: tensors[name] for name, _ in network.named_parameters()}
