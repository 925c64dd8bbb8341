"""A residual convolutional network over time, for heartbeats and other short signals."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from metadx.learners.convnet import NORMS
from metadx.learners.mlp import ACTIVATIONS, one_of


class SignalNet(nn.Module):
    """Residual blocks that halve the signal, their mean over time beside that of the input, and a hidden layer.

    The mean of the input keeps channels that do not change over the window, such as intervals between beats,
    which normalisation would take away; those named as steady are kept from the convolutions.

    Args:
        shape: (channels, samples) of one signal, or (views, channels, samples) of several views of it.
        outputs: columns of the output; None leaves the head out and gives the embedding.
        steady: how many of the channels, the last ones, are the same throughout a window.
        width: channels of the first block; the others have twice as many.
        blocks: number of residual blocks; fewer where the signal is too short to halve that often.
        kernel: samples that a convolution spans.
        embedding: columns of the hidden layer.
        norm: "group" or "none"; "batch" takes statistics over the support set.
        activation: one of `ACTIVATIONS`.

    References:
        He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, over time instead of space.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        outputs: int | None = None,
        steady: int = 0,
        width: int = 24,
        blocks: int = 3,
        kernel: int = 7,
        embedding: int = 64,
        norm: str = "group",
        activation: str = "relu",
    ) -> None:
        super().__init__()
        one_of(NORMS, "norm", norm)
        one_of(ACTIVATIONS, "activation", activation)
        *views, channels, samples = shape
        if not 0 <= steady < channels:
            raise ValueError(f"steady must be from 0 to {channels - 1}, less than the channels, not {steady}")
        copies = views[0] if views else 1
        self.varying = channels - steady
        stages: list[nn.Module] = []
        inner = copies * self.varying
        for number in range(blocks):
            if samples < 2:
                break
            wider = width if number == 0 else 2 * width
            stages.append(_Block(inner, wider, kernel, norm, activation))
            inner, samples = wider, (samples + 1) // 2
        self.blocks = nn.Sequential(*stages)
        self.hidden = nn.Sequential(
            nn.Linear(inner + copies * channels, embedding), ACTIVATIONS[activation]()
        )
        self.head = nn.Identity() if outputs is None else nn.Linear(embedding, outputs)

    def forward(self, x: Tensor) -> Tensor:
        varying = x[..., : self.varying, :].flatten(1, -2)
        pooled = torch.cat([self.blocks(varying).mean(-1), x.mean(-1).flatten(1)], dim=-1)
        out: Tensor = self.head(self.hidden(pooled))
        return out


class _Block(nn.Module):
    """Two convolutions, the first of stride 2, beside a strided one that carries the input past them."""

    def __init__(self, inner: int, outer: int, kernel: int, norm: str, activation: str) -> None:
        super().__init__()
        self.first = nn.Conv1d(inner, outer, kernel, stride=2, padding=kernel // 2)
        self.second = nn.Conv1d(outer, outer, kernel, padding=kernel // 2)
        self.past = nn.Conv1d(inner, outer, 1, stride=2)
        self.norms = nn.ModuleList(NORMS[norm](outer) for _ in range(2))
        self.act = ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        out = self.act(self.norms[0](self.first(x)))
        out = self.norms[1](self.second(out))
        result: Tensor = self.act(out + self.past(x))
        return result
