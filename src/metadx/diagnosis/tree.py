"""What an algorithm made of a support set, as plain structure and named tensors, and back."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from metadx.algorithms import Adapted, Centroids, DualFit, Probe, Prototypes, Regression
from metadx.learners import Reference, Tensors
from metadx.tasks import Examples

_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (Adapted, Centroids, DualFit, Examples, Probe, Prototypes, Reference, Regression)
}


def take_apart(value: Any, name: str = "adapted") -> tuple[Any, Tensors]:
    """Structure that JSON can hold, and the tensors it names.

    Raises:
        TypeError: something in it is neither a tensor, a dict of them, nor one of the adapted kinds.
    """
    if isinstance(value, Tensor):
        return name, {name: value.detach()}
    if type(value).__name__ in _KINDS:
        parts = value._asdict()
        kind: dict[str, Any] = {"kind": type(value).__name__}
    elif isinstance(value, dict):
        parts, kind = value, {"kind": "dict"}
    else:
        raise TypeError(f"a {type(value).__name__} cannot be stored as tensors")
    taken = {key: take_apart(part, f"{name}/{key}") for key, part in parts.items()}
    tensors = {k: v for _, found in taken.values() for k, v in found.items()}
    return kind | {"parts": {key: structure for key, (structure, _) in taken.items()}}, tensors


def put_together(structure: Any, tensors: Tensors) -> Any:
    """What `take_apart` took apart.

    Raises:
        KeyError, TypeError: the structure does not fit the tensors.
    """
    if isinstance(structure, str):
        return tensors[structure]
    parts = {key: put_together(part, tensors) for key, part in structure["parts"].items()}
    return parts if structure["kind"] == "dict" else _KINDS[structure["kind"]](**parts)
