"""Where the outer loop stands after a step, and the same as tensors and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch

from metadx.errors import UserError
from metadx.learners import Tensors

Record = dict[str, float | int]


class Kept(NamedTuple):
    """The parameters to give back in the end: step they are from, meta-validation score, and they themselves."""

    step: int
    score: float
    params: Tensors
    state: Tensors


@dataclass
class Standing:
    """All that the next step depends on, and what is to be given back.

    Args:
        params: what the optimiser steps.
        state: tensors that are not stepped.
        optimizer: over `params`, in their order.
        rng: what tasks are drawn from.
        best: the parameters kept so far.
        step: outer steps done.
        stale: validations since `best`.
        seconds: that the steps took, over all processes that did them.
        troubled: batches so far of which a task gave what is not finite.
        barren: batches in a row, up to this one, of which no task gave anything finite.
        history: one record per validation.
    """

    params: Tensors
    state: Tensors
    optimizer: torch.optim.Optimizer
    rng: np.random.Generator
    best: Kept
    step: int = 0
    stale: int = 0
    seconds: float = 0.0
    troubled: int = 0
    barren: int = 0
    history: list[Record] = field(default_factory=list)


def to_plain(at: Standing) -> tuple[Tensors, dict[str, Any]]:
    """The standing as named tensors and JSON; no two of the tensors share memory, which a file does not allow."""
    groups = {
        "params": {name: leaf.detach() for name, leaf in at.params.items()},
        "state": at.state,
        "optimizer": {
            f"{name}.{key}": value
            for name, leaf in at.params.items()
            for key, value in at.optimizer.state.get(leaf, {}).items()
            if value is not None
        },
        "best.params": at.best.params,
        "best.state": {name: value.clone() for name, value in at.best.state.items()},
    }
    tensors = {f"{group}/{name}": value for group, named in groups.items() for name, value in named.items()}
    numbers = {
        "step": at.step,
        "stale": at.stale,
        "seconds": at.seconds,
        "troubled": at.troubled,
        "barren": at.barren,
        "history": at.history,
        "best": {"step": at.best.step, "score": at.best.score},
        "rng": at.rng.bit_generator.state,
    }
    return tensors, numbers


def restore(at: Standing, tensors: Tensors, numbers: Mapping[str, Any]) -> None:
    """Puts a standing that has done no step where `to_plain` was called.

    Tensors are copied into those that are there, whose layout in memory may decide about the last bit of a sum.

    Raises:
        UserError: the tensors are not those of this algorithm and learner.
    """
    groups: dict[str, Tensors] = {}
    for key, value in tensors.items():
        group, _, name = key.partition("/")
        groups.setdefault(group, {})[name] = value
    with torch.no_grad():
        for name, leaf in at.params.items():
            leaf.copy_(_fitting(groups, "params", name, leaf))
        at.state = _filled(at.state, groups, "state")
        at.best = Kept(
            int(numbers["best"]["step"]),
            float(numbers["best"]["score"]),
            _filled(at.best.params, groups, "best.params"),
            _filled(at.best.state, groups, "best.state"),
        )
    for key, value in groups.get("optimizer", {}).items():
        name, _, kind = key.rpartition(".")
        leaf = at.params[name]
        # Adam counts its steps on the CPU, whatever it steps
        at.optimizer.state[leaf][kind] = value.clone() if kind == "step" else value.to(leaf.device, copy=True)
    at.rng.bit_generator.state = dict(numbers["rng"])
    at.step, at.stale = int(numbers["step"]), int(numbers["stale"])
    at.troubled, at.barren = int(numbers.get("troubled", 0)), int(numbers.get("barren", 0))
    at.seconds, at.history = float(numbers["seconds"]), list(numbers["history"])


def _filled(like: Tensors, groups: Mapping[str, Tensors], group: str) -> Tensors:
    return {
        name: old.detach().clone().copy_(_fitting(groups, group, name, old)) for name, old in like.items()
    }


def _fitting(groups: Mapping[str, Tensors], group: str, name: str, like: torch.Tensor) -> torch.Tensor:
    found = groups.get(group, {}).get(name)
    if found is None or found.shape != like.shape or found.dtype != like.dtype:
        raise UserError(
            f"the checkpoint has no tensor '{name}' of shape {tuple(like.shape)}: it was saved by another version "
            "of metadx, or from another network. Train again."
        )
    return found
