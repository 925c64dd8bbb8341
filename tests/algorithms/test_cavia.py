"""CAVIA: a few context parameters adapt, and on a linear layer that is the same as joining them to the inputs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contracts.examples import BATCH_NORM, PLAIN, TABLE, WAYS, all_close, draw_regression, draw_task
from metadx.algorithms import CAVIA, SQUARED_ERROR, Context, Engine
from metadx.errors import UserError
from metadx.learners import ConvNet, Tensors
from metadx.tasks import stack

SIZE = 3


def joined(w: Tensors, x: Tensor, context: Tensor) -> Tensor:
    """The network on inputs that the context is joined to, written out."""
    first = torch.cat([w["features.0.weight"], w["features.0.context_shift"]], dim=1)
    inputs = torch.cat([x, context.expand(len(x), -1)], dim=1)
    hidden = F.linear(inputs, first, w["features.0.bias"]).tanh()
    hidden = F.linear(hidden, w["features.2.weight"], w["features.2.bias"]).tanh()
    return F.linear(hidden, w["head.weight"], w["head.bias"])


@pytest.mark.parametrize("way", ["loop", "vmap"])
def test_direction_is_that_of_a_context_joined_to_the_inputs(way: str, rng: np.random.Generator) -> None:
    tasks = [draw_regression(rng, TABLE, WAYS) for _ in range(3)]
    algorithm = CAVIA(PLAIN(WAYS), context_params=SIZE, inner_lr=0.5, inner_steps=2, loss=SQUARED_ERROR)
    params, state = algorithm.init(rng)
    found = Engine(algorithm, way).update(params, state, stack(tasks))[0]

    leaves = {name: p.clone().requires_grad_() for name, p in params.items()}
    losses = []
    for support, query in tasks:
        context = torch.zeros(SIZE, dtype=torch.float64, requires_grad=True)
        for _ in range(2):
            loss = F.mse_loss(joined(leaves, support.x, context), support.y)
            [gradient] = torch.autograd.grad(loss, [context], create_graph=True)
            context = context - 0.5 * gradient
        losses.append(F.mse_loss(joined(leaves, query.x, context), query.y))
    torch.stack(losses).mean().backward()
    expected = {name: p.grad for name, p in leaves.items() if p.grad is not None}
    assert all_close(found, expected)


def test_nothing_but_the_context_adapts(rng: np.random.Generator) -> None:
    algorithm = CAVIA(BATCH_NORM(WAYS))
    params, state = algorithm.init(rng)
    adapted = algorithm.adapt(params, state, draw_task(rng, BATCH_NORM.shape).support, Context(train=True))
    moved = {
        name for name, value in (params | state).items() if not torch.equal(value, adapted.tensors[name])
    }
    assert moved == {"features.4.context"}


def test_before_adaptation_the_network_is_the_plain_one(rng: np.random.Generator) -> None:
    network = PLAIN(WAYS)
    algorithm = CAVIA(network, inner_steps=0)
    task = draw_task(rng, TABLE)
    params, state = algorithm.init(rng)
    adapted = algorithm.adapt(params, state, task.support)
    expected = network(task.query.x)[:, : task.ways].detach()
    assert torch.allclose(algorithm.predict(params, state, adapted, task.query.x), expected)


@pytest.mark.parametrize(
    ("network", "layer", "maps"),
    [
        (PLAIN(WAYS), "features.0", {"shift"}),
        (ConvNet((1, 28, 28), 5, width=4), "features.9", {"shift", "scale"}),
        (ConvNet((1, 28, 28), 5, width=4, blocks=2, norm="none"), "features.4", {"shift", "scale"}),
        (nn.Linear(3, 2), "", {"shift"}),
    ],
    ids=["mlp", "third-norm", "last-convolution", "one-layer"],
)
def test_the_layer_is_the_first_or_the_third_convolution(
    network: nn.Module, layer: str, maps: set[str]
) -> None:
    params, state = CAVIA(network).net.init()
    added = {name for name in params | state if ".context" in f".{name}"}
    prefix = f"{layer}." if layer else ""
    assert added == {f"{prefix}context", *(f"{prefix}context_{name}" for name in maps)}


@pytest.mark.parametrize("layer", ["nowhere", "features.1"])
def test_a_layer_that_cannot_be_changed_is_refused_by_name(layer: str) -> None:
    with pytest.raises(UserError, match=f"'{layer}'; the network has features.0, features.2, head"):
        CAVIA(PLAIN(WAYS), layer=layer)


def test_a_network_without_such_a_layer_is_refused() -> None:
    with pytest.raises(UserError, match="the network has none"):
        CAVIA(nn.Sequential(nn.Flatten()))
    with pytest.raises(UserError, match="not '0'; the network has 1"):
        CAVIA(nn.Sequential(nn.BatchNorm1d(3, affine=False), nn.Linear(3, 2)), layer="0")
