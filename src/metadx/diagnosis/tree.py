"""What an algorithm made of a support set, as plain structure and named tensors, and back."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from metadx.algorithms import (
    Adapted,
    Centroids,
    DualFit,
    Effects,
    FittedHead,
    Level,
    Line,
    Linear,
    MetaRegression,
    Probe,
    Prototypes,
    Regression,
    Weights,
)
from metadx.algorithms.lr_d2 import Head
from metadx.learners import Reference, Tensors
from metadx.tasks import Examples

_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        Adapted,
        Centroids,
        DualFit,
        Effects,
        Examples,
        FittedHead,
        Head,
        Level,
        Line,
        Linear,
        MetaRegression,
        Probe,
        Prototypes,
        Reference,
        Regression,
        Weights,
    )
}


def take_apart(value: Any) -> tuple[Any, Tensors]:
    """Structure that JSON can hold, and the tensors it names; a tensor that stands in two places is named once.

    Raises:
        TypeError: something in it is neither a tensor, a dict of them, nor one of the adapted kinds.
    """
    names: dict[int, str] = {}
    tensors: Tensors = {}

    def structure(value: Any, name: str) -> Any:
        if isinstance(value, Tensor):
            known = names.setdefault(id(value), name)
            tensors[known] = value.detach()
            return known
        if value is None:
            return None
        kind = type(value).__name__
        if _KINDS.get(kind) is type(value):
            parts = value._asdict()
        elif isinstance(value, dict):
            kind, parts = "dict", value
        else:
            raise TypeError(f"a {kind} cannot be stored as tensors")
        return {"kind": kind, "parts": {key: structure(part, f"{name}/{key}") for key, part in parts.items()}}

    return structure(value, "adapted"), tensors


def put_together(structure: Any, tensors: Tensors) -> Any:
    """What `take_apart` took apart.

    Raises:
        KeyError, TypeError: the structure does not fit the tensors.
    """
    if structure is None:
        return None
    if isinstance(structure, str):
        return tensors[structure]
    parts = {key: put_together(part, tensors) for key, part in structure["parts"].items()}
    return parts if structure["kind"] == "dict" else _KINDS[structure["kind"]](**parts)
