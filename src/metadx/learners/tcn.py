"""A temporal convolutional network: what it says at a moment depends on nothing later."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metadx.learners.mlp import ACTIVATIONS, one_of
from metadx.learners.norm import LayerNorm

NORMS = ("step", "none")


class TemporalConvNet(nn.Module):
    """Residual blocks of causal convolutions whose dilation doubles, and a hidden layer over the last step.

    Beside the last step stand the mean over time, for what happened at no particular moment, and the mean of the
    input, for channels that do not change.

    Args:
        shape: (channels, samples) of one signal.
        outputs: columns of the output; None leaves the head out and gives the embedding.
        width: channels of each block.
        blocks: number of residual blocks; fewer where their dilation would exceed the signal.
        kernel: samples that a convolution spans, before dilation.
        embedding: columns of the hidden layer.
        norm: "step" normalises the channels of each moment by themselves, so that nothing later is looked at.
        activation: one of `ACTIVATIONS`.

    References:
        Bai, Kolter and Koltun, "An Empirical Evaluation of Generic Convolutional and Recurrent Networks for
        Sequence Modeling", arXiv:1803.01271, with normalisation by step in place of weight normalisation.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        outputs: int | None = None,
        width: int = 32,
        blocks: int = 4,
        kernel: int = 3,
        embedding: int = 64,
        norm: str = "step",
        activation: str = "relu",
    ) -> None:
        super().__init__()
        one_of(NORMS, "norm", norm)
        one_of(ACTIVATIONS, "activation", activation)
        channels, samples = shape
        stages: list[nn.Module] = []
        inner = channels
        for number in range(blocks):
            if number and 2**number >= samples:
                break
            stages.append(_Block(inner, width, kernel, 2**number, norm, activation))
            inner = width
        self.blocks = nn.Sequential(*stages)
        self.hidden = nn.Sequential(nn.Linear(2 * inner + channels, embedding), ACTIVATIONS[activation]())
        self.head = nn.Identity() if outputs is None else nn.Linear(embedding, outputs)

    def forward(self, x: Tensor) -> Tensor:
        steps = self.blocks(x)
        out: Tensor = self.head(self.hidden(torch.cat([steps[..., -1], steps.mean(-1), x.mean(-1)], dim=-1)))
        return out


class _Block(nn.Module):
    """Two causal convolutions of one dilation, and the input carried past them."""

    def __init__(
        self, inner: int, outer: int, kernel: int, dilation: int, norm: str, activation: str
    ) -> None:
        super().__init__()
        self.before = (kernel - 1) * dilation
        self.first = nn.Conv1d(inner, outer, kernel, dilation=dilation)
        self.second = nn.Conv1d(outer, outer, kernel, dilation=dilation)
        self.past = nn.Identity() if inner == outer else nn.Conv1d(inner, outer, 1)
        self.norms = nn.ModuleList(_StepNorm(outer) if norm == "step" else nn.Identity() for _ in range(2))
        self.act = ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        out = self.act(self.norms[0](self.first(F.pad(x, (self.before, 0)))))
        out = self.norms[1](self.second(F.pad(out, (self.before, 0))))
        result: Tensor = self.act(out + self.past(x))
        return result


class _StepNorm(nn.Module):
    """Layer normalisation over the channels of each moment, shape (cases, channels, samples)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(x.transpose(-1, -2)).transpose(-1, -2)
        return out
