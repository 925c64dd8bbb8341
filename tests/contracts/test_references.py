"""The algorithms against their papers, written out by hand with autograd and torch.optim on plain modules."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression as SklearnLogisticRegression
from torch import Tensor, nn
from torch.func import functional_call

from contracts.algorithms import CLASSES
from contracts.examples import TABLE, WAYS, WIDTH, all_close, close, draw_regression, draw_task, perturbed
from metadx.algorithms import (
    ANIL,
    BOIL,
    MAML,
    SQUARED_ERROR,
    Engine,
    FineTune,
    LogisticRegression,
    MetaSGD,
    NearestCentroid,
    ProtoNet,
    Reptile,
    Scratch,
    as_predictor,
    solve,
)
from metadx.learners import Tensors
from metadx.tasks import Task, stack

LR = 0.3
LossOf = Callable[[Tensor, Tensor], Tensor]


def classify(output: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(output[:, : y.shape[1]], y.argmax(1))


@pytest.fixture
def network() -> nn.Sequential:
    layers = nn.Sequential(
        nn.Linear(TABLE[0], 6), nn.Tanh(), nn.Linear(6, WIDTH), nn.Tanh(), nn.Linear(WIDTH, WAYS)
    )
    module = perturbed(layers.double())
    assert isinstance(module, nn.Sequential)
    return module


@pytest.fixture
def tasks(rng: np.random.Generator) -> list[Task]:
    return [draw_task(rng, TABLE) for _ in range(3)]


def descend(
    network: nn.Module,
    task: Task,
    steps: int,
    loss_of: LossOf,
    adapting: str | tuple[str, ...] = "",
    rates: Tensors | None = None,
) -> Tensors:
    """The network's weights after gradient descent on the support set, attached to the weights it started at."""
    weights = dict(network.named_parameters())
    for _ in range(steps):
        loss = loss_of(functional_call(network, weights, (task.support.x,)), task.support.y)
        names = [name for name in weights if name.startswith(adapting)]
        gradients = torch.autograd.grad(loss, [weights[name] for name in names], create_graph=True)
        weights |= {
            name: weights[name] - (rates[name] if rates else LR) * g
            for name, g in zip(names, gradients, strict=True)
        }
    return weights


def meta_gradient(
    network: nn.Module, tasks: list[Task], adapt: Callable[[Task], Tensors], loss_of: LossOf
) -> Tensors:
    """The gradient of the mean query loss at the weights that `adapt` ends at, per task, summed by backward()."""
    network.zero_grad()
    for task in tasks:
        output = functional_call(network, adapt(task), (task.query.x,))
        (loss_of(output, task.query.y) / len(tasks)).backward()
    return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("way", ["loop", "vmap"])
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_maml_is_the_gradient_through_the_inner_loop(
    way: str, steps: int, network: nn.Module, tasks: list[Task]
) -> None:
    algorithm = MAML(network, inner_lr=LR, inner_steps=steps)
    found = Engine(algorithm, way).update(*algorithm.net.init(), stack(tasks))[0]
    expected = meta_gradient(network, tasks, lambda task: descend(network, task, steps, classify), classify)
    assert all_close(found, expected)


@pytest.mark.parametrize("way", ["loop", "vmap"])
def test_first_order_maml_is_the_query_gradient_at_the_adapted_weights(
    way: str, network: nn.Module, tasks: list[Task]
) -> None:
    algorithm = MAML(network, inner_lr=LR, inner_steps=3, first_order=True)
    found = Engine(algorithm, way).update(*algorithm.net.init(), stack(tasks))[0]
    expected = {name: torch.zeros_like(p) for name, p in network.named_parameters()}
    for task in tasks:
        adapted = copy.deepcopy(network)
        optimiser = torch.optim.SGD(adapted.parameters(), LR)
        for _ in range(3):
            optimiser.zero_grad()
            classify(adapted(task.support.x), task.support.y).backward()
            optimiser.step()
        optimiser.zero_grad()
        classify(adapted(task.query.x), task.query.y).backward()
        for name, p in adapted.named_parameters():
            assert p.grad is not None
            expected[name] += p.grad / len(tasks)
    assert all_close(found, expected)


@pytest.mark.parametrize("way", ["loop", "vmap"])
def test_anil_adapts_the_head_and_learns_the_body_through_it(
    way: str, network: nn.Module, tasks: list[Task]
) -> None:
    algorithm = ANIL(network, inner_lr=LR, inner_steps=3)
    found = Engine(algorithm, way).update(*algorithm.net.init(), stack(tasks))[0]
    expected = meta_gradient(network, tasks, lambda task: descend(network, task, 3, classify, "4."), classify)
    assert all_close(found, expected)


@pytest.mark.parametrize("way", ["loop", "vmap"])
def test_boil_adapts_the_body_and_learns_the_head_through_it(
    way: str, network: nn.Module, tasks: list[Task]
) -> None:
    algorithm = BOIL(network, inner_lr=LR, inner_steps=3)
    found = Engine(algorithm, way).update(*algorithm.net.init(), stack(tasks))[0]
    body = ("0.", "2.")
    expected = meta_gradient(network, tasks, lambda task: descend(network, task, 3, classify, body), classify)
    assert all_close(found, expected)


@pytest.mark.parametrize("way", ["loop", "vmap"])
def test_meta_sgd_learns_the_step_size_of_every_weight(
    way: str, network: nn.Module, tasks: list[Task], rng: np.random.Generator
) -> None:
    algorithm = MetaSGD(network, inner_lr=LR, inner_steps=2)
    params, state = algorithm.init(rng)
    rates = {
        name: torch.from_numpy(rng.normal(LR, 0.2, p.shape)) for name, p in algorithm.net.init()[0].items()
    }
    params |= {f"inner_lr.{name}": rate for name, rate in rates.items()}
    found = Engine(algorithm, way).update(params, state, stack(tasks))[0]

    for rate in rates.values():
        rate.requires_grad_()
    expected = meta_gradient(
        network, tasks, lambda task: descend(network, task, 2, classify, rates=rates), classify
    )
    expected |= {f"inner_lr.{name}": rate.grad for name, rate in rates.items() if rate.grad is not None}
    assert all_close(found, expected)


def test_maml_regression_is_the_same_with_squared_error(network: nn.Module, rng: np.random.Generator) -> None:
    tasks = [draw_regression(rng, TABLE, WAYS) for _ in range(3)]
    algorithm = MAML(network, inner_lr=LR, inner_steps=2, loss=SQUARED_ERROR)
    found = Engine(algorithm).update(*algorithm.net.init(), stack(tasks))[0]
    expected = meta_gradient(network, tasks, lambda task: descend(network, task, 2, F.mse_loss), F.mse_loss)
    assert all_close(found, expected)


@pytest.mark.parametrize("way", ["loop", "vmap"])
def test_reptile_points_from_where_adam_without_momentum_ends(
    way: str, network: nn.Module, tasks: list[Task]
) -> None:
    algorithm = Reptile(network, inner_lr=0.01, inner_steps=5, inner_batch=4)
    found = Engine(algorithm, way).update(*algorithm.net.init(), stack(tasks))[0]
    expected = {name: torch.zeros_like(p) for name, p in network.named_parameters()}
    for task in tasks:
        trained = copy.deepcopy(network)
        x, y = torch.cat([task.support.x, task.query.x]), torch.cat([task.support.y, task.query.y])
        optimiser = torch.optim.Adam(trained.parameters(), 0.01, betas=(0.0, 0.999))
        for i in range(5):
            rows = [(4 * i + j) % len(x) for j in range(4)]
            optimiser.zero_grad()
            classify(trained(x[rows]), y[rows]).backward()
            optimiser.step()
        for (name, before), after in zip(network.named_parameters(), trained.parameters(), strict=True):
            expected[name] += (before - after).detach() / len(tasks)
    assert all_close(found, expected)


def test_protonet_is_a_softmax_over_squared_distances_to_the_means(
    network: nn.Module, tasks: list[Task]
) -> None:
    algorithm = ProtoNet(network)
    params, state = algorithm.net.init()
    losses = []
    for task in tasks:
        support, query = network(task.support.x), network(task.query.x)
        label = task.support.y.argmax(1)
        centre = torch.stack([support[label == way].mean(0) for way in range(task.ways)])
        logits = -(torch.cdist(query, centre, compute_mode="donot_use_mm_for_euclid_dist") ** 2)
        assert close(solve(algorithm, params, state, task), logits.detach())
        losses.append(F.cross_entropy(logits, task.query.y.argmax(1)))
    torch.stack(losses).mean().backward()
    expected = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    assert all_close(Engine(algorithm).update(params, state, stack(tasks))[0], expected)


def test_nearest_centroid_is_protonet_on_the_inputs(tasks: list[Task]) -> None:
    for task in tasks:
        label = task.support.y.argmax(1)
        centre = torch.stack([task.support.x[label == way].mean(0) for way in range(task.ways)])
        expected = -2.0 * (task.query.x[:, None] - centre).square().mean(-1)
        assert close(solve(NearestCentroid(sharpness=2.0), {}, {}, task), expected)


@pytest.mark.parametrize("c", [0.1, 1.0, 10.0])
def test_logistic_regression_is_scikit_learns_on_scaled_inputs_and_a_one(c: float, tasks: list[Task]) -> None:
    for task in tasks:
        support, query = (part.x.numpy() for part in task)
        mean, scale = support.mean(0), (support - support.mean(0)).std()
        rows, others = (
            np.pad((x - mean) / scale, ((0, 0), (0, 1)), constant_values=1.0) for x in (support, query)
        )
        model = SklearnLogisticRegression(C=c, fit_intercept=False, tol=1e-10, max_iter=1000)
        expected = model.fit(rows, task.support.y.argmax(1).numpy()).predict_proba(others)
        [found] = as_predictor(LogisticRegression(c), {}, {})([task])
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_fine_tuning_is_adam_on_network_and_new_head(network: nn.Module, tasks: list[Task]) -> None:
    algorithm = FineTune(network, width=WAYS, classes=CLASSES, lr=0.05, steps=7)
    params, state = algorithm.init(np.random.default_rng(0))
    for task in tasks:
        model = nn.Sequential(copy.deepcopy(network), nn.Linear(WAYS, task.ways).double())
        nn.init.zeros_(model[1].weight)
        nn.init.zeros_(model[1].bias)
        assert close(solve(algorithm, params, state, task), by_adam(model, task, 0.05, 7), 1e-8)


def test_scratch_is_adam_on_the_untrained_network(network: nn.Module, tasks: list[Task]) -> None:
    algorithm = Scratch(network, lr=0.05, steps=7)
    params, state = algorithm.net.init()
    for task in tasks:
        expected = by_adam(copy.deepcopy(network), task, 0.05, 7)[:, : task.ways]
        assert close(solve(algorithm, params, state, task), expected, 1e-8)


def by_adam(model: nn.Module, task: Task, lr: float, steps: int) -> Tensor:
    """Query outputs after `steps` full-batch steps of torch's Adam on the support set."""
    optimiser = torch.optim.Adam(model.parameters(), lr)
    for _ in range(steps):
        optimiser.zero_grad()
        classify(model(task.support.x), task.support.y).backward()
        optimiser.step()
    output: Tensor = model(task.query.x)
    return output.detach()


@pytest.mark.parametrize("transductive", [False, True])
def test_batch_statistics_are_the_support_sets_or_the_query_sets(
    transductive: bool, tasks: list[Task]
) -> None:
    torch.manual_seed(5)
    network = perturbed(
        nn.Sequential(nn.Linear(TABLE[0], 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, WAYS)).double()
    )

    def forward(weights: Tensors, x: Tensor, reference: Tensor) -> Tensor:
        hidden, seen = (F.linear(z, weights["0.weight"], weights["0.bias"]) for z in (x, reference))
        scaled = (hidden - seen.mean(0)) / (seen.var(0, unbiased=False) + 1e-5).sqrt()
        scaled = scaled * weights["1.weight"] + weights["1.bias"]
        return F.linear(scaled.tanh(), weights["3.weight"], weights["3.bias"])

    losses = []
    for task in tasks:
        support, query = task
        weights = dict(network.named_parameters())
        for _ in range(2):
            loss = classify(forward(weights, support.x, support.x), support.y)
            gradients = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
            weights = {n: w - LR * g for (n, w), g in zip(weights.items(), gradients, strict=True)}
        reference = query.x if transductive else support.x
        losses.append(classify(forward(weights, query.x, reference), query.y))
    torch.stack(losses).mean().backward()
    expected = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}

    algorithm = MAML(network, inner_lr=LR, inner_steps=2, transductive=transductive)
    for way in ("loop", "vmap"):
        assert all_close(Engine(algorithm, way).update(*algorithm.net.init(), stack(tasks))[0], expected)
