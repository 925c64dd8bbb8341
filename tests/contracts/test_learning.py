"""Adaptation earns its keep: after brief training it beats the same algorithm that does not adapt, or chance."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from contracts.algorithms import CLASSES, ROWS, Row
from contracts.examples import WAYS
from metadx.algorithms import SQUARED_ERROR, Algorithm, Context, Engine, as_predictor, choose_way
from metadx.evaluation import difference, evaluate
from metadx.learners import MLP, Tensors
from metadx.tasks import Shape, SinusoidSource, Task, make_examples, stack

INPUTS = 8
CENTRES = np.random.default_rng(1).normal(0.0, 1.0, (CLASSES + 12, INPUTS))
"""Conditions as points in space: the first `CLASSES` for training, the others for evaluation."""


def draw(rng: np.random.Generator, conditions: slice, shots: int = 3, query: int = 5) -> Task:
    centre = rng.permutation(CENTRES[conditions])[:WAYS]
    parts = []
    for count in (shots, query):
        labels = torch.arange(WAYS).repeat(count)
        x = torch.from_numpy(centre)[labels] + 0.6 * torch.from_numpy(rng.normal(size=(len(labels), INPUTS)))
        parts.append(make_examples(x.float(), labels, WAYS))
    return Task(*parts)


def trained(algorithm: Algorithm, rng: np.random.Generator, steps: int) -> tuple[Tensors, Tensors]:
    """Parameters after a few steps of Adam on meta-training conditions, the first `CLASSES` of them."""
    params, state = algorithm.init(rng)
    if algorithm.consumes == "nothing":
        return params, state
    engine = Engine(algorithm, choose_way(algorithm, params))
    leaves = {name: p.clone().requires_grad_() for name, p in params.items()}
    optimiser = torch.optim.Adam(leaves.values(), 1e-2)
    for step in range(steps):
        now = {name: leaf.detach() for name, leaf in leaves.items()}
        if algorithm.consumes == "cases":
            labels = torch.arange(CLASSES).repeat(4)
            x = torch.from_numpy(CENTRES[labels] + 0.6 * rng.normal(size=(len(labels), INPUTS))).float()
            direction = algorithm.update(now, state, make_examples(x, labels, CLASSES))[0]
        else:
            batch = stack([draw(rng, slice(0, CLASSES)) for _ in range(4)])
            direction = engine.update(now, state, batch, Context(rng, step))[0]
        for name, leaf in leaves.items():
            leaf.grad = direction[name]
        optimiser.step()
    return {name: leaf.detach() for name, leaf in leaves.items()}, state


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_adapting_beats_not_adapting(row: Row, rng: np.random.Generator) -> None:
    torch.manual_seed(0)
    network = MLP(INPUTS, WAYS if row.network == "logits" else None, (16, 5))
    algorithm = row.on(network, **({"inputs": INPUTS} if row.accepts("inputs") else {}))
    params, state = trained(algorithm, rng, 40)
    tasks = [draw(rng, slice(CLASSES, None)) for _ in range(40)]
    scores = evaluate(as_predictor(algorithm, params, state), tasks)
    if not row.ablation:
        assert scores.interval("accuracy").low > 1.5 / WAYS
        return
    unadapted = evaluate(as_predictor(row.on(network, **row.ablation), params, state), tasks)
    assert difference(scores, unadapted, "accuracy").low > 0.05


def support_means(tasks: Sequence[Task]) -> list[Any]:
    """What is known of a task without looking at any input."""
    return [task.support.y.mean(0).expand_as(task.query.y).numpy() for task in tasks]


@pytest.mark.parametrize("row", [r for r in ROWS if r.accepts("loss")], ids=lambda row: row.name)
def test_adapting_beats_not_adapting_at_regression(row: Row, rng: np.random.Generator) -> None:
    torch.manual_seed(0)
    network = MLP(1, 1 if row.network == "logits" else None, (24, 24))
    source, shape = SinusoidSource(), Shape(shots=20, query=10)
    patient = {"inner_lr": 0.02} if row.accepts("inner_lr") else {}
    patient |= {name: 100 for name in row.ablation if name != "inner_steps"}
    algorithm = row.on(network, loss=SQUARED_ERROR, **patient)
    params, state = algorithm.init(rng)
    engine = Engine(algorithm, choose_way(algorithm, params))
    for _ in range(40 if algorithm.consumes == "tasks" else 0):
        batch = stack([source.task(source.draw(rng, shape)) for _ in range(8)])
        direction, state, _ = engine.update(params, state, batch, Context(rng))
        params = {name: p - 0.05 * direction[name].clamp(-1, 1) for name, p in params.items()}
    tasks = [source.task(source.draw(rng, shape)) for _ in range(40)]
    score = partial(evaluate, tasks=tasks, classification=False)
    adapted = score(as_predictor(algorithm, params, state))
    if not row.ablation:
        assert difference(adapted, score(support_means), "mse").low > 0
        return
    ablation = row.on(network, loss=SQUARED_ERROR, **{**patient, **row.ablation})
    assert difference(adapted, score(as_predictor(ablation, params, state)), "mse").low > 0
