"""Measures the recipes of pictures: `python tools/measure_images.py [protonet] [maml] [herlev] ...`."""

from __future__ import annotations

import dataclasses
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from backbones import TESTS, backbone, pixels
from held_out import held_out, write
from metadx.algorithms import Algorithm, build_algorithm
from metadx.studies import Problem, Run, build_problem, read_recipe, train_recipe
from metadx.studies.results import Row, write_row
from omniglot import scored

ROOT = Path(__file__).resolve().parent.parent
RESULTS, RECIPES = ROOT / "results", ROOT / "recipes"
CONSOLE = Console(stderr=True)


def protonet() -> None:
    """Prototypical network on Omniglot: inductive, 15 query cases per character, 600 episodes."""
    run, problem, built = _train("omniglot-protonet", target=1200)
    for ways, shots, target in ((5, 1, 97.0), (5, 5, None), (20, 1, 90.0), (20, 5, None)):
        _omniglot("protonet", run, problem, built, ways, shots, 15, target)


def by_gradient(name: str, transductive: float | None = None, inductive: float | None = None) -> None:
    """MAML and its kin on Omniglot: as published (transductive, one query per character), and one case at a time.

    Args:
        transductive, inductive: targets.
    """
    run, problem, built = _train(f"omniglot-{name}", target=2400)
    if built.transductive:
        _omniglot(name, run, problem, built, 5, 1, 1, transductive)
        built = dataclasses.replace(built, transductive=False)  # type: ignore[type-var]
    _omniglot(name, run, problem, built, 5, 1, 15, inductive)


def _train(name: str, target: float) -> tuple[Run, Problem, Algorithm]:
    recipe = read_recipe(RECIPES / f"{name}.yaml")
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        run = train_recipe(recipe, Path(folder) / "run", CONSOLE)
        seconds = time.process_time() - began
    row = Row(
        id=f"{name}-seconds",
        what=f"recipes/{name}.yaml, training, processor time of all cores",
        metric="core-seconds",
        value=seconds,
        n=1,
        target=target,
        better="lower",
        command=f"python tools/measure_images.py {name.removeprefix('omniglot-')}",
    )
    write_row(RESULTS, row)
    problem = build_problem(recipe)
    built = build_algorithm(recipe.algorithm, recipe.learner, problem.dimensions, recipe.training.seed)
    return run, problem, built


def _omniglot(
    name: str,
    run: Run,
    problem: Problem,
    built: Algorithm,
    ways: int,
    shots: int,
    query: int,
    target: float | None,
) -> None:
    id, words, found = scored(name, run, problem, built, ways, shots, query)
    write(f"omniglot-{id}", words, "accuracy, %", found, name, target)


def scans() -> None:
    """Rows for recipes on CT, MR and MedIMeta, whose data are not at hand."""
    for name, (what, get) in SCANS.items():
        row = Row(
            id=f"scans-{name}",
            what=f"recipes/{name}.yaml: {what}",
            metric="accuracy, %",
            value=None,
            n=0,
            command=f"metadx train recipes/{name}.yaml --out runs/{name}",
            why=f"the data are not at hand ({get})",
        )
        write_row(RESULTS, row)


SCANS = {
    "ct-organs": ("organs in slices of CT, 3-way 5-shot", "`metadx data get organamnist`"),
    "ct-nodules": ("lung nodules in volumes of CT, 2-way 5-shot", "`metadx data get nodulemnist3d`"),
    "mr-vessels": ("aneurysms in volumes of MR angiography, 2-way 5-shot", "`metadx data get vesselmnist3d`"),
    "medimeta": ("chest X-rays after other MedIMeta sets, 2-way 5-shot", "zenodo.org/records/7884735"),
}
HELD_OUT = ("herlev", "red-cells", "pneumonia")
JOBS: dict[str, Callable[[], None]] = {
    "protonet": protonet,
    "maml": partial(by_gradient, "maml", 95.0, 91.0),
    **{name: partial(by_gradient, name) for name in ("fomaml", "anil", "reptile")},
    **{name: partial(held_out, name) for name in HELD_OUT},
    "backbone": backbone,
    "pixels": partial(pixels, TESTS[1:], "pixels"),
    "scans": scans,
}
PARTS: dict[str, Callable[[], None]] = {  # of jobs above, to measure by themselves
    "herlev-backbone": partial(backbone, ("herlev",), "herlev-backbone"),
    "backbone-64": partial(backbone, TESTS[1:], "backbone-64"),
}


def main(names: Sequence[str]) -> None:
    """Runs the jobs named, or all of them."""
    for name in names or JOBS:
        (JOBS | PARTS)[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
