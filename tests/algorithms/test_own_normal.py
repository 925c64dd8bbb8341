"""Each case beside the patient's own normal: its parts against their equations, its direction against slopes."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from metadx.algorithms import Algorithm, Context, Dimensions, Engine, OwnNormal, build_algorithm
from metadx.algorithms.algorithm import solve
from metadx.algorithms.own_normal import middle_and_spread, regress_towards, views
from metadx.errors import UserError
from metadx.learners import NamedSettings, SignalMLP, Tensors
from metadx.tasks import Examples, Task, make_examples, stack

SHAPE, WAYS, WIDTH = (3, 8), 4, 5


def examples(count: int, seed: int, ways: int = WAYS) -> Examples:
    generator = torch.Generator().manual_seed(seed)
    label = torch.arange(count) % ways
    x = torch.randn(count, *SHAPE, generator=generator, dtype=torch.float64) + label.view(-1, 1, 1)
    return make_examples(x, label, WAYS)


def task(seed: int = 0, shots: int = 12) -> Task:
    return Task(examples(shots, seed), examples(6, seed + 1))


def own_normal(**settings: Any) -> tuple[OwnNormal, Tensors, Tensors]:
    torch.manual_seed(0)
    network = SignalMLP((3, *SHAPE), None, (6, WIDTH), steady=1, stretches=2).double()
    algorithm = OwnNormal(
        network, WIDTH, SHAPE, WAYS, **{"least": 2, "steps": 0, "memory": 10, "remember": 2, **settings}
    )
    params, state = algorithm.init(np.random.default_rng(0))
    generator = torch.Generator().manual_seed(1)
    moved = {k: v + 0.1 * torch.randn(v.shape, generator=generator, dtype=v.dtype) for k, v in params.items()}
    return algorithm, moved, state


def test_the_middle_and_the_spread_are_those_of_normal_cases() -> None:
    given = examples(21, 0)
    normal = given.y[:, 0]
    middle, spread = middle_and_spread(given.x, normal)
    chosen = given.x[normal > 0].numpy()
    assert np.allclose(middle, chosen.mean(0))
    assert np.allclose(spread, chosen.std(0))
    seen = views(given.x, middle, spread)
    assert seen.shape == (21, 3, *SHAPE)
    assert torch.equal(seen[:, 1], given.x - middle)


def test_the_regression_is_that_of_scikit_learn_around_its_prior() -> None:
    given = examples(40, 3)
    features = given.x.flatten(1)
    found = regress_towards(
        torch.zeros(24, WAYS).double(), torch.ones(24, WAYS).double(), features, given, 3000
    )
    theirs = LogisticRegression(C=1.0, fit_intercept=False, tol=1e-8, max_iter=2000).fit(
        features.numpy(), given.y.argmax(-1).numpy()
    )
    mine = torch.softmax(features @ found, -1).numpy()
    assert np.allclose(mine, theirs.predict_proba(features.numpy()), atol=1e-4)


def test_without_support_cases_the_prior_and_the_normal_of_others_speak() -> None:
    algorithm, params, state = own_normal()
    empty, query = examples(0, 0), examples(6, 1)
    none = solve(algorithm, params, state, Task(empty, query))
    embedding = algorithm.net(params | state, views(query.x, state["normal.middle"], state["normal.spread"]))
    features = torch.cat([torch.ones(6, 1), embedding], 1).double()
    assert torch.allclose(none, features @ params["prior.weights"])
    strong = OwnNormal(algorithm.network, WIDTH, SHAPE, WAYS, strength=1e9, least=1000, steps=0)
    assert torch.allclose(solve(strong, params, state, task()), none, atol=1e-6)


def test_a_condition_that_the_support_set_lacks_can_be_diagnosed() -> None:
    algorithm, params, state = own_normal()
    given = Task(examples(12, 0, ways=2), examples(6, 1))
    output = torch.softmax(solve(algorithm, params, state, given), -1)
    assert (output[:, 2:] > 1e-3).all()


@pytest.mark.parametrize("way", ["loop", "vmap"])
def test_padded_cases_change_nothing(way: Any) -> None:
    algorithm, params, state = own_normal()
    tasks = [task(0, 5), task(2, 16)]
    alone = [algorithm.update(params, state, one, Context(step=4)) for one in tasks]
    direction, after, metrics = Engine(algorithm, way).update(params, state, stack(tasks), Context(step=4))
    for name, value in direction.items():
        assert torch.allclose(value, torch.stack([found[0][name] for found in alone]).mean(0), atol=1e-12)
    for name in ("normal.middle", "normal.spread"):
        expected = torch.stack([found[1][name] for found in alone]).mean(0)
        assert torch.allclose(after[name], expected, atol=1e-12)
    rows = torch.cat([found[1]["kept.x"] for found in alone])
    assert torch.allclose(after["kept.x"], torch.cat([rows, state["kept.x"]])[:10])
    assert after["kept.mask"].sum() == 4
    assert torch.allclose(metrics["loss"], torch.stack([found[2]["loss"] for found in alone]).mean())


def test_direction_is_the_gradient_of_its_loss() -> None:
    algorithm, params, state = own_normal(without=0.0)
    given = task()

    def loss(params: Tensors) -> Tensor:
        return algorithm.loss.value(solve(algorithm, params, state, given), given.query)

    direction, _, metrics = algorithm.update(params, state, given)
    assert metrics["loss"] == pytest.approx(loss(params).item())
    for name, value in params.items():
        step = 1e-5 * torch.randn(value.shape, dtype=value.dtype)
        slope = (loss(params | {name: value + step}) - loss(params | {name: value - step})) / 2
        assert slope.item() == pytest.approx((direction[name] * step).sum().item(), rel=1e-4, abs=1e-12), name


def test_the_normal_of_others_follows_the_patients_seen_in_training() -> None:
    algorithm, params, state = own_normal()
    _, first, _ = algorithm.update(params, state, task())
    assert torch.equal(first["normal.middle"], algorithm.adapt(params, state, task().support).middle)
    _, later, _ = algorithm.update(params, state, task(), Context(step=1000))
    assert torch.allclose(later["normal.middle"], 0.02 * first["normal.middle"])
    assert state["normal.middle"].abs().max() == 0


def test_fine_tuning_is_averaged_with_the_regression_and_replays() -> None:
    algorithm, params, state = own_normal(remember=6, memory=6)
    given = task()
    _, state, _ = Engine(algorithm, "loop").update(params, state, stack([given]))
    plain = torch.log_softmax(solve(algorithm, params, state, given), -1)
    outputs = {}
    for tuned in (0.0, 0.5, 1.0):
        settings = {"steps": 4, "lr": 0.01, "batch": 8, "tuned": tuned}
        changed = dataclasses.replace(algorithm, **settings)
        outputs[tuned] = solve(changed, params, state, given)
        assert torch.allclose(
            solve(changed, params, state, given._replace(support=examples(0, 0))),
            solve(algorithm, params, state, given._replace(support=examples(0, 0))),
        )
    assert torch.allclose(outputs[0.0], plain)
    assert torch.allclose(outputs[0.5], (plain + outputs[1.0]) / 2)
    assert not torch.allclose(outputs[1.0], plain, atol=1e-2)
    forgotten = state | {"kept.mask": torch.zeros(6).double()}
    tuned = dataclasses.replace(algorithm, steps=4, lr=0.01, batch=8)
    assert not torch.allclose(solve(tuned, params, forgotten, given), outputs[0.5], atol=1e-4)


def test_a_recipe_names_it_and_bad_values_are_refused() -> None:
    size = Dimensions((5, 144), 5, 5)
    for learner in ({"name": "signalmlp", "steady": 4}, {"name": "signalnet"}, {"name": "mlp"}):
        built: Algorithm = build_algorithm(
            NamedSettings(name="own_normal"), NamedSettings.model_validate(learner), size
        )
        params, state = built.init(np.random.default_rng(0))
        query = Examples(torch.zeros(2, 5, 144), torch.zeros(2, 5), torch.ones(2))
        with torch.no_grad():  # as the engine evaluates; hundreds of steps would keep all they went through
            assert solve(built, params, state, Task(query, query)).shape == (2, 5)
    with pytest.raises(UserError, match="OwnNormal: precision must be above 0, not 0"):
        own_normal(precision=0)
    with pytest.raises(UserError, match="OwnNormal: least must be at least 1, not 0"):
        own_normal(least=0)


def test_batch_norms_are_refused() -> None:
    network = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(24), nn.Linear(24, 5))
    with pytest.raises(UserError, match="norm: group"):
        OwnNormal(network, width=5, shape=(8,), outputs=2)
