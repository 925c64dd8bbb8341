"""What is measured: a network, tasks of one shape, and an inner loop; needs torch and NumPy alone.

Tasks are noise around a centre per class: time and memory do not depend on what pictures show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

import networks


@dataclass(frozen=True)
class Workload:
    """One meta-step.

    Args:
        words: what it is, for people.
        network: makes it in plain torch.
        learner: the same network among metadx's learners, by name and settings.
        shape: of one case.
        ways: classes per task; 0 for regression onto one value.
        support, query: cases of a task, per class where there are classes.
        tasks: per meta-step.
        steps: of the inner loop.
        inner_lr: its step size, on the mean loss.
        least, hoped: how many times faster than the fastest peer metadx must be, and should be.
        least_on_gpu: how many times faster it must be there.
    """

    words: str
    network: Callable[[], nn.Module]
    learner: Mapping[str, Any]
    shape: tuple[int, ...]
    ways: int
    support: int
    query: int
    tasks: int
    steps: int
    inner_lr: float
    least: float
    hoped: float
    least_on_gpu: float

    @property
    def outputs(self) -> int:
        return self.ways or 1


_CONV = "conv4-64, 28 x 28, 5-way"
_SINE = {"name": "mlp", "hidden": [40, 40]}

WORKLOADS = {
    "a": Workload(
        f"Omniglot's recipe: strided {_CONV} 1-shot, 1 query per class, 32 tasks, 1 step",
        lambda: networks.conv4(1, 5, side=28, pooled=False),
        {"name": "convnet", "downsample": "stride"},
        (1, 28, 28), 5, 1, 1, tasks=32, steps=1, inner_lr=2.0, least=2, hoped=3, least_on_gpu=5,
    ),
    "b": Workload(
        f"pooled {_CONV} 5-shot, 15 queries per class, 4 tasks, 5 steps",
        lambda: networks.conv4(1, 5, side=28, pooled=True),
        {"name": "convnet"},
        (1, 28, 28), 5, 5, 15, tasks=4, steps=5, inner_lr=0.05, least=1, hoped=1.5, least_on_gpu=2,
    ),
    "c1": Workload(
        "sinusoid: MLP 40-40, 10 points, 10 queries, 25 tasks, 1 step",
        lambda: networks.mlp(1, (40, 40), 1),
        _SINE, (1,), 0, 10, 10, tasks=25, steps=1, inner_lr=0.01, least=5, hoped=10, least_on_gpu=5,
    ),
    "c5": Workload(
        "sinusoid: MLP 40-40, 10 points, 10 queries, 25 tasks, 5 steps",
        lambda: networks.mlp(1, (40, 40), 1),
        _SINE, (1,), 0, 10, 10, tasks=25, steps=5, inner_lr=0.01, least=5, hoped=10, least_on_gpu=5,
    ),
    "d": Workload(
        "heartbeats: residual 1-D network with group norm, 5 x 144, 50 beats, 50 queries, 16 patients, 5 steps",
        lambda: networks.SignalNet(5, 5),
        {"name": "signalnet"},
        (5, 144), 5, 10, 10, tasks=16, steps=5, inner_lr=0.05, least=1.5, hoped=2.5, least_on_gpu=2,
    ),
    "e": Workload(
        "table: MLP 64-64, 43 columns, 5-way 5-shot, 15 queries per class, 64 tasks, 5 steps",
        lambda: networks.mlp(43, (64, 64), 5),
        {"name": "mlp", "hidden": [64, 64]},
        (43,), 5, 5, 15, tasks=64, steps=5, inner_lr=0.1, least=4, hoped=6, least_on_gpu=5,
    ),
}  # fmt: skip


class Cases(NamedTuple):
    """Inputs, shape (tasks, cases, ...), and whole-number labels (tasks, cases) or values (tasks, cases, 1)."""

    x: Tensor
    y: Tensor


@dataclass(frozen=True)
class Problem:
    """A workload with the weights and tasks that every side is given.

    Args:
        weights: parameters of the network in their order, whatever a library calls them.
    """

    workload: Workload
    steps: int
    weights: list[Tensor]
    support: Cases
    query: Cases
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tasks(self) -> int:
        return len(self.support.x)

    def network(self) -> nn.Module:
        """The network in plain torch, in training mode, with the weights."""
        return with_weights(self.workload.network().to(self.weights[0]), self.weights).train()


def with_weights(module: nn.Module, weights: list[Tensor]) -> nn.Module:
    """The module, its parameters set in their order.

    Raises:
        ValueError: they are not those of this module.
    """
    own = list(module.parameters())
    if [p.shape for p in own] != [w.shape for w in weights]:
        raise ValueError(f"weights of shapes {[tuple(w.shape) for w in weights]} do not fit this network")
    with torch.no_grad():
        for parameter, weight in zip(own, weights, strict=True):
            parameter.copy_(weight)
    return module


class Size(NamedTuple):
    """A size of a problem other than its workload's own: tasks, inner steps, support cases per class."""

    tasks: int | None = None
    steps: int | None = None
    support: int | None = None


OWN_SIZE = Size()


def write_problem(path: Path, name: str, size: Size = OWN_SIZE) -> None:
    """Draws weights and tasks of a workload into a file, in double precision, the same every time."""
    workload = WORKLOADS[name]
    workload = replace(workload, support=size.support or workload.support)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    weights = [
        (p + 0.05 * torch.randn_like(p)).detach().double().numpy() for p in workload.network().parameters()
    ]
    arrays = {f"weight{i:02d}": weight for i, weight in enumerate(weights)}
    for side, cases in zip(
        ("support", "query"), _draw(rng, workload, size.tasks or workload.tasks), strict=True
    ):
        arrays |= {f"{side}_x": cases[0], f"{side}_y": cases[1]}
    np.savez(path, name=name, steps=size.steps or workload.steps, **arrays)


def read_problem(
    path: Path, dtype: torch.dtype, settings: Mapping[str, Any] | None = None, device: str = "cpu"
) -> Problem:
    """What `write_problem` wrote, on a device.

    Args:
        dtype: of what is no whole number.
        settings: of the side alone, such as how metadx runs tasks.
    """
    with np.load(path) as arrays:
        weights = [torch.from_numpy(arrays[k]).to(device, dtype) for k in arrays if k.startswith("weight")]
        support, query = (
            Cases(*(_as(dtype, arrays[f"{side}_{part}"]).to(device) for part in "xy"))
            for side in ("support", "query")
        )
        workload = WORKLOADS[str(arrays["name"])]
        return Problem(workload, int(arrays["steps"]), weights, support, query, settings or {})


def _as(dtype: torch.dtype, array: np.ndarray[Any, Any]) -> Tensor:
    tensor = torch.from_numpy(array)
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def _draw(rng: np.random.Generator, workload: Workload, tasks: int) -> list[tuple[Any, Any]]:
    """Support and query set: inputs and targets, tasks first."""
    if not workload.ways:
        amplitude, phase = rng.uniform(0.1, 5, (tasks, 1, 1)), rng.uniform(0, np.pi, (tasks, 1, 1))
        points = [rng.uniform(-5, 5, (tasks, n, 1)) for n in (workload.support, workload.query)]
        return [(x, amplitude * np.sin(x - phase)) for x in points]
    centre = rng.normal(size=(tasks, workload.ways, *workload.shape))
    parts = []
    for count in (workload.support, workload.query):
        label = np.tile(np.arange(workload.ways), count)
        x = centre[:, label] + rng.normal(size=(tasks, len(label), *workload.shape))
        parts.append((x, np.tile(label, (tasks, 1))))
    return parts
