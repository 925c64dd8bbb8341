"""The four-block convolutional network of the few-shot literature, for signals, images and volumes of any size."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from metadx.learners.mlp import ACTIVATIONS, one_of
from metadx.learners.norm import BatchNorm

NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": BatchNorm,
    "group": lambda channels: nn.GroupNorm(_groups(channels), channels),
    "none": lambda _: nn.Identity(),
}
DOWNSAMPLES = ("pool", "stride")

_CONVOLUTIONS: dict[int, type[nn.Conv1d | nn.Conv2d | nn.Conv3d]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_POOLS: dict[int, Callable[[int], nn.Module]] = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}


def _groups(channels: int) -> int:
    """Up to eight groups of two channels or more: alone, a channel of one pixel is normalised to nothing."""
    return max(1, math.gcd(16, channels) // 2)


class ConvNet(nn.Module):
    """Blocks of convolution three wide, normalisation and activation, each halving every side, and a linear head.

    "pool" halves by max-pooling over two and flattens (Vinyals et al. 2016; Snell et al. 2017); "stride" halves by
    strided convolution and takes the spatial mean (Finn et al. 2017, Omniglot).

    Args:
        shape: (channels, height, width) of one image; (channels, depth, height, width) of a volume, whose
            convolutions are three-dimensional; or (channels, samples) of a signal.
        outputs: columns of the output; None leaves the head out and gives the embedding.
        width: channels of each block.
        blocks: number of blocks; fewer where a side is too small to halve that often.
        downsample: "pool" or "stride".
        norm: one of `NORMS`.
        activation: one of `ACTIVATIONS`.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        outputs: int | None = None,
        width: int = 64,
        blocks: int = 4,
        downsample: str = "pool",
        norm: str = "batch",
        activation: str = "relu",
    ) -> None:
        super().__init__()
        one_of(DOWNSAMPLES, "downsample", downsample)
        one_of(NORMS, "norm", norm)
        one_of(ACTIVATIONS, "activation", activation)
        channels, sides = shape[0], list(shape[1:])
        if len(sides) not in _CONVOLUTIONS:
            raise ValueError(f"cases of shape {shape} have no one, two or three sides to convolve over")
        convolution, pool = _CONVOLUTIONS[len(sides)], _POOLS[len(sides)]
        layers: list[nn.Module] = []
        for _ in range(blocks):
            if min(sides) < 2:
                break
            layers.append(convolution(channels, width, 3, stride=1 + (downsample == "stride"), padding=1))
            layers.append(NORMS[norm](width))
            layers += [pool(2)] if downsample == "pool" else []
            layers.append(
                ACTIVATIONS[activation]()
            )  # after the pool, which it commutes with: a quarter of the work
            sides = [(side + (downsample == "stride")) // 2 for side in sides]
            channels = width
        if downsample == "stride":
            layers.append(SpatialMean())
            sides = [1]
        self.features = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Identity() if outputs is None else nn.Linear(channels * math.prod(sides), outputs)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.features(x))
        return out


class SpatialMean(nn.Module):
    """The mean over all sides, shape (cases, channels, 1, ...)."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.mean(x, tuple(range(2, x.dim())), keepdim=True)
