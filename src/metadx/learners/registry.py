"""Learners by the names that recipes and bundles use."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import nn

from metadx.errors import UserError, nearest
from metadx.learners.convnet import ConvNet
from metadx.learners.efficientnet import EfficientNet, EfficientNetTail
from metadx.learners.grud import GatedDecayNet
from metadx.learners.mlp import MLP
from metadx.learners.signalmlp import SignalMLP
from metadx.learners.signalnet import SignalNet
from metadx.learners.tcn import TemporalConvNet

_TAKES = {
    "convnet": (2, 3, 4),
    "signalnet": (2,),
    "signalmlp": (2,),
    "tcn": (2,),
    "grud": (2,),
} | dict.fromkeys(("efficientnet-lite0", "efficientnet-lite0-tail"), (3,))
"""How many dimensions, channels included, a case of each learner has; others take any."""


class NamedSettings(BaseModel):
    """A learner or an algorithm by name, and its own settings, which are checked against what it takes."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @property
    def settings(self) -> dict[str, Any]:
        """Everything but the name."""
        return dict(self.model_extra or {})


def choose_learner(
    learner: NamedSettings, input_shape: tuple[int, ...], *, gaps: bool = False
) -> NamedSettings:
    """The learner with its name; "auto" is an MLP for rows, a SignalNet for signals, a GRU-D for signals with gaps,
    and a ConvNet for images.

    Args:
        gaps: whether inputs are those of `metadx.cases.GapTransform`.
    """
    if learner.name != "auto":
        return learner
    signal = "grud" if gaps else "signalnet"
    name = {1: "mlp", 2: signal}.get(len(input_shape), "convnet")
    return learner.model_copy(update={"name": name})


def build_learner(
    learner: NamedSettings, input_shape: tuple[int, ...], outputs: int | None, seed: int = 0, views: int = 0
) -> nn.Module:
    """The learner a recipe names; "auto" as in `choose_learner`, for inputs without gaps.

    Args:
        outputs: columns of the output; None for the embedding alone.
        views: where an algorithm shows several views of a case, of shape (cases, views, *input_shape), how many.
    """
    name = choose_learner(learner, input_shape).name
    makers: Mapping[str, Any] = {
        "mlp": MLP,
        "convnet": ConvNet,
        "signalnet": SignalNet,
        "signalmlp": SignalMLP,
        "tcn": TemporalConvNet,
        "grud": GatedDecayNet,
        "efficientnet-lite0": EfficientNet,
        "efficientnet-lite0-tail": EfficientNetTail,
    }
    if name not in makers:
        raise UserError(f"unknown learner '{name}'; {nearest(name, [*makers, 'auto'])}")
    if len(input_shape) not in _TAKES.get(name, (len(input_shape),)):
        raise UserError(
            f"learner '{name}' takes cases of {' or '.join(map(str, _TAKES[name]))} dimensions, not of shape "
            f"{input_shape}"
        )
    known = list(inspect.signature(makers[name]).parameters)[2:]
    refuse_unknown(f"learner.{name}", learner.settings, known)
    with torch.random.fork_rng():
        torch.manual_seed(int(np.random.default_rng(seed).integers(2**31)))
        first = _seen(name, input_shape, views)
        try:
            network: nn.Module = makers[name](first, outputs, **learner.settings)
        except (TypeError, ValueError, KeyError) as error:
            raise UserError(f"learner '{name}': {error}") from error
    if views and name == "convnet":
        return nn.Sequential(nn.Flatten(1, 2), network)
    return network


def _seen(name: str, shape: tuple[int, ...], views: int) -> int | tuple[int, ...]:
    """What a network is built for: views are channels to convolutions."""
    if name == "mlp":
        return max(views, 1) * int(np.prod(shape))
    if name == "convnet":
        return max(views, 1) * shape[0], *shape[1:]
    return (views, *shape) if views else shape


def refuse_unknown(where: str, settings: Mapping[str, Any], known: Iterable[str]) -> None:
    """Raises a `UserError` that names the first unknown key and the known one nearest to it."""
    names = list(known)
    for key in settings:
        if key not in names:
            raise UserError(f"unknown key '{where}.{key}'; {nearest(key, names)}")
