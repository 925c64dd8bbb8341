"""Networks over time: any length, nothing later looked at, gaps that fade, and exact second derivatives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from contracts.examples import draw_task, perturbed, ragged
from metadx.algorithms import MAML, Context, Engine, ProtoNet
from metadx.algorithms.algorithm import solve
from metadx.cases.gaps import fit_gaps
from metadx.errors import UserError
from metadx.learners import (
    GatedDecayNet,
    NamedSettings,
    SignalNet,
    TemporalConvNet,
    build_learner,
    choose_learner,
    output_width,
)
from metadx.tasks import Task, stack

SHAPE = (3, 7)
STEP = 1e-6
Maker = Callable[[int | None], nn.Module]
NETWORKS: dict[str, Maker] = {
    "signalnet": lambda outputs: SignalNet(SHAPE, outputs, width=4, blocks=2, embedding=5, activation="tanh"),
    "tcn": lambda outputs: TemporalConvNet(SHAPE, outputs, 4, 2, embedding=5, activation="tanh"),
    "tcn-none": lambda outputs: TemporalConvNet(SHAPE, outputs, 4, 2, 5, 5, "none", "tanh"),
    "grud": lambda outputs: GatedDecayNet(SHAPE, outputs, width=4, embedding=5, activation="tanh"),
}


def network(name: str, outputs: int | None) -> nn.Module:
    torch.manual_seed(1)
    return perturbed(NETWORKS[name](outputs).double())


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (3, 5), (6, 48), (12, 31)], ids=str)
@pytest.mark.parametrize("name", ["signalnet", "tcn", "grud"])
def test_any_length_and_width(name: str, shape: tuple[int, int]) -> None:
    if name == "grud" and shape[0] % 3:
        with pytest.raises(UserError, match="three times as many channels as variables"):
            build_learner(NamedSettings(name=name), shape, 2)
        return
    x = torch.randn(4, *shape)
    assert build_learner(NamedSettings(name=name), shape, 2)(x).shape == (4, 2)
    embedding = build_learner(NamedSettings(name=name), shape, None)
    assert embedding(x).shape == (4, output_width(embedding, shape))
    assert torch.isfinite(embedding(x)).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_meta_gradient_equals_finite_differences_both_ways(name: str, rng: np.random.Generator) -> None:
    algorithm = MAML(network(name, 4), inner_lr=0.2, inner_steps=2)
    params, state = algorithm.net.init()
    batch = ragged(rng, SHAPE)
    probe = {key: torch.from_numpy(rng.normal(size=p.shape)) for key, p in params.items()}
    ahead, behind = (
        _loss(algorithm, {key: p + step * probe[key] for key, p in params.items()}, state, batch)
        for step in (STEP, -STEP)
    )
    for way in ("loop", "vmap"):
        direction, _, _ = Engine(algorithm, way).update(params, state, stack(batch))
        slope = sum(float((direction[key] * probe[key]).sum()) for key in params)
        assert slope == pytest.approx((ahead - behind) / (2 * STEP), rel=1e-5), way


def _loss(algorithm: MAML, params: dict[str, Tensor], state: dict[str, Tensor], batch: list[Task]) -> float:
    return float(
        np.mean(
            [
                algorithm.loss.value(solve(algorithm, params, state, t, Context(train=True)), t.query).item()
                for t in batch
            ]
        )
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_an_embedding_is_learned_through(name: str, rng: np.random.Generator) -> None:
    algorithm = ProtoNet(network(name, None))
    params, state = algorithm.net.init()
    direction, _, _ = Engine(algorithm).update(params, state, stack([draw_task(rng, SHAPE)]))
    assert all(torch.isfinite(d).all() for d in direction.values())
    assert sum(float(d.abs().sum()) for d in direction.values()) > 0


def test_a_temporal_convnet_looks_at_nothing_later() -> None:
    blocks = TemporalConvNet((2, 20), None, 6, 3).double().blocks
    x = torch.randn(1, 2, 20).double()
    changed = x.clone()
    changed[..., 12:] += 5.0
    before, after = blocks(x), blocks(changed)
    assert torch.equal(before[..., :12], after[..., :12])
    assert not torch.allclose(before[..., 12:], after[..., 12:])


def test_what_was_seen_long_ago_counts_less_and_absent_values_do_not_matter() -> None:
    net = GatedDecayNet((3, 4), None, width=3).double()
    x = torch.zeros(2, 3, 4).double()
    x[:, 0] = torch.tensor([3.0, -3.0]).view(2, 1)
    differences = []
    for since in (0.1, 5.0, 500.0):
        x[:, 2] = since
        first, second = net(x).detach()
        differences.append(float((first - second).abs().sum()))
    assert differences[0] > differences[1] > differences[2]
    assert differences[2] < 1e-6


def test_auto_is_chosen_by_the_data() -> None:
    auto = NamedSettings(name="auto")
    assert choose_learner(auto, (5,)).name == "mlp"
    assert choose_learner(auto, (2, 50)).name == "signalnet"
    assert choose_learner(auto, (6, 50), gaps=True).name == "grud"
    assert choose_learner(auto, (1, 28, 28)).name == "convnet"
    assert choose_learner(NamedSettings(name="tcn"), (6, 50), gaps=True).name == "tcn"


def test_gaps_become_the_last_value_whether_it_is_of_now_and_since_when() -> None:
    nan = np.nan
    x = np.array(
        [[[nan, 4.0, nan, nan, 8.0], [nan] * 5], [[6.0, nan, nan, nan, nan], [nan] * 5]], dtype=np.float32
    )
    transform = fit_gaps(x)
    value, observed, since = np.split(transform(x), 3, axis=1)
    spread = np.std([4.0, 8.0, 6.0])

    assert transform.shape == (6, 5)
    np.testing.assert_allclose(value[0, 0] * spread, [0, -2, -2, -2, 2], atol=1e-6)
    np.testing.assert_allclose(value[1, 0], 0, atol=1e-6)
    assert observed[0, 0].tolist() == [0, 1, 0, 0, 1]
    steps = np.array([1, 0, 1, 2, 0])
    np.testing.assert_allclose(since[0, 0], np.log1p(steps) / np.log1p(5), rtol=1e-6)
    assert not value[:, 1].any()
    assert not observed[:, 1].any()


def test_nothing_later_changes_what_a_step_holds() -> None:
    rng = np.random.default_rng(0)
    x = np.where(rng.random((3, 2, 9)) < 0.5, rng.normal(size=(3, 2, 9)), np.nan)
    transform = fit_gaps(x)
    changed = x.copy()
    changed[..., 5:] = 100.0
    np.testing.assert_array_equal(transform(x)[..., :5], transform(changed)[..., :5])
