"""Adapted models without the support cases they were adapted to."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import torch
from torch import Tensor

from metadx.algorithms import (
    Adapted,
    Algorithm,
    Centroids,
    DualFit,
    Effects,
    FittedHead,
    Level,
    Line,
    Linear,
    Probe,
    Prototypes,
    Regression,
    Weights,
)
from metadx.algorithms.lr_d2 import Head
from metadx.errors import UserError
from metadx.learners import Functional, Reference
from metadx.tasks import Examples, present

LOST = (
    "the most similar known cases are not shown as evidence",
    "no case or condition can be added to it",
    "it cannot be adapted again by another method, nor checked by leaving cases out",
)
"""What a bundle without its support cases cannot do."""


def forget(algorithm: Algorithm, adapted: Any) -> Any:
    """The adapted model with the inputs of its support cases removed; it predicts the same.

    What stays was made of those cases: with one shot, a prototype is one patient's embedding.

    Raises:
        UserError: the model compares new cases with its support cases, or takes batch statistics from them.
    """
    net = getattr(algorithm, "net", None)
    if isinstance(net, Functional) and net.batch_statistics:
        raise UserError(
            f"{type(algorithm).__name__} takes its batch statistics from the support cases, so a bundle needs "
            "them; leave out --no-support, or train with norm: layer"
        )
    return _forget(adapted)


@singledispatch
def _forget(adapted: Any) -> Any:
    raise UserError(
        "this algorithm compares new cases with its support cases, so a bundle needs them; leave out --no-support, "
        "or train protonet, linear_probe, maml or anil instead"
    )


@_forget.register(Adapted)
@_forget.register(FittedHead)
@_forget.register(Prototypes)
def _(adapted: Any) -> Any:
    return adapted._replace(reference=_no_reference(adapted.reference), support=_ways(adapted.support))


@_forget.register
def _(adapted: Centroids) -> Centroids:
    return adapted._replace(support=_ways(adapted.support))


@_forget.register
def _(adapted: Probe) -> Probe:
    return Probe(_forget(adapted.regression), _no_reference(adapted.reference))


@_forget.register
def _(adapted: Regression) -> Regression:
    dual, unit = _without_rows(adapted.dual, adapted.rows)
    return adapted._replace(dual=dual, rows=unit)


@_forget.register
def _(adapted: Head) -> Head:
    dual, unit = _without_rows(adapted.dual, adapted.embedding)
    return Head(dual, unit, _no_reference(adapted.reference))


@_forget.register
def _(adapted: Weights) -> Weights:
    return adapted._replace(reference=_no_reference(adapted.reference))


@_forget.register
def _(adapted: Reference) -> Reference:
    return _no_reference(adapted)


@_forget.register(Effects)
@_forget.register(Linear)
@_forget.register(Line)
@_forget.register(Level)
def _(adapted: Any) -> Any:
    return adapted


def _without_rows(dual: DualFit, rows: Tensor) -> tuple[DualFit, Tensor]:
    """Weights in place of the support cases' rows: unit vectors stand for the features, and a zero for the rest."""
    coefficients = dual.coefficients * dual.support.mask.unsqueeze(-1)
    weight, bias = rows.mT @ coefficients, coefficients.sum(0)
    width = rows.shape[-1]
    kept = torch.cat([weight, (bias - weight.sum(0))[None]])
    unit = torch.eye(width + 1, width, dtype=rows.dtype)
    return dual._replace(coefficients=kept, support=_ways(dual.support, width + 1)), unit


def _ways(support: Examples, cases: int = 1) -> Examples:
    """Nothing but which ways there are, as `cases` cases without inputs."""
    there = present(support)[None].expand(cases, -1)
    return Examples(support.x.new_zeros((cases, 0)), there.clone(), support.mask.new_ones(cases))


def _no_reference(reference: Reference) -> Reference:
    return Reference(reference.x.new_zeros((1, 0)), reference.mask.new_ones(1))
