"""Studies of groups: a hospital or a gene never seen in training, adapted to from a few of its own cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metadx.errors import UserError
from metadx.studies import build_problem, load_run, parse_recipe, train_recipe
from metadx.studies.exam import Plan, draw_exam
from metadx.studies.study import evaluate_run

VOUCHED = "every case is a different patient"


def write_sites(path: Path, sites: int, seed: int, patients: int = 40) -> str:
    """Hospitals whose patients differ alike, each with a shift of its own."""
    rng = np.random.default_rng(seed)
    lines = ["label,patient,site,a,b,c"]
    for site in range(sites):
        shift = rng.normal(0, 1, 3)
        for patient in range(patients):
            ill = patient % 2
            a, b, c = rng.normal(0, 1, 3) + shift + 2 * ill * np.array([1, 1, 0])
            lines.append(
                f"{'ill' if ill else 'well'},{path.stem}{site}-{patient},S{site},{a:.3f},{b:.3f},{c:.3f}"
            )
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    table = write_sites(tmp_path_factory.mktemp("sites") / "sites.csv", 8, 0)
    return {
        "data": {"csv": table},
        "groups": {"axis": "site", "validation": ["S5", "S6"], "test": ["S7"]},
        "tasks": {"shots": [2, 8], "query": 8},
        "learner": {"name": "mlp", "hidden": [8]},
        "algorithm": {"name": "protonet"},
        "training": {"iterations": 30, "meta_batch": 4, "lr": 0.01, "validation_tasks": 4},
        "evaluation": {"shots": [2, 5], "episodes": 6, "query": 50, "tuning_tasks": 4},
    }


@pytest.mark.parametrize("algorithm", ["protonet", "maml", "fine_tune"])
def test_a_whole_run_by_site(content: dict[str, Any], tmp_path: Path, algorithm: str) -> None:
    recipe = parse_recipe({**content, "algorithm": {"name": algorithm}})
    train_recipe(recipe, tmp_path / "run")
    result = evaluate_run(load_run(tmp_path / "run"), recipe.evaluation, command="none")
    assert [m.name for m in result.methods] == [algorithm, "logistic_regression"]
    right = {(s.method, s.shots): s.value for s in result.scores if s.metric == "accuracy"}
    assert min(value or 0 for value in right.values()) > 0.6
    assert result.split.test == {"S7": 40}
    assert set(result.split.train) == {f"S{i}" for i in range(5)}
    assert {c.condition for c in result.conditions} == {"ill", "well"}
    assert result.protocol.ways == 2


def test_cases_as_they_come(content: dict[str, Any]) -> None:
    groups = {**content["groups"], "drawn": "as they come"}
    problem = build_problem(parse_recipe({**content, "groups": groups}))
    exam = draw_exam(problem, Plan((20,), 2, 100, 5, 3, 1))
    assert {(len(task.support.x), len(task.query.x)) for task in exam.test[20]} == {(20, 20)}


def test_each_group_held_out_is_examined_as_often(content: dict[str, Any]) -> None:
    groups = {"axis": "site"}
    problem = build_problem(parse_recipe({**content, "groups": groups}))
    assert [len(side) for side in (problem.split.train, problem.split.validation, problem.split.test)] == [
        5,
        2,
        1,
    ] or sum(map(len, (problem.split.train, problem.split.validation, problem.split.test))) == 8
    exam = draw_exam(problem, Plan((5,), 2, 10, 6, 4, 1))
    assert len(exam.test[5]) == 6
    assert len(exam.tuning[5]) == 4


def test_whole_data_sets_on_each_side(content: dict[str, Any], tmp_path: Path) -> None:
    sets = {
        side: [write_sites(tmp_path / f"{side}{i}.csv", 2, 3 * i + j) for i in range(2)]
        for j, side in enumerate(("train", "validation", "test"))
    }
    by_study = build_problem(parse_recipe({**content, "data": {"sets": sets}, "groups": {"axis": "study"}}))
    assert by_study.split.test == {"test0": 80, "test1": 80}
    by_site = build_problem(parse_recipe({**content, "data": {"sets": sets}, "groups": {"axis": "site"}}))
    assert list(by_site.split.train) == ["train0: S0", "train0: S1", "train1: S0", "train1: S1"]
    with pytest.raises(UserError, match="name groups of one data set"):
        build_problem(parse_recipe({**content, "data": {"sets": sets}}))


def test_what_the_recipe_cannot_mean_is_refused(content: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="not both: a task is about one patient or one group"):
        parse_recipe({**content, "patients": {"history": [1, 2]}})
    with pytest.raises(UserError, match="no 'gene' of its cases"):
        build_problem(parse_recipe({**content, "groups": {"axis": "gene"}}))
    with pytest.raises(UserError, match="no group 'S9'"):
        build_problem(parse_recipe({**content, "groups": {"axis": "site", "test": ["S9"]}}))
    with pytest.raises(UserError, match="not by group"):
        build_problem(parse_recipe({**content, "auxiliary": {"regions": 0.3}}))
    with pytest.raises(UserError, match=r"none of the groups held out can give 30 shots"):
        draw_exam(build_problem(parse_recipe(content)), Plan((30,), 2, 10, 6, 4, 1))
