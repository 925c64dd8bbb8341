"""Logistic regression towards a prior: what it minimises, what it becomes at both ends, and its gradient."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import nn

from contracts.algorithms import start
from contracts.examples import all_close, draw_task
from metadx.algorithms import Context, Dimensions, Engine, PriorLogistic, as_predictor, build_algorithm, solve
from metadx.errors import UserError
from metadx.learners import MLP, NamedSettings, Tensors
from metadx.tasks import Task, stack

INPUTS, WAYS = 3, 3


def algorithm(**settings: object) -> PriorLogistic:
    torch.manual_seed(3)
    net: nn.Module = MLP(INPUTS, None, (4,), "tanh").double()
    return PriorLogistic(net, width=4, inputs=INPUTS, outputs=WAYS, **settings)  # type: ignore[arg-type]


def tensors(made: PriorLogistic) -> tuple[Tensors, Tensors]:
    return start(made)


@pytest.fixture
def task(rng: np.random.Generator) -> Task:
    return draw_task(rng, (INPUTS,), ways=WAYS, shots=3, query=4)


def test_it_minimises_the_penalised_loss(task: Task) -> None:
    made = algorithm(steps=400, strength=0.7)
    params, state = tensors(made)
    [found] = as_predictor(made, params, state)([task])
    features, others = (
        np.c_[np.ones(len(part.x)), part.x, made.net(params | state, part.x).detach()] for part in task
    )
    mean = params["prior.mean"].numpy()
    precision = 0.7 * np.exp(params["prior.log_precision"].numpy())[:, None]
    slope = 0.7 * float(params["prior.log_slope"].exp())
    y, size = task.support.y.numpy(), mean.shape

    def logits(flat: np.ndarray, rows: np.ndarray) -> np.ndarray:
        change, turn = flat[: mean.size].reshape(size), flat[mean.size :].reshape(WAYS, WAYS)
        return rows @ mean + rows @ change + rows @ mean @ turn

    def objective(flat: np.ndarray) -> float:
        z = logits(flat, features)
        z = z - z.max(1, keepdims=True)
        loss = -(y * (z - np.log(np.exp(z).sum(1, keepdims=True)))).sum()
        change, turn = flat[: mean.size].reshape(size), flat[mean.size :]
        return float(loss + 0.5 * (precision * change**2).sum() + 0.5 * slope * (turn**2).sum())

    best = minimize(objective, np.zeros(mean.size + WAYS**2), method="BFGS", options={"gtol": 1e-7})
    z = logits(best.x, others)
    expected = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_strong_prior_is_the_others_and_a_weak_one_the_task(task: Task) -> None:
    made = algorithm(steps=300)
    params, state = tensors(made)
    features = torch.cat(
        [torch.ones(len(task.query.x), 1), task.query.x, made.net(params | state, task.query.x)], 1
    )
    alone = solve(dataclasses.replace(made, strength=1e9), params, state, task)
    torch.testing.assert_close(alone, features @ params["prior.mean"], atol=1e-6, rtol=1e-6)
    own = dataclasses.replace(made, strength=1e-3)
    adapted = own.adapt(params, state, task.support)
    right = own.predict(params, state, adapted, task.support.x).argmax(1) == task.support.y.argmax(1)
    assert right.all()


def test_a_class_without_a_support_case_stays_possible(task: Task) -> None:
    made = algorithm()
    params, state = tensors(made)
    kept = task.support.y[:, 2] == 0
    support = type(task.support)(*(t[kept] for t in task.support))
    output = solve(made, params, state, Task(support, task.query))
    assert output.abs().max() < 1e3


def test_padding_changes_nothing(task: Task, rng: np.random.Generator) -> None:
    made = algorithm()
    params, state = tensors(made)
    longer = draw_task(rng, (INPUTS,), ways=WAYS, shots=5, query=6)
    alone = solve(made, params, state, task)
    batch = stack([task, longer])
    first = Task(*(type(part)(*(t[0] for t in part)) for part in batch))
    padded = solve(made, params, state, first)
    torch.testing.assert_close(padded[: len(alone)], alone, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("raw", [True, False])
def test_its_gradient_equals_finite_differences_both_ways(raw: bool, rng: np.random.Generator) -> None:
    made = algorithm(raw=raw)
    params, state = tensors(made)
    tasks = [draw_task(rng, (INPUTS,), ways=WAYS, shots=k, query=3) for k in (1, 2, 4)]
    probe = {name: torch.from_numpy(rng.normal(size=p.shape)) for name, p in params.items()}

    def loss(moved: Tensors) -> float:
        values = [made.loss.value(solve(made, moved, state, t, Context(train=True)), t.query) for t in tasks]
        return float(torch.stack(values).mean())

    with torch.no_grad():
        ahead, behind = (loss({n: p + s * probe[n] for n, p in params.items()}) for s in (1e-6, -1e-6))
    loop, vmap = (Engine(made, way).update(params, state, stack(tasks))[0] for way in ("loop", "vmap"))
    assert all_close(loop, vmap, 1e-9)
    slope = sum(float((loop[n] * probe[n]).sum()) for n in params)
    assert slope == pytest.approx((ahead - behind) / 2e-6, rel=1e-6)


def test_recipes_build_it_for_conditions_only() -> None:
    settings, learner = NamedSettings(name="prior_logistic"), NamedSettings(name="mlp", hidden=[4])
    built = build_algorithm(settings, learner, Dimensions((5,), 2, 0))
    assert isinstance(built, PriorLogistic)
    assert (built.inputs, built.width, built.outputs) == (5, 4, 2)
    with pytest.raises(UserError, match="cannot predict values"):
        build_algorithm(settings, learner, Dimensions((5,), 1, 0, classification=False))
    with pytest.raises(UserError, match="strength must be above 0"):
        algorithm(strength=0.0)
