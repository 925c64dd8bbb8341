"""Every algorithm gets the same processor time, and rows that are there are not measured again."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from contests import CONTESTS, NAMES, kin, own_recipe, problem_for, recipe_for, why_not  # noqa: E402
from measure_algorithms import budget_of, chosen, ending, row_id, shortened, steps_in, untrained  # noqa: E402
from metadx.algorithms import ALGORITHMS, Dimensions, build_algorithm  # noqa: E402


def written(folder: Path, data: str, name: str, what: str) -> None:
    (folder / f"{row_id(data, name)}.json").write_text(json.dumps({"what": what}), encoding="utf-8")


def test_rows_of_the_same_budget_are_kept_and_others_measured_again(tmp_path: Path) -> None:
    names = ["maml", "anil", "reptile"]
    written(tmp_path, "sinusoid", "maml", f"MAML: {budget_of('sinusoid', 'maml')}, 7 steps of 25")
    written(tmp_path, "sinusoid", "anil", "ANIL: 7777 core-seconds, 7 steps of 25")
    assert chosen("sinusoid", names, tmp_path, again=False) == ["anil", "reptile"]
    assert chosen("sinusoid", names, tmp_path, again=True) == names
    with pytest.raises(SystemExit, match="mamml"):
        chosen("sinusoid", ["mamml"], tmp_path, again=False)


def test_a_rehearsal_finds_how_many_steps_fit() -> None:
    recipe = recipe_for("sinusoid", "maml")
    problem = problem_for(recipe)
    built = build_algorithm(recipe.algorithm, recipe.learner, problem.dimensions, 0)
    ticks = itertools.count()
    # the trainer reads this clock three times in a step, and the rehearsal once more: four seconds a step
    steps = steps_in(400.0, built, recipe.training, problem, clock=lambda: float(next(ticks)))
    assert steps == pytest.approx(100, rel=0.1)


def test_training_ends_with_the_budget_and_a_step_size_of_zero() -> None:
    training = recipe_for("thyroid", "protonet").training
    settings = ending(training, 500, 20.0)
    assert (settings.iterations, settings.max_seconds, settings.keep) == (500, 20.0, "last")
    assert (training.schedule, settings.schedule) == ("constant", "cosine")
    assert ending(recipe_for("thyroid", "reptile").training, 500, 20.0).schedule == "linear"


def test_phases_of_the_first_steps_are_scaled_with_the_run() -> None:
    recipe = recipe_for("omniglot", "maml++")
    built = build_algorithm(recipe.algorithm, recipe.learner, Dimensions((1, 28, 28), 5, 5), 0)
    half = shortened(built, 0.5)
    assert (half.multi_step_until, half.first_order_until) == (80, 250)


@pytest.mark.parametrize("data", CONTESTS)
def test_every_algorithm_takes_part_or_says_why_not(data: str) -> None:
    assert set(ALGORITHMS) - set(NAMES) <= {n for n in ALGORITHMS if ALGORITHMS[n].consumes == "nothing"}
    for name in NAMES:
        if why_not(data, name) is None:
            recipe = recipe_for(data, name)
            assert recipe.algorithm.name == NAMES[name]
            assert recipe.data == recipe_for(data, "maml").data, "the same data for all"
        assert untrained(name) == (ALGORITHMS[NAMES[name]].consumes == "nothing")
    assert recipe_for(data, "fomaml").algorithm.settings["first_order"] is True


def test_an_algorithm_s_own_recipe_goes_before_that_of_its_kin() -> None:
    assert own_recipe("omniglot", "meta_sgd") == "omniglot-meta-sgd"
    assert own_recipe("sinusoid", "maml") == "sinusoid"
    assert own_recipe("herlev", "maml") is None
    assert kin("lr_d2") == "embedding"
    assert recipe_for("omniglot", "lr_d2").tasks == recipe_for("omniglot", "r2d2").tasks
