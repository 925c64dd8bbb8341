"""`metadx tune` as people meet it: begun, interrupted, gone on with, trained from; and what it refuses."""

from __future__ import annotations

import csv
import re
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from cli.conftest import Metadx, files
from metadx.studies import tuning
from studies.making import write_recipe, write_table

SPACE = {
    "training.lr": {"low": 1e-3, "high": 1e-1, "log": True},
    "algorithm.inner_steps": {"low": 0, "high": 2},
    "learner.activation": {"choices": ["relu", "tanh"]},
}


def a_recipe(tmp_path: Path, name: str = "recipe.yaml", space: Any = SPACE, **changes: Any) -> Path:
    write_table(tmp_path / "table.csv")
    merged = {"algorithm": {"name": "maml"}, "learner": {"name": "mlp", "hidden": [4]}, **changes}
    return write_recipe(tmp_path / name, {"csv": "table.csv"}, tune={"space": space}, **merged)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "trials.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_a_search_that_was_interrupted_ends_as_one_that_was_not(
    metadx: Metadx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = a_recipe(tmp_path)
    whole = metadx("tune", recipe, "--out", tmp_path / "whole", "--trials", 3).ok()
    assert "The best trials" in whole.out
    assert f"Wrote {tmp_path / 'whole'}: best is trial" in whole.err
    assert {p.name for p in (tmp_path / "whole").iterdir()} == {
        "recipe.yaml", "study.jsonl", "trials.csv", "best.yaml",
    }  # fmt: skip

    calls = []

    def stopped(*args: Any, **options: Any) -> Any:
        calls.append(args)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGTERM)
        return train_one(*args, **options)

    train_one = tuning.train_one
    parts = tmp_path / "parts"
    with monkeypatch.context() as patch:
        patch.setattr(tuning, "train_one", stopped)
        said = metadx("tune", recipe, "--out", parts, "--trials", 3, "-q")
    assert said.code == 143
    assert said.err.strip() == (
        f"metadx: stopped in trial 2, which will begin again. Go on with `metadx tune --resume {parts}`."
    )
    assert len(rows(parts)) == 1
    with (parts / "study.jsonl").open("ab") as stream:
        stream.write(b'{"op_code": 6, "half a li')  # what a kill may leave
    metadx("tune", "--resume", parts, "--trials", 3, "-q").ok()
    for name in ("trials.csv", "best.yaml"):
        assert (parts / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()

    metadx("tune", recipe, "--resume", parts, "--trials", 4, "-q").ok()
    tried = rows(parts)
    assert len(tried) == 4
    assert tried[:3] == rows(tmp_path / "whole")
    for row in tried:
        assert 1e-3 <= float(row["training.lr"]) <= 1e-1
        assert row["algorithm.inner_steps"] in ("0", "1", "2")
        assert row["learner.activation"] in ("relu", "tanh")
    best = max((row for row in tried if row["outcome"] == "complete"), key=lambda row: float(row["score"]))
    found = yaml.safe_load((parts / "best.yaml").read_text())
    assert found["training"]["lr"] == pytest.approx(float(best["training.lr"]))
    said = metadx("train", parts / "best.yaml", "--out", tmp_path / "run", "-q").ok()
    assert f"meta-validation {float(best['score']):.3f}" in said.err


def test_without_a_space_it_begins_at_the_recipe_and_searches_around_it(
    metadx: Metadx, tmp_path: Path
) -> None:
    recipe = a_recipe(tmp_path, space={}, training={"lr": 0.02})
    metadx("tune", recipe, "--out", tmp_path / "t", "--trials", 2, "-q").ok()
    first, second = rows(tmp_path / "t")
    assert (first["training.lr"], first["algorithm.inner_lr"], first["algorithm.inner_steps"]) == (
        "0.02",
        "0.01",
        "5",
    )
    assert 0.002 <= float(second["training.lr"]) <= 0.2


def test_the_time_that_is_up_begins_no_trial(metadx: Metadx, tmp_path: Path) -> None:
    metadx("tune", a_recipe(tmp_path), "--out", tmp_path / "t", "--trials", 50, "--time", 0, "-q").ok()
    assert len(rows(tmp_path / "t")) == 1


def test_a_trial_that_diverges_is_one_that_failed(metadx: Metadx, tmp_path: Path) -> None:
    space = {"training.lr": {"choices": [1e-3, 1e30]}}
    recipe = a_recipe(tmp_path, space=space, training={"optimizer": "sgd", "iterations": 12})
    said = metadx("tune", recipe, "--out", tmp_path / "t", "--trials", 6, "-q").ok().err
    assert any(
        re.match(r"metadx: step \d+: what task 1 of 2, data/train \(", line) for line in said.splitlines()
    )
    outcomes = {row["training.lr"]: (row["outcome"], row["why"]) for row in rows(tmp_path / "t")}
    assert outcomes["1e+30"][0] == "failed"
    assert "finite direction" in outcomes["1e+30"][1]
    assert outcomes["0.001"] == ("complete", "")


def test_trials_that_do_worse_as_early_are_given_up(
    metadx: Metadx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []

    def worse_and_worse(*_: Any, listeners: Any) -> Any:
        score = 1 - 0.1 * len(steps)
        steps.append(0)
        for step in (1, 2, 3):
            steps[-1] = step
            listeners[0]({"step": step, "validation": score})
        return SimpleNamespace(score=score)

    monkeypatch.setattr(tuning, "train_one", worse_and_worse)
    said = metadx("tune", a_recipe(tmp_path), "--out", tmp_path / "t", "--trials", 7, "-q").ok()
    assert [row["outcome"] for row in rows(tmp_path / "t")] == ["complete"] * 5 + ["pruned"] * 2
    assert steps == [3] * 5 + [1] * 2
    assert "best is trial 1 of 7, meta-validation 1.000" in said.err


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"training.lrr": {"low": 0.1, "high": 1.0}}, "unknown key 'training.lrr'; did you mean 'lr'?"),
        ({"algorithm.inner_lrr": {"low": 0.1, "high": 1.0}}, "did you mean 'inner_lr'?"),
        ({"lr": {"low": 0.1, "high": 1.0}}, "'lr' is not a setting to tune; name one of training, algorithm"),
        ({"data.size": {"low": 1, "high": 9}}, "'data.size' is not a setting to tune"),
        (
            {"training.seed": {"low": 1, "high": 9}},
            "'training.seed' is not to be tuned: the best of several seeds",
        ),
        ({"training.lr": {"low": 0.1, "high": 0.1}}, "the range is empty: low is 0.1, high is 0.1"),
        ({"training.lr": {"low": 0, "high": 0.1, "log": True}}, "a range with log begins above 0, not at 0"),
        (
            {"training.lr": {"low": -1.0, "high": 0.1}},
            "'training.lr' is -1.0: input should be greater than 0",
        ),
        ({"training.lr": {"choices": []}}, "give low and high, or choices"),
        ({"training.lr": {"low": 0.1, "high": 1.0, "choices": [1]}}, "or choices, not both"),
    ],
)
def test_a_space_that_makes_no_sense(space: Any, said: str, metadx: Metadx, tmp_path: Path) -> None:
    recipe = a_recipe(tmp_path, space=space)
    before = files(tmp_path)
    assert said in metadx("tune", recipe, "--out", tmp_path / "t").mistake()
    assert files(tmp_path) == before


def test_what_is_no_search_to_go_on_with(metadx: Metadx, tmp_path: Path) -> None:
    recipe, out = a_recipe(tmp_path), tmp_path / "t"
    assert "give --out FOLDER to begin a search, or --resume FOLDER" in metadx("tune", recipe).mistake()
    assert "give a recipe as well" in metadx("tune", "--out", out).mistake()
    assert metadx("tune", "--resume", out).mistake() == (
        f"{out}: no search to resume. Begin one with `metadx tune RECIPE --out {out}`."
    )
    metadx("tune", recipe, "--out", out, "--trials", 1, "-q").ok()
    before = files(out)
    assert "Go on with `metadx tune --resume" in metadx("tune", recipe, "--out", out).mistake()
    other = a_recipe(tmp_path, "other.yaml", training={"meta_batch": 3})
    assert metadx("tune", other, "--resume", out).mistake() == (
        f"{out}: the search is of another recipe: training.meta_batch was 2, is 3. Go on with `metadx tune "
        f"--resume {out}`, or tune the new recipe into another folder."
    )
    assert files(out) == before
    write_table(tmp_path / "table.csv", seed=5)
    assert "the cases are no longer those of the search" in metadx("tune", "--resume", out).mistake()
    (out / "study.jsonl").write_text("nonsense\n")
    assert "study.jsonl is damaged" in metadx("tune", "--resume", out).mistake()


def test_an_algorithm_with_nothing_to_tune(metadx: Metadx, tmp_path: Path) -> None:
    recipe = a_recipe(tmp_path, space={}, algorithm={"name": "last_value"}, learner={"name": "auto"})
    assert (
        "last_value has nothing that is tuned by default"
        in metadx("tune", recipe, "--out", tmp_path / "t").mistake()
    )
