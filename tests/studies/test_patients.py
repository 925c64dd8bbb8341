"""Studies of patients: their own first cases adapt, their later ones are predicted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metadx.errors import UserError
from metadx.studies import build_problem, load_run, parse_recipe, train_recipe
from metadx.studies.exam import Plan, draw_exam
from metadx.studies.study import evaluate_run


def write_cohort(folder: Path, people: int, seed: int) -> str:
    """People whose glucose swings, each at a pace of their own."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    for person in range(people):
        level = (
            140 + 50 * np.sin(np.arange(500) / rng.uniform(6, 14) + rng.uniform(0, 6)) + rng.normal(0, 2, 500)
        )
        lines = [
            f"2024-05-{1 + i // 288:02d} {i // 12 % 24:02d}:{i % 12 * 5:02d}:00,{v:.1f}"
            for i, v in enumerate(level)
        ]
        (folder / f"p{person}.csv").write_text("timestamp,glucose_value_mg_dl\n" + "\n".join(lines) + "\n")
    return str(folder)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("cohorts")
    sets = {
        side: [write_cohort(root / side, people, seed)]
        for seed, (side, people) in enumerate((("train", 6), ("validation", 3), ("test", 4)))
    }
    return {
        "data": {"sets": sets},
        "patients": {"history": [240, 1440]},
        "tasks": {"shots": 100, "query": 20},
        "learner": {"name": "mlp", "hidden": [8]},
        "algorithm": {"name": "meta_ridge", "carry": True},
        "training": {"iterations": 30, "meta_batch": 4, "lr": 0.01, "validation_tasks": 4},
        "evaluation": {"shots": [20, 100], "baselines": ["ridge", "last_value", "logistic_regression"]},
    }


def test_a_whole_run_by_patient(content: dict[str, Any], tmp_path: Path) -> None:
    recipe = parse_recipe(content)
    train_recipe(recipe, tmp_path / "run")
    result = evaluate_run(load_run(tmp_path / "run"), recipe.evaluation, command="none")
    assert [m.name for m in result.methods] == ["meta_ridge", "ridge", "last_value"]
    right = {(s.method, s.shots): s for s in result.scores if s.metric == "mse"}
    assert {s.n for s in right.values()} == {4}  # one task a person
    assert right["meta_ridge", 100].value < right["last_value", 100].value  # type: ignore[operator]
    assert result.split.test == {next(iter(result.split.test)): 4}


def test_an_exam_holds_everybody_s_first_cases_and_all_that_came_later(content: dict[str, Any]) -> None:
    problem = build_problem(parse_recipe(content))
    exam = draw_exam(problem, Plan((20, 100), 5, 15, 600, 2, 1))
    assert [len(task.support.x) for task in exam.test[100]] == [100] * 4
    assert min(len(task.query.x) for task in exam.test[20]) > 200
    assert len(exam.tuning[20]) == 2
    with pytest.raises(UserError, match="no patient with 5000 cases and one after them"):
        draw_exam(problem, Plan((5000,), 5, 15, 600, 2, 1))


def test_patients_of_one_set_are_dealt_out(content: dict[str, Any]) -> None:
    one = {**content, "data": {"folder": content["data"]["sets"]["train"][0], "split": {"share": [3, 1, 2]}}}
    splits = build_problem(parse_recipe(one)).splits
    sides = [
        {p for s in side.sources() for p in s.patients()}
        for side in (splits.train, splits.validation, splits.test)
    ]
    assert [len(side) for side in sides] == [3, 1, 2]
    assert len(set.union(*sides)) == 6


def write_beats(folder: Path, people: int) -> str:
    """People whose normal beats look different, and whose early beats are of class S."""
    wfdb = pytest.importorskip("wfdb")
    folder.mkdir()
    for person in range(people):
        rng = np.random.default_rng(person)
        symbols = rng.choice(list("NNNNVA"), 60)
        seconds = np.cumsum(np.where(symbols == "A", 0.5, 0.8)) + 0.1
        time = np.arange(int((seconds[-1] + 0.6) * 100)) / 100
        width = np.where(symbols == "V", 0.08, 0.02)
        wave = (1 + person) * sum(
            np.exp(-(((time - s) / w) ** 2)) for s, w in zip(seconds, width, strict=True)
        )
        wfdb.wrsamp(
            f"p{person}", 100.0, ["mV"], ["MLII"], wave[:, None], fmt=["16"], adc_gain=[1000], baseline=[0],
            write_dir=str(folder),
        )  # fmt: skip
        at = np.round(seconds * 100).astype(np.int64)
        wfdb.wrann(f"p{person}", "atr", at, symbol=list(symbols), write_dir=str(folder))
    return str(folder)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of wfdb about pandas
def test_conditions_by_patient_mean_the_same_in_every_task(tmp_path: Path) -> None:
    recipe = parse_recipe(
        {
            "data": {"folder": write_beats(tmp_path / "beats", 7)},
            "patients": {
                "history": [10, 30],
                "validation": ["p5"],
                "test": ["p4", "p6"],
                "fibrillation": 0.2,
            },
            "tasks": {"shots": 30, "query": 20},
            "learner": {"name": "signalmlp", "steady": 6, "hidden": [12, 6]},
            "algorithm": {"name": "own_normal"},
            "training": {"iterations": 40, "meta_batch": 3, "lr": 0.01, "validation_tasks": 4},
            "evaluation": {"shots": [15, 25], "baselines": ["logistic_regression", "ridge"]},
        }
    )
    problem = build_problem(recipe)
    assert (problem.dimensions.outputs, problem.dimensions.classes) == (5, 5)
    assert [
        sorted(side.sources()[0].patients()) for side in (problem.splits.validation, problem.splits.test)
    ] == [
        ["p5"],
        ["p4", "p6"],
    ]
    train_recipe(recipe, tmp_path / "run")
    result = evaluate_run(load_run(tmp_path / "run"), recipe.evaluation, command="none")
    assert [m.name for m in result.methods] == ["own_normal", "logistic_regression"]
    assert result.protocol.ways == 5
    accuracy = {(s.method, s.shots): s for s in result.scores if s.metric == "accuracy"}
    assert accuracy["own_normal", 25].n == 2
    assert accuracy["own_normal", 25].value > 0.8  # type: ignore[operator]
    assert {c.condition for c in result.conditions} == {"N", "S", "V", "F", "Q"}


def test_patients_to_hold_out_are_named_once_and_exist(content: dict[str, Any]) -> None:
    one = {**content, "data": {"folder": content["data"]["sets"]["train"][0]}}
    history = content["patients"]["history"]
    for named, said in (
        ({"test": ["nobody"]}, "no group 'nobody'"),
        ({"test": ["train/p1"], "validation": ["train/p1"]}, "named for validation and for test"),
    ):
        with pytest.raises(UserError, match=said):
            build_problem(parse_recipe({**one, "patients": {"history": history, **named}}))
    with pytest.raises(UserError, match="name patients of one data set"):
        build_problem(parse_recipe({**content, "patients": {"history": history, "test": ["p1"]}}))
