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
from metadx.learners.mlp import MLP
from metadx.learners.signalnet import SignalNet


class NamedSettings(BaseModel):
    """A learner or an algorithm by name, and its own settings, which are checked against what it takes."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @property
    def settings(self) -> dict[str, Any]:
        """Everything but the name."""
        return dict(self.model_extra or {})


def build_learner(
    learner: NamedSettings, input_shape: tuple[int, ...], outputs: int | None, seed: int = 0
) -> nn.Module:
    """The learner a recipe names; "auto" is an MLP for rows, a SignalNet for signals and a ConvNet for
    images.

    Args:
        outputs: columns of the output; None for the embedding alone.
    """
    name = learner.name
    if name == "auto":
        name = {1: "mlp", 2: "signalnet"}.get(len(input_shape), "convnet")
    makers: Mapping[str, Any] = {"mlp": MLP, "convnet": ConvNet, "signalnet": SignalNet}
    if name not in makers:
        raise UserError(f"unknown learner '{name}'; {nearest(name, [*makers, 'auto'])}")
    dimensions = {"mlp": len(input_shape), "signalnet": 2, "convnet": 3}[name]
    if len(input_shape) != dimensions:
        raise UserError(
            f"learner '{name}' takes cases of {dimensions} dimensions, not of shape {input_shape}"
        )
    known = list(inspect.signature(makers[name]).parameters)[2:]
    refuse_unknown(f"learner.{name}", learner.settings, known)
    with torch.random.fork_rng():
        torch.manual_seed(int(np.random.default_rng(seed).integers(2**31)))
        first = int(np.prod(input_shape)) if name == "mlp" else input_shape
        try:
            network: nn.Module = makers[name](first, outputs, **learner.settings)
        except (TypeError, ValueError, KeyError) as error:
            raise UserError(f"learner '{name}': {error}") from error
    return network


def refuse_unknown(where: str, settings: Mapping[str, Any], known: Iterable[str]) -> None:
    """Raises a `UserError` that names the first unknown key and the known one nearest to it."""
    names = list(known)
    for key in settings:
        if key not in names:
            raise UserError(f"unknown key '{where}.{key}'; {nearest(key, names)}")
