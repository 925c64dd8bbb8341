"""Fine-tuning that rehearses meta-training cases: what is kept, what adapts, and what does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from metadx.algorithms import Context, Dimensions, Pooled, Replay, build_algorithm
from metadx.algorithms.algorithm import solve
from metadx.algorithms.losses import CROSS_ENTROPY
from metadx.algorithms.replay import scattered
from metadx.errors import UserError
from metadx.learners import MLP, NamedSettings, Tensors
from metadx.tasks import Examples, Task, make_examples

INPUTS, WAYS = 3, 3


def examples(count: int, seed: int = 0, only: int | None = None) -> Examples:
    generator = torch.Generator().manual_seed(seed)
    label = torch.arange(count) % WAYS if only is None else torch.full((count,), only)
    x = torch.randn(count, INPUTS, generator=generator) + 2 * torch.eye(WAYS)[label]
    return make_examples(x, label, WAYS)


def replay(**settings: Any) -> tuple[Replay, Tensors, Tensors]:
    torch.manual_seed(0)
    algorithm = Replay(MLP(INPUTS, WAYS, (8,)), (INPUTS,), WAYS, **{"memory": 20, **settings})
    return algorithm, *algorithm.init(np.random.default_rng(0))


def test_the_last_cases_of_meta_training_are_kept() -> None:
    algorithm, params, state = replay()
    seen = [examples(8, seed) for seed in range(6)]
    for step, batch in enumerate(seen):
        _, state, _ = algorithm.update(params, state, batch, Context(step=step))
    kept = {tuple(row) for row in state["kept.x"].tolist()}
    assert kept == {tuple(row) for batch in seen for row in batch.x.tolist()[-20:]} & kept
    assert {tuple(row) for batch in seen[-2:] for row in batch.x.tolist()} <= kept
    assert state["kept.mask"].sum() == 20
    large = examples(50)
    _, state, _ = algorithm.update(params, state, large)
    assert torch.equal(state["kept.x"], large.x[:20])


def test_its_direction_is_that_of_pooled_training() -> None:
    algorithm, params, state = replay()
    pooled = Pooled(algorithm.network, CROSS_ENTROPY)
    batch = examples(9)
    found, expected = algorithm.update(params, state, batch)[0], pooled.update(params, {}, batch)[0]
    assert all(torch.equal(found[name], expected[name]) for name in params)


def test_replay_keeps_what_the_support_set_has_no_case_of() -> None:
    algorithm, params, state = replay(steps=40, lr=0.03)
    for step in range(150):
        direction, state, _ = algorithm.update(params, state, examples(24, step), Context(step=step))
        params = {name: value - 0.5 * direction[name] for name, value in params.items()}
    given = Task(examples(40, 1, only=0), examples(60, 2))
    found = solve(algorithm, params, state, given).argmax(-1)
    right = (found == given.query.y.argmax(-1)).double()
    assert right[given.query.y.argmax(-1) > 0].mean() > 0.6
    forgetful = state | {"kept.mask": torch.zeros(20)}
    forgotten = solve(algorithm, params, forgetful, given).argmax(-1)
    assert (forgotten == 0).double().mean() > (found == 0).double().mean()


def test_without_support_cases_nothing_adapts() -> None:
    algorithm, params, state = replay()
    query = examples(6)
    none = Examples(*(part[:0] for part in query))
    expected = solve(Pooled(algorithm.network, CROSS_ENTROPY), params, state, Task(none, query))
    assert torch.equal(solve(algorithm, params, state, Task(none, query)), expected)


def test_cases_are_scattered_evenly() -> None:
    line = torch.arange(100.0)
    order = scattered(Examples(line, line, torch.ones(100))).x
    assert sorted(order.tolist()) == line.tolist()
    for start in range(0, 100, 20):
        assert np.diff(sorted(order[start : start + 20].tolist())).max() < 15


def test_a_recipe_names_it_and_bad_values_are_refused() -> None:
    built = build_algorithm(
        NamedSettings.model_validate({"name": "replay", "memory": 9}),
        NamedSettings(name="mlp"),
        Dimensions((INPUTS,), WAYS, WAYS),
    )
    assert built.init(np.random.default_rng(0))[1]["kept.x"].shape == (9, INPUTS)
    for name, value in (("lr", 0.0), ("steps", -1), ("batch", 1), ("memory", 0)):
        with pytest.raises(UserError, match=f"Replay: {name}"):
            replay(**{name: value})
