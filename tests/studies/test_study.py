"""Training and evaluating what a recipe says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from metadx.errors import UserError
from metadx.evaluation import EvaluationResult
from metadx.studies import EvaluationSettings, Run, evaluate_run, load_run, parse_recipe, train_recipe
from metadx.studies.runs import save_tensors
from studies.making import recipe, write_table


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("data") / "table.csv")


@pytest.fixture(scope="module")
def run(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained(table, tmp_path_factory.mktemp("run") / "out")


def trained(table: Path, out: Path, **changes: Any) -> Run:
    return train_recipe(parse_recipe(recipe({"csv": str(table)}, **changes)), out)


def evaluated(run: Run, **changes: Any) -> EvaluationResult:
    settings = run.recipe.evaluation.model_copy(update=changes)
    return evaluate_run(run, settings, command="metadx evaluate")


@pytest.mark.parametrize("name", ["maml", "protonet", "reptile", "linear_probe", "meta_logistic"])
def test_the_same_recipe_gives_the_same_bytes(name: str, table: Path, tmp_path: Path) -> None:
    for out in ("a", "b"):
        trained(table, tmp_path / out, algorithm={"name": name})
    for file in ("model.safetensors", "metrics.jsonl", "run.json", "recipe.yaml"):
        first = (tmp_path / "a" / file).read_bytes()
        assert first == (tmp_path / "b" / file).read_bytes(), file
        assert first


def test_another_seed_gives_other_bytes(table: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        trained(table, tmp_path / str(seed), training={"seed": seed})
    files = [(tmp_path / str(seed) / "model.safetensors").read_bytes() for seed in (0, 1)]
    assert files[0] != files[1]


def test_evaluating_twice_gives_the_same_figures(run: Run) -> None:
    a, b = (json.loads(evaluated(load_run(run.folder)).model_dump_json()) for _ in range(2))
    for result in (a, b):
        assert result["protocol"].pop("seconds") >= 0
        assert result["protocol"].pop("date")
    assert a == b
    assert a["scores"]


def test_another_evaluation_seed_draws_other_episodes(run: Run) -> None:
    a, b = (evaluated(run, seed=seed) for seed in (1, 2))
    assert a.scores != b.scores


def test_the_held_out_conditions_are_those_that_were_scored(run: Run) -> None:
    result = evaluated(run)
    scored = {score.condition for score in result.conditions}
    assert scored <= set(result.split.test)
    assert len(scored) > 1
    assert not set(result.split.test) & {*result.split.train, *result.split.validation}
    assert [m.name for m in result.methods] == ["protonet", "logistic_regression"]
    assert all(score.n == 6 for score in result.scores)


def test_baselines_are_taken_once_and_never_the_run_itself(table: Path, tmp_path: Path, run: Run) -> None:
    twice = ("nearest_centroid", "nearest_centroid", "protonet")
    assert [m.name for m in evaluated(run, baselines=twice).methods] == ["protonet", "nearest_centroid"]
    baseline = trained(table, tmp_path / "b", algorithm={"name": "logistic_regression"})
    assert [m.name for m in evaluated(baseline).methods] == ["logistic_regression"]


def test_without_baselines_the_run_stands_alone(run: Run) -> None:
    result = evaluated(run, baselines=())
    assert result.baseline == {}
    assert result.differences == ()
    assert result.summary[0].startswith("With 1 labelled case per condition: Prototypical network (")


@pytest.mark.parametrize(
    ("baseline", "said"),
    [
        ("logistic_regresion", "unknown baseline 'logistic_regresion'; did you mean 'logistic_regression'?"),
        ("maml", "'maml' has to be trained first and cannot be a baseline here; train it as a run"),
    ],
)
def test_what_can_be_no_baseline_is_named(run: Run, baseline: str, said: str) -> None:
    with pytest.raises(UserError) as error:
        evaluated(run, baselines=(baseline,))
    assert str(error.value) == said


def test_ways_are_capped_by_the_held_out_conditions_unless_asked_for(table: Path, tmp_path: Path) -> None:
    content = recipe({"csv": str(table), "split": {"share": [3, 1, 1]}}, tasks={"ways": 5})
    wide = train_recipe(parse_recipe(content), tmp_path / "wide")
    held_out = len(wide.summary["split"]["test"])
    assert 2 <= held_out < 5
    assert evaluated(wide).protocol.ways == held_out
    with pytest.raises(UserError, match=rf"cannot draw 5 ways .* Possible: {held_out} ways at 1 shots"):
        evaluated(wide, ways=5)


@pytest.mark.parametrize("what", ["another value", "another patient", "a case more"])
def test_data_that_changed_since_the_training_are_refused(what: str, tmp_path: Path) -> None:
    table = write_table(tmp_path / "table.csv")
    before = trained(table, tmp_path / "out")
    rows = [line.split(",") for line in table.read_text(encoding="utf-8").splitlines()]
    if what == "another value":
        rows[5][2] = "99"
    elif what == "another patient":
        rows[5][1] = "someone else"
    else:
        rows.append(["condition 0", "new", "1", "2", "3", "F"])
    table.write_text("\n".join(",".join(row) for row in rows) + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"cases are not those of the training: .* Train again"):
        evaluated(before)


def test_a_split_that_was_changed_by_hand_is_refused(table: Path, tmp_path: Path) -> None:
    out = trained(table, tmp_path / "out").folder
    content = yaml.safe_load((out / "recipe.yaml").read_text())
    content["data"]["split"]["seed"] = 5
    (out / "recipe.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match="not those of the training"):
        evaluated(load_run(out))


@pytest.mark.parametrize("what", ["learner", "tensors"])
def test_parameters_that_do_not_fit_the_recipe_are_refused(what: str, table: Path, tmp_path: Path) -> None:
    before = trained(table, tmp_path / "out")
    if what == "learner":
        content = yaml.safe_load((before.folder / "recipe.yaml").read_text())
        content["learner"] = {"name": "mlp", "hidden": [3]}
        (before.folder / "recipe.yaml").write_text(yaml.safe_dump(content))
    else:
        save_tensors(before.folder / "model.safetensors", {"other": torch.zeros(2)}, {})
    with pytest.raises(UserError, match="the tensors are not those of this"):
        evaluated(load_run(before.folder))


def test_a_failed_training_leaves_nothing(table: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot draw 2 ways x 50 shots"):
        trained(table, tmp_path / "deep" / "out", tasks={"shots": 50})
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_refused_before_data_are_read(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("precious")
    with pytest.raises(UserError, match="already exists"):
        trained(tmp_path / "no.csv", tmp_path / "out")


def test_regression_is_evaluated_without_baselines(tmp_path: Path) -> None:
    content = recipe(
        {"function": "sinusoid"}, algorithm={"name": "maml"}, learner={"name": "mlp", "hidden": [8]}
    )
    content["data"].pop("split")
    result = evaluated(train_recipe(parse_recipe(content), tmp_path / "sine"))
    assert [m.name for m in result.methods] == ["maml"]
    assert {s.metric for s in result.scores} == {"mse", "rmse", "mae"}
    assert "mean squared error" in result.summary[0]


def test_settings_of_the_recipe_are_the_default(run: Run) -> None:
    assert isinstance(run.recipe.evaluation, EvaluationSettings)
    result = evaluated(run)
    assert result.shots == (1, 2)
    assert result.protocol.episodes == 6
