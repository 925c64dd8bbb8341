"""How often the intervals of `metadx plan` hold what they should: runs to ask, and the rows of the answers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console

from metadx.learners import NamedSettings
from metadx.studies import Recipe, Run, read_recipe, train_recipe
from metadx.studies.planning import Check, check_run
from metadx.studies.results import Row

RECIPES = Path(__file__).resolve().parent.parent / "recipes"
SHOTS, PRESENT, WAYS, TARGET = (10, 20, 50), 5, 3, 0.75
COMMAND = "python tools/measure.py plan"


def coverage_rows() -> Iterator[Row]:
    """Rows for thyroid splits 0 to 2, then for Herlev."""
    checks: list[Check] = []
    for seed in range(3):
        recipe = read_recipe(RECIPES / "thyroid-meta-logistic.yaml")
        split = recipe.data.split.model_copy(update={"seed": seed})
        data = recipe.data.model_copy(update={"split": split})
        training = recipe.training.model_copy(update={"seed": seed})
        with trained(recipe.model_copy(update={"data": data, "training": training})) as run:
            checks += check_run(run, WAYS, PRESENT, SHOTS, number=30, query=150)
    yield from rows("thyroid", "thyroid splits 0 to 2", checks)

    recipe = read_recipe(RECIPES / "herlev.yaml")
    changes = {
        "algorithm": NamedSettings(name="protonet"),
        "learner": NamedSettings(name="convnet", width=32),
        "training": recipe.training.model_copy(update={"iterations": 150, "validate_every": 75}),
    }
    with trained(recipe.model_copy(update=changes)) as run:
        checks = check_run(run, WAYS, PRESENT, SHOTS, number=30, query=40)
    yield from rows("herlev", "Herlev, from other cells and tissues by a small prototypical network", checks)


def rows(id: str, what: str, checks: Sequence[Check]) -> Iterator[Row]:
    """Forecasts of each held-out condition's recall, and of the accuracy of whole condition sets."""
    for end, of, some in (
        ("", "recall of each held-out condition", [c for c in checks if c.of]),
        ("-accuracy", "accuracy on sets of held-out conditions", [c for c in checks if not c.of]),
    ):
        width = float(np.mean([c.told.high - c.told.low for c in some]))
        error = float(np.mean([abs(c.told.value - c.truth) for c in some]))
        told = f"{len({c.of for c in some})} conditions, " if not end else ""
        yield Row(
            id=f"plan-coverage-{id}{end}",
            what=f"metadx plan, {what}: 80 % intervals that hold the {of} with 10, 20 and 50 labelled cases, "
            f"forecast from {PRESENT}, {WAYS} ways; {told}mean width {100 * width:.0f} points, mean error "
            f"{100 * error:.1f} points",
            metric="share of forecasts",
            value=float(np.mean([c.holds for c in some])),
            n=len(some),
            target=TARGET,
            command=COMMAND,
        )


@contextmanager
def trained(recipe: Recipe) -> Iterator[Run]:
    """A run of a recipe, in a folder that lasts as long as the block."""
    with tempfile.TemporaryDirectory() as folder:
        yield train_recipe(recipe, Path(folder) / "run", Console(stderr=True))
