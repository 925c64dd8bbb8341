"""A run on disk: recipe, parameters, split and metrics in one folder; nothing is ever unpickled."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from metadx import __version__
from metadx.errors import UserError
from metadx.learners import Tensors
from metadx.studies.hardware import hardware
from metadx.studies.problem import Problem
from metadx.studies.recipe import Recipe, parse_recipe
from metadx.tasks import ConditionSource
from metadx.training import Trained

RECIPE, MODEL, SUMMARY, METRICS = "recipe.yaml", "model.safetensors", "run.json", "metrics.jsonl"


@dataclass(frozen=True)
class Run:
    """A finished run as read from its folder."""

    folder: Path
    recipe: Recipe
    params: Tensors
    state: Tensors
    summary: dict[str, Any]


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder that becomes `out` only when the block ends well; otherwise nothing is left behind.

    Raises:
        UserError: `out` exists and is not empty, or lies below a file.
    """
    target = out.resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"{out}: already exists. Choose another --out, or remove it first.")
    above = [folder for folder in target.parents if not folder.exists()]
    if not target.parents[len(above)].is_dir():
        raise UserError(f"{target.parents[len(above)]}: is a file, not a folder. Choose another --out.")
    work = target.parent / f".{target.name}.{uuid.uuid4().hex[:8]}"
    work.mkdir(parents=True)
    try:
        yield work
        if target.exists():
            target.rmdir()
        work.rename(target)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        with contextlib.suppress(OSError):  # another run may have moved in meanwhile
            for folder in above:
                folder.rmdir()
        raise


def write_whole(path: Path, text: str) -> None:
    """Writes a text file; at no moment does half of it stand at `path`."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def save_run(folder: Path, recipe: Recipe, trained: Trained, problem: Problem) -> None:
    """Writes the recipe, the parameters that validated best, and what was learned from."""
    content = recipe.model_dump(mode="json", exclude_defaults=False)
    (folder / RECIPE).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    save_tensors(folder / MODEL, trained.params, trained.state)
    summary = {
        "metadx": __version__,
        "step": trained.step,
        "validation": trained.score if trained.score > float("-inf") else None,
        "engine": trained.way,
        "split": problem.split.model_dump(),
        "data": problem.data.model_dump(),
        "fingerprints": fingerprints(problem),
        "hardware": hardware(),
    }
    (folder / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")


def load_run(folder: Path) -> Run:
    """Reads a run folder.

    Raises:
        UserError: it is no run folder, or something in it is damaged.
    """
    if not (folder / MODEL).is_file() or not (folder / RECIPE).is_file():
        raise UserError(f"{folder}: not a run folder. Make one with `metadx train RECIPE --out {folder}`.")
    try:
        content = yaml.safe_load((folder / RECIPE).read_text(encoding="utf-8"))
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        params, state = load_tensors(folder / MODEL)
        if not isinstance(content, dict) or not isinstance(summary, dict):
            raise ValueError(f"{RECIPE} or {SUMMARY} is not a mapping")
    except (OSError, ValueError, RecursionError, yaml.YAMLError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{folder}: the run is damaged ({reason}). Train it again.") from error
    return Run(folder, parse_recipe(content, str(folder / RECIPE)), params, state, summary)


def fingerprints(problem: Problem) -> dict[str, list[str]]:
    """Digests of the cases of each split: equal ones are the same cases on the same sides."""
    sides = {
        "train": problem.splits.train,
        "validation": problem.splits.validation,
        "test": problem.splits.test,
    }
    return {
        name: [s.cases.fingerprint() for s in side.sources() if isinstance(s, ConditionSource)]
        for name, side in sides.items()
    }


def save_tensors(path: Path, params: Tensors, state: Tensors) -> None:
    """Both groups of tensors in one safetensors file."""
    named = {f"params.{k}": v for k, v in params.items()} | {f"state.{k}": v for k, v in state.items()}
    save_file({name: value.contiguous() for name, value in named.items()}, str(path))


def load_tensors(path: Path) -> tuple[Tensors, Tensors]:
    """What `save_tensors` wrote."""
    params: Tensors = {}
    state: Tensors = {}
    with safe_open(str(path), framework="pt") as file:
        for name in file.keys():  # noqa: SIM118
            group, _, rest = name.partition(".")
            (params if group == "params" else state)[rest] = file.get_tensor(name)
    return params, state
