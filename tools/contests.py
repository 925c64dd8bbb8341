"""The data sets on which every algorithm is trained alike, and the recipe that each algorithm has there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from metadx.algorithms import ALGORITHMS, ANY_COLUMNS, TITLES, suits
from metadx.learners import NamedSettings
from metadx.studies import Problem, Recipe, build_problem, read_recipe
from metadx.tasks import Shape

RECIPES = Path(__file__).resolve().parent.parent / "recipes"
BASELINES = ("nearest_centroid", "logistic_regression", "ridge", "scratch")
NAMES = {name: name for name in ALGORITHMS if ALGORITHMS[name].consumes != "nothing" or name in BASELINES} | {
    "fomaml": "maml"
}
"""What is measured, and the algorithm that it is."""
BY_GRADIENT = (
    "maml",
    "fomaml",
    "maml++",
    "meta_sgd",
    "anil",
    "boil",
    "cavia",
    "imaml",
    "reptile",
    "proto_maml",
)
FIXED = ("prior_logistic", "own_normal", "pooled", "replay")
Changes = Mapping[str, Mapping[str, Any]]


class Contest(NamedTuple):
    """A data set, and the episodes on which all algorithms are scored.

    Args:
        title: in the table.
        seconds: of one core, to train each algorithm.
        kin: recipe that an algorithm without one of its own has, by its name or by what it learns from: "gradient",
            "embedding" or "cases".
        shape: of an episode.
        episodes: of meta-test; 0 where every patient of meta-test is one.
        metric: of `metadx.evaluation`, or "f1" pooled over the beats of all patients.
        settings: changes to borrowed recipes, by algorithm or kin; of "all", to those of its own too.
    """

    title: str
    seconds: float
    kin: Mapping[str, str]
    shape: Shape
    episodes: int
    metric: str
    settings: Mapping[str, Changes] = {}


ANYWHERE: dict[str, Changes] = {
    "cavia": {"algorithm": {"context_params": 100, "inner_steps": 2}},
    "fomaml": {"algorithm": {"first_order": True}},
    "reptile": {"training": {"meta_batch": 5, "optimizer": "sgd", "lr": 1.0, "schedule": "linear"}},
}
"""What an algorithm without a recipe of its own needs wherever it borrows one."""

_FASTER: dict[str, Changes] = {name: {"algorithm": {"inner_lr": 0.1}} for name in ("maml", "fomaml")}

CONTESTS = {
    "omniglot": Contest(
        "Omniglot, 5-way 1-shot, 15 queries, unseen alphabets and drawers",
        15,
        {
            "gradient": "omniglot-maml",
            "embedding": "omniglot-r2d2",
            "cases": "omniglot-r2d2",
            "gaussian_process": "omniglot-proto-maml",
        },
        Shape(ways=5, shots=1, query=15),
        150,
        "accuracy",
        {"cases": {"training": {"meta_batch": 64}}},
    ),
    "sinusoid": Contest(
        "Sinusoids, 10 shots, 100 query points",
        10,
        dict.fromkeys(("gradient", "embedding", "cases"), "sinusoid"),
        Shape(shots=10, query=100),
        300,
        "mse",
        {
            name: {"algorithm": {"inner_lr": 0.01}, "training": {"clip": 10}}
            for name in ("maml++", "anil", "imaml")
        },
    ),
    "thyroid": Contest(
        "Thyroid split 0, 5-way 5-shot, 10 queries, unseen diagnoses",
        10,
        {
            "gradient": "thyroid-maml",
            "embedding": "thyroid-protonet",
            "cases": "thyroid-fine-tune",
            "meta_committee": "thyroid-meta-logistic",
        },
        Shape(ways=5, shots=5, query=10),
        300,
        "accuracy",
        {"cavia": {"algorithm": {"layer": "features.3"}}},
    ),
    "herlev": Contest(
        "Herlev, 5-way 5-shot, 10 queries, an unseen data set",
        8,
        dict.fromkeys(("gradient", "embedding", "cases"), "herlev"),
        Shape(ways=5, shots=5, query=10),
        100,
        "accuracy",
        {
            "all": {"learner": {"downsample": "stride", "norm": "group"}},
            "cases": {"training": {"meta_batch": 64}},
        }
        | _FASTER,
    ),
    "mit-bih": Contest(
        "MIT-BIH DS2, unseen patients, from their first five minutes",
        5,
        dict.fromkeys(("gradient", "embedding", "cases"), "mitdb"),
        Shape(shots=160, query=80),
        0,
        "f1",
        {
            "cases": {"training": {"meta_batch": 512, "lr": 0.002}},
            "cavia": {"algorithm": {"layer": "features.2"}},
        }
        | _FASTER,
    ),
}


def title(name: str) -> str:
    """What people read."""
    return "First-order MAML" if name == "fomaml" else TITLES[name]


def kin(name: str) -> str:
    """What an algorithm learns from and by."""
    if ALGORITHMS[NAMES[name]].consumes == "cases":
        return "cases"
    return "gradient" if name in BY_GRADIENT else "embedding"


def lent(data: str, name: str) -> str:
    """The recipe of the algorithm's kin."""
    kinds = CONTESTS[data].kin
    return kinds.get(name, kinds[kin(name)])


def own_recipe(data: str, name: str) -> str | None:
    """The recipe that was written for the algorithm on the data set, if any was."""
    borrowed = lent(data, name)
    if read_recipe(RECIPES / f"{borrowed}.yaml").algorithm.name == name:
        return borrowed
    known = f"{data}-{name.replace('_', '-')}"
    return known if (RECIPES / f"{known}.yaml").exists() else None


def recipe_for(data: str, name: str) -> Recipe:
    """The algorithm's own recipe; or that of its kin, with the algorithm's default settings and a few changes."""
    own = own_recipe(data, name)
    recipe = read_recipe(RECIPES / f"{own or lent(data, name)}.yaml")
    if own is None:
        settings = recipe.algorithm.settings if recipe.algorithm.name == NAMES[name] else {}
        algorithm = NamedSettings.model_validate({"name": NAMES[name]} | settings)
        recipe = recipe.model_copy(update={"algorithm": algorithm})
    return changed(recipe, changes_for(data, name))


def changes_for(data: str, name: str) -> Changes:
    """What a recipe is changed by, section by section: a borrowed one more than the algorithm's own."""
    settings = CONTESTS[data].settings
    every: list[Changes] = [settings.get("all", {})]
    if own_recipe(data, name) is None:
        every += [settings.get(kin(name), {}), ANYWHERE.get(name, {}), settings.get(name, {})]
    found: dict[str, dict[str, Any]] = {}
    for changes in every:
        for section, values in changes.items():
            found[section] = found.get(section, {}) | dict(values)
    return found


def origin(data: str, name: str) -> str:
    """Where the settings come from, in words."""
    changes = [
        f"{key} {value}" for values in changes_for(data, name).values() for key, value in values.items()
    ]
    own = own_recipe(data, name)
    if own is not None:
        return ", ".join([f"recipes/{own}.yaml", *changes])
    return ", ".join(["default settings", *changes, f"the rest as recipes/{lent(data, name)}.yaml"])


def changed(recipe: Recipe, changes: Changes) -> Recipe:
    """The recipe with some settings of its sections changed."""
    sections = {key: getattr(recipe, key).model_copy(update=dict(to)) for key, to in changes.items()}
    return recipe.model_copy(update=sections)


def why_not(data: str, name: str) -> str | None:
    """Why an algorithm has no place in a contest; None where it has."""
    algorithm, values = NAMES[name], CONTESTS[data].metric == "mse"
    if not suits(algorithm, classification=not values):
        return "tells conditions apart and predicts no values" if values else "predicts values"
    if algorithm in ANY_COLUMNS:
        return "for tables of different columns"
    if data != "mit-bih" and algorithm in FIXED:
        return "needs the same conditions, or pooled cases of everybody, in every task"
    return None


def problem_for(recipe: Recipe) -> Problem:
    """The recipe's problem, read once for all recipes that say the same of their data and tasks."""
    said = recipe.model_dump_json(include={"data", "tasks", "patients", "auxiliary"})
    if said not in _READ:
        _READ[said] = build_problem(recipe)
    return _READ[said]


_READ: dict[str, Problem] = {}
