"""Small synthetic tasks, and the learners they are run through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from metadx.learners import MLP, ConvNet, Tensors
from metadx.tasks import Examples, Task, make_examples

WAYS = 4
"""Outputs of every network; tasks have at most as many ways."""

WIDTH = 5
"""Columns of every embedding."""

TABLE = (3,)
IMAGE = (2, 4, 5)
VOLUME = (1, 4, 4, 4)


@dataclass(frozen=True)
class Learner:
    """A base network to be tried: `make(outputs, activation)`; with None outputs it embeds."""

    name: str
    shape: tuple[int, ...]
    make: Callable[[int | None, str], nn.Module]

    def __call__(self, outputs: int | None, activation: str = "tanh") -> nn.Module:
        """The network in double precision, the same one every time."""
        torch.manual_seed(1)
        return perturbed(self.make(outputs, activation).double())


def _mlp(norm: str) -> Callable[[int | None, str], nn.Module]:
    return lambda outputs, activation: MLP(TABLE[0], outputs, (6, WIDTH), activation, norm)


def _convnet(
    downsample: str, norm: str, shape: tuple[int, ...] = IMAGE
) -> Callable[[int | None, str], nn.Module]:
    return lambda outputs, activation: ConvNet(
        shape, outputs, width=WIDTH, blocks=2, downsample=downsample, norm=norm, activation=activation
    )


PLAIN = Learner("mlp", TABLE, _mlp("none"))
BATCH_NORM = Learner("convnet-stride-batch", IMAGE, _convnet("stride", "batch"))
LEARNERS = (
    PLAIN,
    Learner("mlp-layer", TABLE, _mlp("layer")),
    *(
        Learner(f"convnet-{down}-{norm}", IMAGE, _convnet(down, norm))
        for down in ("pool", "stride")
        for norm in ("batch", "group", "none")
    ),
    Learner("convnet3d-pool-batch", VOLUME, _convnet("pool", "batch", VOLUME)),
    Learner("convnet3d-stride-group", VOLUME, _convnet("stride", "group", VOLUME)),
)


def perturbed(module: nn.Module) -> nn.Module:
    """The module with every parameter moved off its initial value, so that no scale is 1 and no shift 0."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return module


def draw_task(
    rng: np.random.Generator, shape: Sequence[int], ways: int = 3, shots: int = 2, query: int = 3
) -> Task:
    """A task in double precision whose conditions differ in the mean of their inputs."""
    centre = rng.normal(0.0, 1.0, (ways, *shape))
    parts = []
    for count in (shots, query):
        labels = np.tile(np.arange(ways), count)
        x = centre[labels] + rng.normal(0.0, 0.7, (len(labels), *shape))
        parts.append(make_examples(torch.from_numpy(x), torch.from_numpy(labels), ways))
    return Task(*parts)


def draw_regression(rng: np.random.Generator, shape: Sequence[int], outputs: int = 2) -> Task:
    """A task in double precision whose targets are a random linear function of the inputs."""
    slope = rng.normal(0.0, 1.0, (int(np.prod(shape)), outputs))
    parts = []
    for count in (6, 5):
        x = rng.normal(0.0, 1.0, (count, *shape))
        y = torch.from_numpy(x.reshape(count, -1) @ slope)
        parts.append(Examples(torch.from_numpy(x), y, torch.ones(count, dtype=torch.float64)))
    return Task(*parts)


def ragged(rng: np.random.Generator, shape: Sequence[int]) -> list[Task]:
    """Tasks of unequal ways, shots and queries."""
    return [
        draw_task(rng, shape, ways=2, shots=1, query=2),
        draw_task(rng, shape, ways=4, shots=2, query=1),
        draw_task(rng, shape, ways=3, shots=3, query=3),
    ]


def pooled(task: Task, classes: int) -> Examples:
    """The task's cases as one batch of pooled cases of `classes` conditions, some of them padding."""
    x = torch.cat([task.support.x, task.query.x])
    labels = torch.arange(len(x)) % classes
    mask = (torch.arange(len(x)) % 5 != 4).to(x.dtype)
    return make_examples(x, labels, classes)._replace(mask=mask)


def double(tensors: Tensors) -> Tensors:
    """The same tensors in double precision."""
    return {name: t.double() if t.is_floating_point() else t for name, t in tensors.items()}


def copied(tensors: Tensors) -> Tensors:
    """Copies, to see later whether the originals changed."""
    return {name: t.clone() for name, t in tensors.items()}


def close(a: Tensor, b: Tensor, relative: float = 1e-9) -> bool:
    """Whether two tensors are equal up to `relative` times the larger norm of the two."""
    scale = max(a.norm().item(), b.norm().item(), 1e-12)
    return a.shape == b.shape and (a - b).norm().item() <= relative * scale


def all_close(a: Tensors, b: Tensors, relative: float = 1e-9) -> bool:
    """Whether both hold the same names with tensors that are `close`, on the scale of all of them together."""
    if a.keys() != b.keys():
        return False
    scale = max(torch.stack([t.norm() for t in a.values()]).norm().item(), 1e-12) if a else 1.0
    return all(
        (a[name] - b[name]).norm().item() <= relative * max(a[name].norm().item(), 1e-2 * scale) for name in a
    )
