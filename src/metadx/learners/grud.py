"""A gated recurrent network for signals with gaps: what was seen last counts less the longer ago it was."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metadx.errors import UserError
from metadx.learners.mlp import ACTIVATIONS, one_of

PARTS = 3
"""Blocks of channels that a signal with gaps comes in: values, whether each was observed, and since when."""


class GatedDecayNet(nn.Module):
    """A gated recurrence (GRU-D) over values that decay towards the mean, and a state that decays, between samples.

    The input is what `metadx.cases.GapTransform` makes: a third of the channels hold the last value observed,
    standardised; a third 1 where it was observed in that step; a third how long ago, on a log scale. How fast
    each variable and each unit of the state decays is learned. Written out in plain operations, so that it can be
    differentiated twice on any device.

    Args:
        shape: (3 x variables, steps) of one signal.
        outputs: columns of the output; None leaves the head out and gives the embedding.
        width: units of the state.
        embedding: columns of the hidden layer.
        activation: one of `ACTIVATIONS`, of the hidden layer.

    References:
        Che, Purushotham, Cho, Sontag and Liu, "Recurrent Neural Networks for Multivariate Time Series with Missing
        Values", Scientific Reports 2018.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        outputs: int | None = None,
        width: int = 32,
        embedding: int = 64,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        one_of(ACTIVATIONS, "activation", activation)
        if shape[0] % PARTS:
            raise UserError(
                "learner 'grud' takes values, whether each was observed, and since when: three times as many "
                f"channels as variables, not {shape[0]}. Use signalnet or tcn for signals without gaps."
            )
        variables = shape[0] // PARTS
        self.value_decay = nn.Parameter(torch.zeros(variables))
        self.state_decay = nn.Linear(variables, width)
        self.inputs = nn.Linear(2 * variables, 3 * width)
        self.gates = nn.Linear(width, 2 * width, bias=False)
        self.candidate = nn.Linear(width, width, bias=False)
        self.hidden = nn.Sequential(nn.Linear(2 * width + variables, embedding), ACTIVATIONS[activation]())
        self.head = nn.Identity() if outputs is None else nn.Linear(embedding, outputs)

    def forward(self, x: Tensor) -> Tensor:
        value, observed, since = x.transpose(-1, -2).chunk(PARTS, dim=-1)
        faded = value * torch.exp(-F.softplus(self.value_decay) * since)
        known = observed * value + (1 - observed) * faded
        driven = self.inputs(torch.cat([known, observed], dim=-1))
        kept = torch.exp(-F.softplus(self.state_decay(since)))
        width = kept.shape[-1]
        state = torch.zeros_like(kept[:, 0])
        total = state
        for step in range(x.shape[-1]):
            state = kept[:, step] * state
            update, reset = torch.sigmoid(driven[:, step, : 2 * width] + self.gates(state)).chunk(2, dim=-1)
            new = torch.tanh(driven[:, step, 2 * width :] + self.candidate(reset * state))
            state = (1 - update) * state + update * new
            total = total + state
        pooled = torch.cat([state, total / x.shape[-1], observed.mean(1)], dim=-1)
        out: Tensor = self.head(self.hidden(pooled))
        return out
