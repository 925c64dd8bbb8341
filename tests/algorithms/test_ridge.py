"""Closed forms for values: ridge regression alone, and towards a meta-learned prior."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge as Reference
from torch import Tensor

from metadx.algorithms import (
    Algorithm,
    Context,
    Dimensions,
    Engine,
    LastValue,
    MetaRidge,
    Pooled,
    Ridge,
    build_algorithm,
)
from metadx.algorithms.algorithm import solve
from metadx.errors import UserError
from metadx.learners import MLP, NamedSettings, Tensors
from metadx.tasks import Examples, Task, stack

INPUTS, WIDTH = 4, 3


def examples(count: int, seed: int) -> Examples:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, INPUTS, generator=generator, dtype=torch.float64)
    y = torch.sin(x.sum(-1, keepdim=True)) + 0.5
    return Examples(x, y, torch.ones(count, dtype=torch.float64))


def task(seed: int = 0, shots: int = 6) -> Task:
    return Task(examples(shots, seed), examples(5, seed + 1))


def meta_ridge(**settings: Any) -> tuple[MetaRidge, Tensors, Tensors]:
    torch.manual_seed(0)
    algorithm = MetaRidge(MLP(INPUTS, None, (5, WIDTH)).double(), WIDTH, INPUTS, **settings)
    params, state = algorithm.init(np.random.default_rng(0))
    generator = torch.Generator().manual_seed(1)
    moved = {k: v + 0.1 * torch.randn(v.shape, generator=generator, dtype=v.dtype) for k, v in params.items()}
    return algorithm, moved, state


@pytest.mark.parametrize("penalty", [0.1, 10.0])
def test_ridge_is_that_of_scikit_learn(penalty: float) -> None:
    given = task(shots=9)
    centred = given.support.x - given.support.x.mean(0), given.support.y - given.support.y.mean(0)
    mine = Ridge(penalty).adapt({}, {}, given.support._replace(x=centred[0], y=centred[1])).weights[1:, 0]
    theirs = Reference(penalty, fit_intercept=False).fit(centred[0].numpy(), centred[1].numpy()[:, 0]).coef_
    assert np.allclose(mine.numpy(), theirs)


def test_a_large_penalty_carries_the_last_value_forward() -> None:
    given = task()
    assert torch.allclose(solve(Ridge(1e9, carry=True), {}, {}, given), given.query.x[:, -1:], atol=1e-4)
    assert torch.equal(solve(LastValue(), {}, {}, given), given.query.x[:, -1:])


def test_meta_ridge_is_its_equation() -> None:
    algorithm, params, state = meta_ridge()
    given = task()
    network = algorithm.net
    f = torch.cat([torch.ones(6, 1), given.support.x, network(params | state, given.support.x)], 1).double()
    q = torch.cat([torch.ones(5, 1), given.query.x, network(params | state, given.query.x)], 1).double()
    half = (torch.tril(params["prior.factor"], -1) + torch.eye(8)) * (params["prior.log_diagonal"] / 2).exp()
    precision, prior = half @ half.T, params["prior.mean"]
    weights = torch.linalg.inv(f.T @ f + precision) @ (f.T @ given.support.y + precision @ prior)
    assert torch.allclose(solve(algorithm, params, state, given), q @ weights)


def test_without_support_cases_the_prior_speaks_and_with_many_the_patient() -> None:
    algorithm, params, state = meta_ridge()
    none = solve(algorithm, params, state, Task(examples(0, 0), examples(5, 1)))
    padded = Task(*(part._replace(mask=torch.zeros_like(part.mask)) for part in task()))
    assert torch.allclose(none, solve(algorithm, params, state, padded))
    light = params | {"prior.log_diagonal": params["prior.log_diagonal"] - 20}
    many = Task(examples(500, 0), examples(500, 0))
    f, q = (
        torch.cat([torch.ones(len(x), 1), x, algorithm.net(params | state, x)], 1)
        for x in (many.support.x, many.query.x)
    )
    own = q @ torch.linalg.pinv(f) @ many.support.y
    assert torch.allclose(solve(algorithm, light, state, many), own, atol=1e-3)


def test_before_training_it_carries_the_last_value_forward() -> None:
    algorithm = MetaRidge(MLP(INPUTS, None, (WIDTH,)), WIDTH, INPUTS, carry=True)
    params, state = algorithm.init(np.random.default_rng(0))
    empty = Task(*(Examples(*(t.float() for t in part)) for part in (examples(0, 0), examples(5, 1))))
    assert torch.equal(solve(algorithm, params, state, empty), empty.query.x[:, -1:])


def test_its_meta_gradient_is_that_of_finite_differences() -> None:
    algorithm, params, state = meta_ridge()
    given = task()

    def loss(moved: Tensors) -> Tensor:
        return algorithm.loss.value(solve(algorithm, moved, state, given, Context(train=True)), given.query)

    direction = algorithm.update(params, state, given)[0]
    generator = torch.Generator().manual_seed(3)
    for name, value in params.items():
        along = torch.randn(value.shape, generator=generator, dtype=value.dtype)
        step = 1e-5
        up, down = (loss(params | {name: value + sign * step * along}) for sign in (1, -1))
        slope = (up - down) / (2 * step)
        assert torch.allclose((direction[name] * along).sum(), slope, rtol=1e-5, atol=1e-9), name


@pytest.mark.parametrize("way", ["loop", "vmap"])
def test_padded_tasks_give_the_gradients_of_unpadded_ones(way: Any) -> None:
    algorithm, params, state = meta_ridge()
    tasks = [task(0, 6), task(5, 2), task(9, 1)]
    together = Engine(algorithm, way).directions(params, state, stack(tasks))[0]
    for i, one in enumerate(tasks):
        alone = algorithm.update(params, state, one)[0]
        for name, value in alone.items():
            assert torch.allclose(together[name][i], value, atol=1e-10), name


def test_pooled_descends_and_does_not_adapt() -> None:
    torch.manual_seed(0)
    algorithm = Pooled(MLP(INPUTS, 1, (8,)).double())
    params, state = algorithm.init(np.random.default_rng(0))
    cases = examples(50, 2)
    first = algorithm.update(params, state, cases)[2]["loss"]
    for _ in range(30):
        direction = algorithm.update(params, state, cases)[0]
        params = {k: v - 0.1 * direction[k] for k, v in params.items()}
    assert algorithm.update(params, state, cases)[2]["loss"] < first / 2
    outputs = [solve(algorithm, params, state, Task(examples(6, seed), examples(5, 1))) for seed in (0, 7)]
    assert torch.equal(*outputs)


@pytest.mark.parametrize("name", ["meta_ridge", "ridge", "last_value"])
def test_methods_for_values_refuse_conditions(name: str) -> None:
    auto = NamedSettings(name="auto")
    with pytest.raises(UserError, match=f"{name} predicts values and cannot tell conditions apart; these"):
        build_algorithm(NamedSettings(name=name), auto, Dimensions((4,), 3, 6))
    assert isinstance(
        build_algorithm(NamedSettings(name=name), auto, Dimensions((4,), 1, 0, False)), Algorithm
    )
