"""Measures the published recipes of Omniglot on a GPU: `python tools/measure_full.py [maml] [protonet] ...`.

With `--seconds` a training stops after as many, and its rows say how far it came.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console

from metadx.algorithms import Algorithm, build_algorithm
from metadx.studies import Problem, Run, build_problem, read_recipe, train_recipe
from metadx.studies.results import Row, interval_row, write_row
from omniglot import scored

ROOT = Path(__file__).resolve().parent.parent
RESULTS, RECIPES = ROOT / "results", ROOT / "recipes" / "full"
CONSOLE = Console(stderr=True)
NAMES = ("maml", "fomaml", "anil", "reptile", "protonet")
AHEAD = 4  # batches


def measure(name: str, seconds: float | None) -> None:
    """Trains a recipe on a GPU, and scores it on alphabets never seen: as published, and inductively."""
    recipe = read_recipe(RECIPES / f"omniglot-{name}.yaml")
    bound = {} if seconds is None else {"max_seconds": seconds}
    training = recipe.training.model_copy(update=bound | {"device": "cuda", "ahead": AHEAD})
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        run = train_recipe(recipe.model_copy(update={"training": training}), Path(folder) / "run", CONSOLE)
        took = time.monotonic() - began
        last = (run.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    how = f"best of {json.loads(last)['step']:,} steps, {training.iterations:,} in the paper, in {took:.0f} s"
    problem = build_problem(recipe)
    built = build_algorithm(recipe.algorithm, recipe.learner, problem.dimensions, training.seed)
    command = f"python tools/measure_full.py {name}" + (f" --seconds {seconds:g}" if seconds else "")
    if built.transductive:
        _score(name, run, problem, built, how, command)
        built = dataclasses.replace(built, transductive=False)  # type: ignore[type-var]
    _score(name, run, problem, built, how, command)
    (RESULTS / f"omniglot-full-{name}.json").unlink(missing_ok=True)


def _score(name: str, run: Run, problem: Problem, built: Algorithm, how: str, command: str) -> None:
    """As published, one query case per character where they are seen together, and 15 otherwise."""
    query = 1 if built.transductive else 15
    for shots in run.recipe.evaluation.shots:
        id, words, found = scored(name, run, problem, built, run.recipe.evaluation.ways or 5, shots, query)
        row = interval_row(f"omniglot-full-{id}", f"{words}; {how}", "accuracy, %", found, command, scale=100)
        write_row(RESULTS, row)
        print(f"{row.id}: {row.value}", flush=True)


def without_a_gpu(name: str) -> None:
    """A row that says why there is no figure."""
    row = Row(
        id=f"omniglot-full-{name}",
        what=f"recipes/full/omniglot-{name}.yaml, as published",
        metric="accuracy, %",
        value=None,
        n=0,
        command=f"python tools/measure_full.py {name}",
        why="days on two cores, and there is no GPU here",
    )
    if not any(RESULTS.glob(f"omniglot-full-{name}-*.json")):
        write_row(RESULTS, row)


def main(words: Sequence[str] | None = None) -> None:
    """Measures the recipes named, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(NAMES)}; all by default")
    parser.add_argument("--seconds", type=float, help="that each training may take; no bound by default")
    asked = parser.parse_args(words)
    if unknown := {*asked.names} - {*NAMES}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    for name in asked.names or NAMES:
        if torch.cuda.is_available():
            measure(name, asked.seconds)
        else:
            without_a_gpu(name)


if __name__ == "__main__":
    main()
