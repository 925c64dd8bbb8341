"""A run on disk: recipe, parameters, split and metrics in one folder; nothing is ever unpickled."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as save_arrays
from safetensors.torch import save

from metadx import __version__
from metadx.cases import Inputs, inputs_from_parts, inputs_to_parts, storable
from metadx.durable import write_durably
from metadx.errors import UserError
from metadx.learners import BACKBONES, Tensors
from metadx.studies.hardware import hardware
from metadx.studies.problem import Problem
from metadx.studies.recipe import Recipe
from metadx.studies.recipe_file import parse_recipe
from metadx.tasks import ConditionSource, GroupSource, PatientSource
from metadx.training import Trained

RECIPE, MODEL, SUMMARY, METRICS = "recipe.yaml", "model.safetensors", "run.json", "metrics.jsonl"
INPUTS = "inputs.safetensors"


@dataclass(frozen=True)
class Run:
    """A finished run as read from its folder."""

    folder: Path
    recipe: Recipe
    params: Tensors
    state: Tensors
    summary: dict[str, Any]


def save_recipe(folder: Path, recipe: Recipe) -> None:
    """Writes the recipe with every default written out."""
    content = recipe.model_dump(mode="json", exclude_defaults=False)
    write_durably(folder / RECIPE, yaml.safe_dump(content, sort_keys=False).encode())


def save_run(folder: Path, trained: Trained, problem: Problem) -> None:
    """Writes what was learned from, and then the parameters that validated best, with which the run is finished."""
    summary = {
        "metadx": __version__,
        "step": trained.step,
        "validation": trained.score if trained.score > float("-inf") else None,
        "engine": trained.way,
        "dimensions": dataclasses.asdict(problem.dimensions),
        "split": problem.split.model_dump(),
        "data": problem.data.model_dump(),
        "target": problem.target.model_dump() if problem.target else None,
        "conditions": list(problem.conditions),
        "fingerprints": fingerprints(problem),
        "hardware": hardware(),
    }
    write_durably(folder / SUMMARY, (json.dumps(summary, indent=2) + "\n").encode())
    if problem.inputs is not None and storable(problem.inputs):
        save_inputs(folder / INPUTS, problem.inputs)
    save_tensors(folder / MODEL, trained.params, trained.state)


def load_run(folder: Path) -> Run:
    """Reads a run folder.

    Raises:
        UserError: it is no run folder, the run is not finished, or something in it is damaged.
    """
    if not (folder / RECIPE).is_file():
        raise UserError(f"{folder}: not a run folder. Make one with `metadx train RECIPE --out {folder}`.")
    if not (folder / MODEL).is_file():
        raise UserError(f"{folder}: this run is not finished. Go on with `metadx train --resume {folder}`.")
    try:
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        params, state = load_tensors(folder / MODEL)
        if not isinstance(summary, dict):
            raise ValueError(f"{SUMMARY} is not a mapping")
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        raise _damaged(folder, error) from error
    return Run(folder, read_stored(folder), params, state, summary)


def read_stored(folder: Path) -> Recipe:
    """The recipe of a run folder; raises `UserError` like `load_run`."""
    try:
        content = yaml.safe_load((folder / RECIPE).read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError(f"{RECIPE} is not a mapping")
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise _damaged(folder, error) from error
    return parse_recipe(content, str(folder / RECIPE))


def _damaged(folder: Path, error: Exception) -> UserError:
    return UserError(f"{folder}: the run is damaged ({' '.join(str(error).split())[:200]}). Train it again.")


def fingerprints(problem: Problem) -> dict[str, list[str]]:
    """Digests of the cases of each split: equal ones are the same cases on the same sides."""
    sides = {
        "train": problem.splits.train,
        "validation": problem.splits.validation,
        "test": problem.splits.test,
    }
    return {
        name: [
            s.cases.fingerprint()
            for s in side.sources()
            if isinstance(s, ConditionSource | PatientSource | GroupSource)
        ]
        for name, side in sides.items()
    }


def save_inputs(path: Path, inputs: Inputs) -> None:
    """Writes what a model takes: arrays as safetensors, the rest as JSON in its header."""
    plain, arrays = inputs_to_parts(inputs)
    tensors = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_durably(path, save_arrays(tensors, metadata={"inputs": json.dumps(plain)}))


def load_inputs(run: Run) -> Inputs:
    """What the model of a run takes.

    Raises:
        UserError: the file is missing, as in runs of functions, or damaged.
    """
    path = run.folder / INPUTS
    if not path.is_file():
        raise UserError(
            f"{run.folder}: does not say what its model takes ({INPUTS} is missing). Train it again."
        )
    try:
        with safe_open(str(path), framework="numpy") as file:
            plain = json.loads(file.metadata()["inputs"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return inputs_from_parts(plain, arrays, BACKBONES)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, SafetensorError) as error:
        raise _damaged(run.folder, error) from error


def save_tensors(path: Path, params: Tensors, state: Tensors) -> None:
    """Both groups of tensors in one safetensors file."""
    named = {f"params.{k}": v for k, v in params.items()} | {f"state.{k}": v for k, v in state.items()}
    write_durably(path, save({name: value.contiguous() for name, value in named.items()}))


def load_tensors(path: Path) -> tuple[Tensors, Tensors]:
    """What `save_tensors` wrote."""
    params: Tensors = {}
    state: Tensors = {}
    with safe_open(str(path), framework="pt") as file:
        for name in file.keys():  # noqa: SIM118
            group, _, rest = name.partition(".")
            (params if group == "params" else state)[rest] = file.get_tensor(name)
    return params, state
