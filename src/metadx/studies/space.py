"""What `metadx tune` searches: settings of a recipe by name, and the values that each may take."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from metadx.algorithms import ALGORITHMS
from metadx.errors import UserError

if TYPE_CHECKING:
    from metadx.studies.recipe import Recipe

SECTIONS = ("training", "algorithm", "learner")
_KEPT = {
    "training.seed": "the best of several seeds is the luckiest",
    "training.validation_tasks": "trials are compared on the same tasks",
    "algorithm.name": "tune one algorithm at a time",
    "learner.name": "tune one learner at a time",
}
_DECADES = ("inner_lr", "lr", "c", "penalty", "precision", "sharpness", "strength")
_STEPS = ("inner_steps",)
_SHARES = ("mix", "weight", "tuned")


class Span(BaseModel):
    """The values of one setting: a range, or choices.

    Args:
        low, high: the least and the most; whole numbers where both are whole.
        log: whether each factor is equally likely, rather than each difference.
        choices: values of any kind, without an order.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: int | float | None = Field(None, allow_inf_nan=False)
    high: int | float | None = Field(None, allow_inf_nan=False)
    log: bool = False
    choices: tuple[str | int | float | bool | None, ...] = ()

    @model_validator(mode="after")
    def _range_or_choices(self) -> Span:
        if self.choices:
            if (self.low, self.high, self.log) != (None, None, False):
                raise ValueError("give low and high, or choices, not both")
            return self
        if self.low is None or self.high is None:
            raise ValueError("give low and high, or choices")
        if self.low >= self.high:
            raise ValueError(f"the range is empty: low is {self.low}, high is {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a range with log begins above 0, not at {self.low}")
        return self

    @property
    def ends(self) -> tuple[Any, ...]:
        """Values that stand for all: the ends of a range, or every choice."""
        return self.choices or (self.low, self.high)

    def holds(self, value: Any) -> bool:
        """Whether it is one of the values."""
        if self.choices:
            return value in self.choices
        assert self.low is not None
        assert self.high is not None
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and self.low <= value <= self.high


Space = Mapping[str, Span]


class TuneSettings(BaseModel):
    """What `metadx tune` searches.

    Args:
        space: settings of `training`, `algorithm` and `learner` by their dotted names; empty searches the step
            sizes, inner steps and penalties of the algorithm around the values that the recipe gives.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    space: dict[str, Span] = {}


def space_of(recipe: Recipe) -> dict[str, Span]:
    """The recipe's space, or the one that suits its algorithm.

    Raises:
        UserError: a name is not that of a setting to tune, or there is nothing to tune.
    """
    for name in recipe.tune.space:
        section, _, key = name.partition(".")
        if section not in SECTIONS or not key:
            raise UserError(
                f"tune.space: '{name}' is not a setting to tune; name one of {', '.join(SECTIONS)}, such as "
                "training.lr"
            )
        if name in _KEPT:
            raise UserError(f"tune.space: '{name}' is not to be tuned: {_KEPT[name]}")
    space = dict(recipe.tune.space) or _usual(recipe)
    if not space:
        raise UserError(
            f"{recipe.algorithm.name} has nothing that is tuned by default; name settings in tune.space"
        )
    return space


def changed(recipe: Recipe, values: Mapping[str, Any]) -> dict[str, Any]:
    """The content of the recipe with other values for some of its settings."""
    content: dict[str, Any] = recipe.model_dump(mode="json", exclude={"tune"})
    for name, value in values.items():
        section, _, key = name.partition(".")
        content[section][key] = value
    return content


def present_values(recipe: Recipe, space: Space) -> dict[str, Any]:
    """What the recipe itself gives the settings, as far as the space holds it."""
    kind = ALGORITHMS[recipe.algorithm.name]
    defaults = {f"algorithm.{f.name}": f.default for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    content = recipe.model_dump(mode="json")
    values = {}
    for name, span in space.items():
        section, _, key = name.partition(".")
        value = content[section].get(key, defaults.get(name))
        if span.holds(value):
            values[name] = value
    return values


def _usual(recipe: Recipe) -> dict[str, Span]:
    kind = ALGORITHMS[recipe.algorithm.name]
    space = {} if kind.consumes == "nothing" else {"training.lr": _around(recipe.training.lr)}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        value = recipe.algorithm.settings.get(field.name, field.default)
        if not isinstance(value, int | float) or isinstance(value, bool):
            continue
        if field.name in _DECADES and value > 0:
            space[f"algorithm.{field.name}"] = _around(value)
        elif field.name in _STEPS:
            space[f"algorithm.{field.name}"] = Span(low=1, high=max(2 * int(value), 2))
        elif field.name in _SHARES:
            space[f"algorithm.{field.name}"] = Span(low=0.0, high=1.0)
    return space


def _around(value: float) -> Span:
    return Span(low=value / 10, high=value * 10, log=True)
