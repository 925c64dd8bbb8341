"""What every algorithm must satisfy, whatever it computes."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from contracts.algorithms import CLASSES, ROWS, Row, start
from contracts.examples import (
    BATCH_NORM,
    LEARNERS,
    PLAIN,
    TABLE,
    WAYS,
    WIDTH,
    Learner,
    close,
    copied,
    double,
    draw_task,
    pooled,
    ragged,
)
from metadx.algorithms import Algorithm, Context, Engine, as_predictor, solve
from metadx.learners import Tensors
from metadx.tasks import Examples, Task, stack

WITH_NETWORK = [row for row in ROWS if row.network != "none"]
UPDATING = [row for row in WITH_NETWORK if row.over(PLAIN).consumes != "nothing"]
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
every_network = pytest.mark.parametrize("row", WITH_NETWORK, ids=lambda row: row.name)
every_updating = pytest.mark.parametrize("row", UPDATING, ids=lambda row: row.name)


class TwoTowers(nn.Module):
    """A user's own module: nested, with a tied layer, torch's batch norm, dropout, and buffers of all kinds."""

    positions: Tensor
    offset: Tensor

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.entry = nn.Sequential(nn.Linear(TABLE[0], 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Dropout(0.5))
        self.mixer = nn.Linear(6, 6)
        self.again = self.mixer
        self.inner = nn.ModuleDict({"norm": nn.BatchNorm1d(6, affine=False)})
        self.last = nn.Linear(6, outputs)
        self.register_buffer("positions", torch.arange(5, -1, -1))
        self.register_buffer("offset", torch.full((6,), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.tanh(self.mixer(self.entry(x)))[:, self.positions] + self.offset
        out: Tensor = self.last(self.inner["norm"](self.again(hidden)))
        return out


def users_module(row: Row) -> TwoTowers:
    torch.manual_seed(3)
    return TwoTowers(WAYS if row.network == "logits" else WIDTH).double()


def frozen_entry(row: Row, learner: Learner) -> nn.Module:
    """The row's network with its first layer not to be trained."""
    network: nn.Module = row.over(learner).network
    network.features[0].requires_grad_(False)
    return network


def item_for(algorithm: Algorithm, task: Task) -> Task | Examples:
    return pooled(task, CLASSES) if algorithm.consumes == "cases" else task


def bytes_of(tensors: Tensors) -> dict[str, bytes]:
    return {name: t.detach().numpy().tobytes() for name, t in tensors.items()}


def head_permuted(algorithm: Algorithm, params: Tensors, order: Tensor) -> Tensors:
    """Parameters whose output rows stand for the ways in another order."""
    net = getattr(algorithm, "net", None)
    if net is None or algorithm.consumes == "cases":
        return params
    permuted = dict(params)
    for name in net.head_names():
        if len(params[name]) == WAYS:
            permuted[name] = torch.cat([params[name][order], params[name][len(order) :]])
    return permuted


@every_row
def test_nothing_given_is_ever_changed(row: Row, rng: np.random.Generator) -> None:
    module = users_module(row).train()
    module.entry[3].eval()
    before, flags = copy.deepcopy(module.state_dict()), [m.training for m in module.modules()]
    algorithm = row.on(module)
    params, state = map(double, algorithm.init(rng))
    task = draw_task(rng, TABLE)
    kept = copied(params), copied(state), [t.clone() for part in task for t in part]

    solve(algorithm, params, state, task)
    algorithm.update(params, state, item_for(algorithm, task), Context(rng, 1))

    assert all(torch.equal(before[name], now) for name, now in module.state_dict().items())
    assert [m.training for m in module.modules()] == flags
    assert all(p.grad is None for p in module.parameters())
    assert bytes_of(params) == bytes_of(kept[0])
    assert bytes_of(state) == bytes_of(kept[1])
    assert all(torch.equal(a, b) for a, b in zip(kept[2], (t for part in task for t in part), strict=True))


@every_row
def test_same_inputs_give_the_same_bytes(row: Row) -> None:
    def run() -> list[dict[str, bytes]]:
        rng = np.random.default_rng(7)
        algorithm = row.over(BATCH_NORM)
        params, state = map(double, algorithm.init(rng))
        task = draw_task(rng, BATCH_NORM.shape).to(dtype=torch.float32)
        params, state = ({k: v.float() for k, v in tensors.items()} for tensors in (params, state))
        direction, _, metrics = algorithm.update(params, state, item_for(algorithm, task), Context(rng))
        output = solve(algorithm, params, state, task, Context(rng))
        return [bytes_of(part) for part in (direction, metrics, {"output": output})]

    assert run() == run()


@every_network
def test_works_on_a_module_of_the_users_own(row: Row, rng: np.random.Generator) -> None:
    algorithm = row.on(users_module(row))
    params, state = start(algorithm)
    task = draw_task(rng, TABLE)
    output = solve(algorithm, params, state, task)
    direction, _, metrics = algorithm.update(params, state, item_for(algorithm, task), Context(rng))

    assert output.shape == (len(task.query.x), task.ways)
    assert torch.isfinite(output).all()
    assert all(torch.isfinite(t).all() for t in (*direction.values(), *metrics.values()))
    assert algorithm.consumes == "nothing" or any(d.any() for d in direction.values())


@every_updating
@pytest.mark.parametrize("way", ["loop", "vmap"])
def test_frozen_parameters_and_buffers_stay_as_they_are(row: Row, way: Any, rng: np.random.Generator) -> None:
    module = users_module(row)
    module.entry[0].requires_grad_(False)
    algorithm = row.on(module)
    params, state = start(algorithm)
    assert "entry.0.weight" in state
    assert "entry.0.weight" not in params
    given = algorithm.net.init()[1].keys()

    for step in range(5):
        if algorithm.consumes == "tasks":
            batch = stack([draw_task(rng, TABLE) for _ in range(3)])
            direction, after, _ = Engine(algorithm, way).update(params, state, batch, Context(rng, step))
        else:
            direction, after, _ = algorithm.update(params, state, pooled(draw_task(rng, TABLE), CLASSES))
        assert direction.keys() == params.keys()
        assert bytes_of({name: after[name] for name in given}) == bytes_of(
            {name: state[name] for name in given}
        )
        params = {name: value - 0.1 * direction[name] for name, value in params.items()}
        state = after


def test_state_outlives_an_algorithm_that_learns_nothing(rng: np.random.Generator) -> None:
    row = next(row for row in ROWS if row.name == "Scratch")
    algorithm = row.on(users_module(row))
    params, state = start(algorithm)
    _, after, _ = algorithm.update(params, state, draw_task(rng, TABLE))

    assert bytes_of(after) == bytes_of(state)


@every_network
@pytest.mark.parametrize("learner", [PLAIN, BATCH_NORM], ids=lambda learner: learner.name)
def test_adaptation_leaves_frozen_parameters_alone(
    row: Row, learner: Learner, rng: np.random.Generator
) -> None:
    algorithm = row.on(frozen_entry(row, learner))
    params, state = start(algorithm)
    adapted = algorithm.adapt(params, state, draw_task(rng, learner.shape).support, Context(train=True))
    tensors = getattr(adapted, "tensors", state)

    assert torch.equal(tensors["features.0.weight"], state["features.0.weight"])


@every_row
@pytest.mark.parametrize("learner", LEARNERS, ids=lambda learner: learner.name)
def test_a_diagnosis_depends_on_no_other_query_case(
    row: Row, learner: Learner, rng: np.random.Generator
) -> None:
    algorithm = row.over(learner)
    params, state = start(algorithm)
    task = draw_task(rng, learner.shape)
    adapted = algorithm.adapt(params, state, task.support)
    full = algorithm.predict(params, state, adapted, task.query.x)
    order = torch.from_numpy(rng.permutation(len(full)))

    assert close(full[:1], algorithm.predict(params, state, adapted, task.query.x[:1]))
    assert close(full[order], algorithm.predict(params, state, adapted, task.query.x[order]))
    others = torch.cat([task.query.x[:2], 100 * task.query.x])
    assert close(full[:2], algorithm.predict(params, state, adapted, others)[:2])


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.transductive is not None], ids=lambda row: row.name
)
def test_a_transductive_diagnosis_depends_on_the_query_set(row: Row, rng: np.random.Generator) -> None:
    algorithm = row.over(BATCH_NORM, **(row.transductive or {}))
    params, state = start(algorithm)
    task = draw_task(rng, BATCH_NORM.shape)
    fewer = task._replace(query=Examples(*(t[:4] for t in task.query)))
    full, part = (solve(algorithm, params, state, t) for t in (task, fewer))

    assert not close(full[:4], part, 1e-3)


@every_row
@pytest.mark.parametrize("learner", [PLAIN, BATCH_NORM], ids=lambda learner: learner.name)
def test_renaming_the_ways_renames_the_logits(row: Row, learner: Learner, rng: np.random.Generator) -> None:
    algorithm = row.over(learner)
    params, state = start(algorithm)
    task = draw_task(rng, learner.shape)
    order = torch.tensor([2, 0, 1])
    renamed = Task(*(part._replace(y=part.y[:, order]) for part in task))
    expected = solve(algorithm, params, state, task)[:, order]
    found = solve(algorithm, head_permuted(algorithm, params, order), state, renamed)
    solver_tolerance = 1e-9 if algorithm.tensors else 1e-3

    assert close(found, expected, solver_tolerance)
    assert not close(found, expected[:, order], 1e-2)


@pytest.mark.parametrize("row", [row for row in ROWS if not row.ordered], ids=lambda row: row.name)
@pytest.mark.parametrize("learner", [PLAIN, BATCH_NORM], ids=lambda learner: learner.name)
def test_the_order_of_support_cases_does_not_matter(
    row: Row, learner: Learner, rng: np.random.Generator
) -> None:
    algorithm = row.over(learner)
    params, state = start(algorithm)
    task = draw_task(rng, learner.shape)
    order = torch.from_numpy(rng.permutation(len(task.support.x)))
    shuffled = task._replace(support=Examples(*(t[order] for t in task.support)))
    solver_tolerance = 1e-9 if algorithm.tensors else 1e-3

    assert close(
        solve(algorithm, params, state, shuffled), solve(algorithm, params, state, task), solver_tolerance
    )


@every_row
def test_predictions_are_probabilities_of_the_tasks_own_ways(row: Row, rng: np.random.Generator) -> None:
    algorithm = row.over(PLAIN)
    tasks = ragged(rng, PLAIN.shape)
    for task, found in zip(tasks, as_predictor(algorithm, *start(algorithm))(tasks), strict=True):
        assert found.shape == (len(task.query.x), task.ways)
        np.testing.assert_allclose(found.sum(1), 1.0, rtol=1e-12)
        assert (found >= 0).all()
