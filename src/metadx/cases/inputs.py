"""What a model takes: which observations, in which columns or pixels, and how they become network inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadx.cases.cases import Cases, Modality
from metadx.cases.preprocess import Pixels, TableTransform, Transform
from metadx.errors import UserError, nearest

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Inputs:
    """The observations a model was trained on, as far as new ones must resemble them.

    Args:
        modality: what kind of observation.
        features: the name of each column of a table; empty otherwise.
        transform: observations to network inputs, fitted on meta-training cases.
        bits: how many bits of 16-bit grey pictures hold values; None for pictures as they are.
    """

    modality: Modality
    features: tuple[str, ...]
    transform: Transform
    bits: int | None = None

    def check(self, cases: Cases) -> None:
        """Refuses cases that the model cannot take.

        Raises:
            UserError: another modality, other columns or pictures of another shape; names them.
        """
        source = cases.provenance.source
        if cases.modality != self.modality:
            raise UserError(f"{source}: {cases.modality} cases, but the model takes {self.modality} cases.")
        if cases.features != self.features:
            missing = [name for name in self.features if name not in cases.features]
            if missing:
                hint = nearest(missing[0], cases.features)
                raise UserError(f"{source}: no column '{missing[0]}', which the model takes; {hint}")
            raise UserError(f"{source}: the columns are not those of the model, in their order.")
        if self.modality != "table" and cases.x.shape[1:] != self.transform.shape:
            raise UserError(
                f"{source}: cases of shape {cases.x.shape[1:]}, but the model takes {self.transform.shape}."
            )


def inputs_to_parts(inputs: Inputs) -> tuple[dict[str, Any], Arrays]:
    """Inputs as plain data and arrays, for JSON and safetensors."""
    plain: dict[str, Any] = {
        "modality": inputs.modality,
        "features": list(inputs.features),
        "bits": inputs.bits,
    }
    transform = inputs.transform
    if isinstance(transform, Pixels):
        return plain | {"transform": "pixels", "shape": list(transform.shape)}, {}
    if not isinstance(transform, TableTransform):
        raise UserError(
            f"a {type(transform).__name__} cannot be stored; use a table's or a picture's transform"
        )
    arrays: Arrays = {
        name: getattr(transform, name) for name in ("log", "mean", "std", "ranked", "flagged", "rate")
    }
    lengths = np.array([len(values) for values in transform.sorted], dtype=np.int64)
    arrays |= {"sorted": np.concatenate([*transform.sorted, np.zeros(0)]), "sorted_lengths": lengths}
    return plain | {"transform": "table"}, arrays


def inputs_from_parts(plain: dict[str, Any], arrays: Arrays) -> Inputs:
    """What `inputs_to_parts` took apart.

    Raises:
        KeyError, TypeError, ValueError: the parts do not fit together.
    """
    transform: Transform
    if plain["transform"] == "pixels":
        transform = Pixels(tuple(int(side) for side in plain["shape"]))
    else:
        ends = np.cumsum(arrays["sorted_lengths"])
        transform = TableTransform(
            log=arrays["log"].astype(bool),
            mean=arrays["mean"],
            std=arrays["std"],
            ranked=arrays["ranked"],
            sorted=tuple(np.split(arrays["sorted"], ends[:-1])) if len(ends) else (),
            flagged=arrays["flagged"],
            rate=arrays["rate"],
        )
    return Inputs(plain["modality"], tuple(plain["features"]), transform, plain["bits"])
