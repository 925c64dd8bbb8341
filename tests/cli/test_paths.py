"""From data to a report, as a user walks it: train, evaluate, report."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.conftest import Metadx, files
from metadx.evaluation import EvaluationResult
from studies.making import VOUCHED, write_pictures, write_recipe, write_table

ROOT = Path(__file__).parents[2]
RUN = {"metrics.jsonl", "model.safetensors", "recipe.yaml", "run.json"}
BESIDES = {"tensorboard", "inputs.safetensors"}  # where it is installed; of cases


def walk(metadx: Metadx, recipe: Path, *options: object) -> dict[str, Any]:
    """Trains, evaluates and reports, and gives the evaluation as other programs get it."""
    run = recipe.parent / "runs" / "a"
    said = metadx("train", recipe, "--out", run).ok()
    assert said.out == ""
    assert f"Wrote {run}: best at step" in said.err
    assert f"Next: metadx evaluate {run}" in said.err
    assert {p.name for p in run.iterdir()} - BESIDES == RUN
    assert {p.name for p in run.parent.iterdir()} == {"a"}

    printed = metadx("evaluate", run, *options, "--json").ok()
    result: dict[str, Any] = json.loads(printed.out)
    assert json.loads((run / "evaluation.json").read_text()) == result
    assert EvaluationResult.model_validate(result)
    assert {p.name for p in run.iterdir()} - BESIDES == RUN | {"evaluation.json", "report.html"}

    page = (run / "report.html").read_text(encoding="utf-8")
    (run / "report.html").unlink()
    again = metadx("report", run).ok()
    assert f"Wrote {run / 'report.html'}." in again.err
    assert (run / "report.html").read_text(encoding="utf-8") == page
    metadx("report", run / "evaluation.json", "--out", recipe.parent / "mine.html").ok()
    assert (recipe.parent / "mine.html").read_text(encoding="utf-8") == page
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", page)
    return result


@pytest.mark.parametrize("algorithm", ["maml", "meta_logistic", "fine_tune", "logistic_regression"])
def test_a_table_of_ones_own(algorithm: str, metadx: Metadx, tmp_path: Path) -> None:
    write_table(tmp_path / "patients.csv")
    recipe = write_recipe(tmp_path / "recipe.yaml", {"csv": "patients.csv"}, algorithm={"name": algorithm})
    result = walk(metadx, recipe, "--shots", "1,2,3", "--episodes", 5)
    assert result["data"]["patients"] == 96
    assert result["shots"] == [1, 2, 3]
    assert {s["n"] for s in result["scores"]} == {5}
    assert {m["name"] for m in result["methods"]} == {algorithm, "logistic_regression"}
    assert result["protocol"]["command"] == (
        f"metadx evaluate {tmp_path / 'runs' / 'a'} --shots 1,2,3 --episodes 5"
    )


def test_class_folders_of_pictures(metadx: Metadx, tmp_path: Path) -> None:
    write_pictures(tmp_path / "cells")
    recipe = write_recipe(
        tmp_path / "recipe.yaml",
        {"folder": "cells", "patients": VOUCHED, "size": [8, 8]},
        learner={"name": "convnet", "width": 4, "blocks": 2},
    )
    result = walk(metadx, recipe, "--baselines", "nearest_centroid,logistic_regression")
    assert result["data"]["modality"] == "image"
    assert any("resized to 8 x 8" in done for done in result["data"]["preprocessing"])
    assert any(VOUCHED in note for note in result["data"]["notes"])
    assert VOUCHED in (tmp_path / "runs" / "a" / "report.html").read_text(encoding="utf-8")
    assert [m["name"] for m in result["methods"]] == ["protonet", "nearest_centroid", "logistic_regression"]


def test_the_sinusoid_recipe_shortened(metadx: Metadx, tmp_path: Path) -> None:
    content = yaml.safe_load((ROOT / "recipes" / "sinusoid.yaml").read_text(encoding="utf-8"))
    content["training"] |= {"iterations": 60, "validate_every": 30, "validation_tasks": 20}
    content["evaluation"] |= {"episodes": 20}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(content))
    result = walk(metadx, tmp_path / "recipe.yaml")
    assert {s["metric"] for s in result["scores"]} == {"mse", "rmse", "mae"}
    records = [
        json.loads(line) for line in (tmp_path / "runs" / "a" / "metrics.jsonl").read_text().splitlines()
    ]
    assert len(records) == 60
    assert sum(r["loss"] for r in records[-10:]) < sum(r["loss"] for r in records[:10])


def test_the_table_on_screen(metadx: Metadx, tmp_path: Path) -> None:
    write_table(tmp_path / "patients.csv")
    recipe = write_recipe(tmp_path / "recipe.yaml", {"csv": "patients.csv"}, title="Ours [bold] [/x]")
    metadx("train", recipe, "--out", tmp_path / "a", "--quiet").ok()
    said = metadx("evaluate", tmp_path / "a").ok()
    assert "Ours [bold] [/x]: % right, 95 % interval" in said.out
    assert re.search(r"Prototypical network +│ +\d+\.\d ± \d+\.\d │ +\d+\.\d ± \d+\.\d", said.out)
    assert "Logistic regression" in said.out
    assert "2 ways, up to 3 query cases each, 6 episodes, inductive" in said.out
    assert "• With 1 labelled case per condition" in said.out
    assert f"Wrote {tmp_path / 'a' / 'report.html'} and {tmp_path / 'a' / 'evaluation.json'}." in said.err


def test_the_command_in_a_result_gives_the_same_result(metadx: Metadx, tmp_path: Path) -> None:
    import shlex

    write_table(tmp_path / "patients.csv")
    run = tmp_path / "my runs" / "a"
    metadx("train", write_recipe(tmp_path / "recipe.yaml", {"csv": "patients.csv"}), "--out", run, "-q").ok()
    options = ("--shots", "2", "--seed", 7, "--ways", 3, "--query", 2, "--baselines", "nearest_centroid")
    first = json.loads(metadx("evaluate", run, *options, "--json").ok().out)
    name, *arguments = shlex.split(first["protocol"]["command"])
    assert name == "metadx"
    second = json.loads(metadx(*arguments, "--json").ok().out)
    for result in (first, second):
        result["protocol"].pop("seconds")
        result["protocol"].pop("date")
    assert first == second
    assert first["protocol"]["seed"] == 7


def test_stopping_an_evaluation_changes_nothing(
    metadx: Metadx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from metadx.studies import exam

    write_table(tmp_path / "patients.csv")
    recipe = write_recipe(tmp_path / "recipe.yaml", {"csv": "patients.csv"})
    metadx("train", recipe, "--out", tmp_path / "a", "-q").ok()
    metadx("evaluate", tmp_path / "a").ok()
    before = files(tmp_path)

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(exam, "evaluate", interrupt)
    said = metadx("evaluate", tmp_path / "a", "--shots", 1)
    assert said.code == 130
    assert said.err.strip().splitlines()[-1] == "metadx: stopped"
    assert files(tmp_path) == before
