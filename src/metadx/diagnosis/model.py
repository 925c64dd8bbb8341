"""A meta-trained model: what adapts to a few labelled cases, and what it takes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from metadx.algorithms import Algorithm, Dimensions, build_algorithm
from metadx.cases import Inputs, fit_own_columns
from metadx.diagnosis.target import Target
from metadx.errors import UserError
from metadx.learners import NamedSettings, Tensors

_LARGEST = 10_000


class Spec(BaseModel):
    """How an algorithm is built again, by the names that recipes use.

    Args:
        algorithm, learner: names with their settings.
        input_shape, outputs, classes: what the network must fit.
        seed: of the initial weights.
        classification: whether it tells conditions apart, rather than predicting values.
        conditions: where they are the same in every task, in the order of its outputs; empty where each support set
            has its own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    algorithm: NamedSettings
    learner: NamedSettings
    input_shape: tuple[int, ...]
    outputs: int
    classes: int
    seed: int
    classification: bool = True
    conditions: tuple[str, ...] = ()

    def build(self) -> Algorithm:
        """The algorithm.

        Raises:
            UserError: a name or setting that this metadx does not know, or a number that no model was trained with.
        """
        for part in (self.algorithm, self.learner):
            for name, value in part.settings.items():
                _refuse_excess(f"{part.name}.{name}", value)
        size = Dimensions(self.input_shape, self.outputs, self.classes, self.classification)
        return build_algorithm(self.algorithm, self.learner, size, self.seed)


def _refuse_excess(name: str, value: Any) -> None:
    """Refuses settings with which a bundle could fill the memory or never come to an end."""
    if isinstance(value, list | tuple):
        for one in value:
            _refuse_excess(name, one)
    elif isinstance(value, int) and abs(value) > _LARGEST:
        raise UserError(f"setting {name}: whole numbers are at most {_LARGEST:,} in a diagnoser")
    elif isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"setting {name} = {value}: give a number")


class About(BaseModel):
    """Where a model comes from, for its card.

    Args:
        title: what people call it.
        data, source, licence: what it was meta-trained on.
        conditions: meta-training conditions with their number of cases.
        notes: sentences about the data that every card repeats.
        evaluation: lines on how it did on what it had never seen, with their protocol.
        unseen: what that was.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = ""
    data: str = ""
    source: str = ""
    licence: str = ""
    conditions: Mapping[str, int] = {}
    notes: tuple[str, ...] = ()
    evaluation: tuple[str, ...] = ()
    unseen: str = "conditions"


@dataclass(frozen=True, eq=False)
class MetaModel:
    """What was meta-learned, ready to adapt.

    Args:
        algorithm: the algorithm; must be inductive.
        params, state: its tensors.
        inputs: the observations it takes.
        spec: how the algorithm is built again; None for a network of one's own, which must be given again on load.
        about: where it comes from.
        target: what it predicts, for a model of values.
    """

    algorithm: Algorithm
    params: Tensors
    state: Tensors
    inputs: Inputs
    spec: Spec | None = None
    about: About = field(default_factory=About)
    target: Target | None = None

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions, where they are the same in every task; else empty."""
        return self.spec.conditions if self.spec is not None else ()

    def __post_init__(self) -> None:
        if self.algorithm.loss.classification == (self.target is not None):
            raise UserError(
                "a model of values, and no other, has a target; give the one that fits the algorithm"
            )
        if self.algorithm.transductive:
            raise UserError(
                "a transductive model's findings depend on the other patients of the same file, so it cannot "
                "diagnose; train it with transductive: false; instead of transductive_fine_tune, train fine_tune"
            )
        check_tensors(self.algorithm, self.params, self.state)


def check_tensors(algorithm: Algorithm, params: Tensors, state: Tensors) -> None:
    """Raises `UserError` unless tensors are finite and have the names and shapes of the algorithm's own."""
    expected = algorithm.init(np.random.default_rng(0))
    for wanted, given in zip(expected, (params, state), strict=True):
        if {k: (v.shape, v.dtype) for k, v in wanted.items()} != {
            k: (v.shape, v.dtype) for k, v in given.items()
        }:
            raise UserError(
                f"the tensors are not those of this {type(algorithm).__name__}: they were trained with another "
                "learner or other settings"
            )
        for name, tensor in given.items():
            if not torch.isfinite(tensor).all():
                raise UserError(f"{name} holds values that are no numbers; train the model again")


def for_columns(model: MetaModel, x: NDArray[Any], features: tuple[str, ...]) -> MetaModel:
    """A model of open inputs for the columns of one support set.

    Args:
        x: the support cases, shape (cases, columns).
        features: the name of each column.
    """
    transform = fit_own_columns(x)
    spec = model.spec and model.spec.model_copy(update={"input_shape": transform.shape})
    return dataclasses.replace(model, inputs=Inputs(model.inputs.modality, features, transform), spec=spec)


def plain_model(
    algorithm: Algorithm,
    inputs: Inputs,
    spec: Spec | None = None,
    target: Target | None = None,
    **about: Any,
) -> MetaModel:
    """A model of an algorithm that learns from the support set alone."""
    params, state = algorithm.init(np.random.default_rng(0))
    return MetaModel(algorithm, params, state, inputs, spec, About(**about), target)
