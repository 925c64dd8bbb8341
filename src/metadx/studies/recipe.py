"""A recipe: one validated YAML file that says a whole run."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from metadx.errors import UserError
from metadx.tasks import Shape
from metadx.training import TrainingSettings


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SplitSettings(_Part):
    """How conditions are dealt out; see `metadx.tasks.split_conditions`."""

    seed: int = 0
    share: tuple[float, float, float] = (3, 1, 1)
    large: int = Field(25, ge=1)
    least: int = Field(6, ge=2)


class DataSettings(_Part):
    """Where cases come from: exactly one of the first four.

    Args:
        name: a data set of the catalogue.
        csv: a CSV manifest.
        folder: class folders of pictures.
        function: a family of functions; "sinusoid".
        patients: the words that vouch for data without patient ids.
        size: (height, width) that pictures are resized to.
        allow_unverified: accept a copy whose checksum is not the official one.
        split: how conditions are dealt out.
    """

    name: str | None = None
    csv: Path | None = None
    folder: Path | None = None
    function: Literal["sinusoid"] | None = None
    patients: str | None = None
    size: tuple[int, int] | None = None
    allow_unverified: bool = False
    split: SplitSettings = SplitSettings()

    @model_validator(mode="after")
    def _exactly_one(self) -> DataSettings:
        given = [k for k in ("name", "csv", "folder", "function") if getattr(self, k) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of name, csv, folder, function; found {given or 'none'}")
        return self


class NamedSettings(BaseModel):
    """A learner or an algorithm by name, and its own settings, which are checked against what it takes."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @property
    def settings(self) -> dict[str, Any]:
        """Everything but the name."""
        return dict(self.model_extra or {})


class EvaluationSettings(_Part):
    """How the trained model is evaluated.

    Args:
        shots: numbers of support cases per condition.
        episodes: meta-test episodes for each of them.
        ways: conditions per episode; the training ways by default.
        query: query cases per condition, at most.
        seed: of the episodes.
        baselines: methods that need no meta-training, tuned on meta-validation and put beside the model.
        tuning_tasks: meta-validation tasks per candidate setting of a baseline.
    """

    shots: tuple[int, ...] = (1, 5)
    episodes: int = Field(600, ge=1)
    ways: int | None = Field(None, ge=2)
    query: int = Field(15, ge=1)
    seed: int = 1
    baselines: tuple[str, ...] = ("logistic_regression",)
    tuning_tasks: int = Field(100, ge=1)

    @model_validator(mode="after")
    def _positive(self) -> EvaluationSettings:
        if not self.shots or min(self.shots) < 1:
            raise ValueError(f"shots must be at least 1, not {list(self.shots)}")
        return self


class Recipe(_Part):
    """A whole run: data, tasks, learner, algorithm, training, evaluation."""

    title: str = ""
    data: DataSettings
    tasks: Shape = Shape()
    learner: NamedSettings = NamedSettings(name="auto")
    algorithm: NamedSettings
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()


def read_recipe(path: Path) -> Recipe:
    """Reads a recipe; paths in it are relative to its folder.

    Raises:
        UserError: it is no YAML, lacks something, has an unknown key (names the nearest known one) or a value
            out of range.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such recipe. The ones that ship are in `recipes/`.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: a recipe is a mapping with `data` and `algorithm`; see `recipes/`.")
    recipe = parse_recipe(content, str(path))
    here = path.resolve().parent
    found = {k: here / v for k in ("csv", "folder") if (v := getattr(recipe.data, k)) is not None}
    return recipe.model_copy(update={"data": recipe.data.model_copy(update=found)})


def parse_evaluation(settings: EvaluationSettings, changes: dict[str, Any]) -> EvaluationSettings:
    """Evaluation settings with some of them changed; raises `UserError` like `read_recipe`."""
    try:
        return EvaluationSettings.model_validate(settings.model_dump() | changes)
    except ValidationError as error:
        raise UserError("; ".join(_explain(e) for e in error.errors())) from error


def parse_recipe(content: dict[str, Any], where: str = "recipe") -> Recipe:
    """A recipe from a mapping; raises `UserError` like `read_recipe`."""
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{where}: " + "; ".join(_explain(e) for e in error.errors())) from error


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint at the known word nearest to an unknown one."""
    options = sorted(known)
    close = difflib.get_close_matches(word, options, 1, 0.5)
    return f"did you mean '{close[0]}'?" if close else f"known are {', '.join(options)}"


def _explain(error: Any) -> str:
    *parents, key = (str(part) for part in error["loc"]) if error["loc"] else ("recipe",)
    place = ".".join([*parents, key])
    if error["type"] == "extra_forbidden":
        return f"unknown key '{place}'; {nearest(key, _known_keys(parents))}"
    if error["type"] == "missing":
        return f"'{place}' is missing"
    return f"'{place}': {error['msg'].removeprefix('Value error, ')}"


def _known_keys(parents: Iterable[str]) -> list[str]:
    model: Any = Recipe
    for parent in parents:
        model = model.model_fields[parent].annotation
    return list(model.model_fields)
