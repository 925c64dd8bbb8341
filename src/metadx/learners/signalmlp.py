"""A multi-layer perceptron on a short, aligned signal: coarse samples, levels, and the energy of stretches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metadx.learners.mlp import ACTIVATIONS, one_of


class SignalMLP(nn.Module):
    """Channels that vary over the window as coarse samples and the energy of each stretch, channels that do not by
    their mean, then hidden layers; much cheaper than convolutions where windows are aligned, as heartbeats are.

    Args:
        shape: (channels, samples) of one signal, or (views, channels, samples) of several views of it.
        outputs: columns of the output; None leaves the head out and gives the embedding.
        hidden: width of each hidden layer.
        steady: how many of the channels, the last ones, are the same throughout a window.
        coarse: samples that are averaged into one.
        stretches: equally long parts of the window of which the energy is taken.
        activation: one of `ACTIVATIONS`.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        outputs: int | None = None,
        hidden: Sequence[int] = (128, 64),
        steady: int = 0,
        coarse: int = 2,
        stretches: int = 6,
        activation: str = "gelu",
    ) -> None:
        super().__init__()
        one_of(ACTIVATIONS, "activation", activation)
        *views, channels, samples = shape
        if not 0 <= steady < channels:
            raise ValueError(f"steady must be from 0 to {channels - 1}, less than the channels, not {steady}")
        if not 1 <= coarse <= samples or not 1 <= stretches <= samples:
            raise ValueError(f"coarse and stretches must be from 1 to {samples}, the samples there are")
        self.varying, self.coarse, self.stretches = channels - steady, coarse, stretches
        number = views[0] if views else 1
        size = number * (self.varying * (samples // coarse + stretches) + steady)
        layers: list[nn.Module] = []
        for width in hidden:
            layers += [nn.Linear(size, width), ACTIVATIONS[activation]()]
            size = width
        self.features = nn.Sequential(*layers)
        self.head = nn.Identity() if outputs is None else nn.Linear(size, outputs)

    def forward(self, x: Tensor) -> Tensor:
        varying, steady = x[..., : self.varying, :].flatten(1, -2), x[..., self.varying :, :].mean(-1)
        shape = F.avg_pool1d(varying, self.coarse)
        energy = torch.log(F.adaptive_avg_pool1d(varying.square(), self.stretches) + _FLOOR)
        row = torch.cat([part.flatten(1) for part in (shape, energy, steady)], dim=-1)
        out: Tensor = self.head(self.features(row))
        return out


_FLOOR = 1e-2
