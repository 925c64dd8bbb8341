"""The four-block convolutional network of the few-shot literature, for images of any size and channels."""

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


def _groups(channels: int) -> int:
    """Up to eight groups of two channels or more: alone, a channel of one pixel is normalised to nothing."""
    return max(1, math.gcd(16, channels) // 2)


class ConvNet(nn.Module):
    """Blocks of 3x3 convolution, normalisation and activation, each halving the image, and a linear head.

    "pool" halves by 2x2 max-pooling and flattens (Vinyals et al. 2016; Snell et al. 2017); "stride" halves by
    strided convolution and takes the spatial mean (Finn et al. 2017, Omniglot).

    Args:
        shape: (channels, height, width) of one image.
        outputs: columns of the output; None leaves the head out and gives the embedding.
        width: channels of each block.
        blocks: number of blocks; fewer where the image is too small to halve that often.
        downsample: "pool" or "stride".
        norm: one of `NORMS`.
        activation: one of `ACTIVATIONS`.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
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
        channels, height, length = shape
        layers: list[nn.Module] = []
        for _ in range(blocks):
            if min(height, length) < 2:
                break
            layers.append(nn.Conv2d(channels, width, 3, stride=1 + (downsample == "stride"), padding=1))
            layers += [NORMS[norm](width), ACTIVATIONS[activation]()]
            if downsample == "pool":
                layers.append(nn.MaxPool2d(2))
                height, length = height // 2, length // 2
            else:
                height, length = (height + 1) // 2, (length + 1) // 2
            channels = width
        if downsample == "stride":
            layers.append(SpatialMean())
            height = length = 1
        self.features = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Identity() if outputs is None else nn.Linear(channels * height * length, outputs)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.features(x))
        return out


class SpatialMean(nn.Module):
    """The mean over height and width, shape (cases, channels, 1, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.mean(x, (-2, -1), keepdim=True)
