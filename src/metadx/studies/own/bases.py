"""Base models that ship with metadx: what was meta-learned elsewhere, for data with nothing to meta-train on."""

from __future__ import annotations

import importlib.resources
import json
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from safetensors import safe_open

from metadx.algorithms import Algorithm, Dimensions, build_algorithm
from metadx.cases.preprocess import SignalTransform
from metadx.learners import NamedSettings, Tensors


@dataclass(frozen=True)
class Base:
    """A meta-learned model that ships.

    Args:
        name: its file's name without suffix.
        params, state: its tensors.
        about: what it is, what it was trained on, under which licence, and the command that made it.
    """

    name: str
    params: Tensors
    state: Tensors
    about: dict[str, Any]

    @property
    def said(self) -> str:
        """What a report says of it."""
        a = self.about
        return (
            f"{a['title']}, which ships with metadx: meta-trained on {a['data']} ({a['licence']}) by "
            f"`{a['command']}`."
        )

    def build(self) -> Algorithm:
        """The algorithm around it, for values."""
        spec = self.about["spec"]
        return build_algorithm(
            NamedSettings(**spec["algorithm"]),
            NamedSettings(**spec["learner"]),
            Dimensions(tuple(spec["input_shape"]), spec["outputs"], 0, classification=False),
        )

    def transform(self) -> SignalTransform:
        """How its signals were standardised."""
        held = self.about["transform"]
        return SignalTransform(np.asarray(held["mean"]), np.asarray(held["std"]), tuple(held["shape"]))


@cache
def base(name: str) -> Base | None:
    """The base of that name, or None where metadx ships none."""
    place = importlib.resources.files("metadx.bases").joinpath(f"{name}.safetensors")
    if not place.is_file():
        return None
    with importlib.resources.as_file(place) as path, safe_open(str(path), framework="pt") as file:
        about = json.loads(file.metadata()["about"])
        held = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118

    def group(kind: str) -> dict[str, torch.Tensor]:
        return {key.partition("/")[2]: value for key, value in held.items() if key.startswith(f"{kind}/")}

    return Base(name, group("params"), group("state"), about)
