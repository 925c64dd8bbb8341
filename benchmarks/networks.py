"""The networks of the benchmarks in plain torch, layer for layer those of `metadx.learners`; needs torch alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn


class SpatialMean(nn.Module):
    """The mean over height and width."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


def conv4(channels: int, outputs: int, *, side: int, pooled: bool) -> nn.Module:
    """Four blocks of 64 channels: pooled and flattened, or strided and averaged over the picture."""
    layers: list[nn.Module] = []
    for _ in range(4):
        layers.append(nn.Conv2d(channels, 64, 3, stride=1 if pooled else 2, padding=1))
        layers += [nn.BatchNorm2d(64, track_running_stats=False), nn.ReLU()]
        if pooled:
            layers.append(nn.MaxPool2d(2))
        side, channels = (side if pooled else side + 1) // 2, 64
    if not pooled:
        return nn.Sequential(*layers, SpatialMean(), nn.Linear(64, outputs))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * side * side, outputs))


def embedding(channels: int) -> nn.Module:
    """The pooled blocks with batch norms that keep statistics, flattened."""
    layers: list[nn.Module] = []
    for inner in (channels, 64, 64, 64):
        layers += [nn.Conv2d(inner, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten())


def filled(network: nn.Module, arrays: Mapping[str, Any]) -> nn.Module:
    """The network with the tensors `weight00`, `weight01` ... of a file, in their order, in evaluation mode."""
    names = sorted(key for key in arrays if key.startswith("weight"))
    tensors = [torch.from_numpy(arrays[name]) for name in names]
    network.load_state_dict(dict(zip(network.state_dict(), tensors, strict=True)))
    return network.eval()


def mlp(inputs: int, hidden: Sequence[int], outputs: int) -> nn.Module:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for size, width in pairwise([inputs, *hidden]):
        layers += [nn.Linear(size, width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(hidden[-1], outputs))


class SignalNet(nn.Module):
    """Three residual blocks over time with group normalisation, and a hidden layer."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        widths = [channels, 24, 48, 48]
        self.blocks = nn.Sequential(*(Residual(inner, outer) for inner, outer in pairwise(widths)))
        self.hidden = nn.Linear(widths[-1] + channels, 64)
        self.head = nn.Linear(64, outputs)

    def forward(self, x: Tensor) -> Tensor:
        pooled = torch.cat([self.blocks(x).mean(-1), x.mean(-1)], -1)
        out: Tensor = self.head(torch.relu(self.hidden(pooled)))
        return out


class Residual(nn.Module):
    """Two convolutions, the first of stride 2, beside a strided one."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(inner, outer, 7, stride=2, padding=3)
        self.second = nn.Conv1d(outer, outer, 7, padding=3)
        self.past = nn.Conv1d(inner, outer, 1, stride=2)
        self.norms = nn.ModuleList(nn.GroupNorm(math.gcd(16, outer) // 2, outer) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        out = torch.relu(self.norms[0](self.first(x)))
        return torch.relu(self.norms[1](self.second(out)) + self.past(x))
