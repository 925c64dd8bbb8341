"""Studies that measure different genes: meta-learned on some, adapted to another's genes, with their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metadx.diagnosis import Diagnoser, load_bundle, save_bundle
from metadx.errors import UserError
from metadx.studies import build_problem, load_run, parse_recipe, train_recipe
from metadx.studies.diagnosing import adapt_run, load_model
from metadx.studies.study import evaluate_run


def write_study(path: Path, seed: int, genes: int, conditions: int = 3, samples: int = 9) -> str:
    """Intensities of a study's own genes; a few of them differ between the conditions."""
    rng = np.random.default_rng(seed)
    level = rng.normal(6, 1.5, genes)
    names = [f"G{seed}_{i}" for i in range(genes)]
    lines = ["label,patient," + ",".join(names)]
    for condition in range(conditions):
        shift = np.where(rng.random(genes) < 0.3, rng.normal(0, 1.5, genes), 0)
        for sample in range(samples):
            values = np.exp(level + shift + rng.normal(0, 0.4, genes))
            lines.append(f"cancer {condition},p{condition}-{sample}," + ",".join(f"{v:.2f}" for v in values))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("studies")
    sides = {"train": (31, 18, 25), "validation": (22,), "test": (40,)}
    sets = {
        side: [write_study(root / f"{side}{i}.csv", 10 * at + i, genes) for i, genes in enumerate(sizes)]
        for at, (side, sizes) in enumerate(sides.items())
    }
    return {
        "data": {"sets": sets},
        "tasks": {"ways": [2, 3], "shots": 3, "query": 3},
        "algorithm": {"name": "gram_ridge"},
        "training": {"iterations": 6, "meta_batch": 2, "validate_every": 3, "validation_tasks": 4},
        "evaluation": {"shots": [3], "episodes": 8, "query": 3, "tuning_tasks": 4},
    }


def test_a_whole_run_over_different_genes(content: dict[str, Any], tmp_path: Path) -> None:
    recipe = parse_recipe(content)
    run = train_recipe(recipe, tmp_path / "run")
    result = evaluate_run(load_run(tmp_path / "run"), recipe.evaluation, command="none")
    right = {s.method: s.value for s in result.scores if s.metric == "accuracy"}
    assert set(right) == {"gram_ridge", "logistic_regression"}
    assert (right["gram_ridge"] or 0) > 0.6

    hidden = Path(write_study(tmp_path / "hidden.csv", 99, 55, samples=6))
    diagnoser = adapt_run(run, hidden)
    genes = tuple(f"G99_{i}" for i in range(55))
    assert diagnoser.fitted_.inputs.features == genes
    opened = load_bundle(save_bundle(diagnoser, tmp_path / "bundle"))
    assert opened.fitted_.inputs.features == genes
    assert diagnoser.support_ is not None
    x = diagnoser.support_.x
    np.testing.assert_allclose(opened.predict_proba(x), diagnoser.predict_proba(x))
    assert np.mean(opened.predict(x) == diagnoser.classes_[diagnoser.support_.label]) > 0.9
    holes = np.where(np.random.default_rng(0).random(x.shape) < 0.1, np.nan, x)
    assert np.isfinite(opened.predict_proba(holes)).all()
    with pytest.raises(ValueError, match="features"):
        opened.predict_proba(x[:, :-1])


def test_a_model_takes_any_columns(content: dict[str, Any], tmp_path: Path) -> None:
    train_recipe(parse_recipe(content), tmp_path / "run")
    model = load_model(tmp_path / "run")
    assert model.inputs.open
    rng = np.random.default_rng(0)
    for columns in (3, 200):
        x = rng.normal(size=(12, columns)) + np.arange(12)[:, None] % 2
        diagnoser = Diagnoser(model).fit(x, np.arange(12) % 2)
        assert diagnoser.predict_proba(x).shape == (12, 2)
        assert diagnoser.n_features_in_ == columns


def test_other_algorithms_need_the_same_columns(content: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="only gram_ridge takes tables of others"):
        build_problem(parse_recipe({**content, "algorithm": {"name": "protonet"}}))


def test_one_table_is_taken_as_it_is_too(content: dict[str, Any], tmp_path: Path) -> None:
    table = write_study(tmp_path / "one.csv", 5, 20, conditions=9)
    problem = build_problem(parse_recipe({**content, "data": {"csv": table, "split": {"share": [1, 1, 1]}}}))
    assert problem.inputs is not None
    assert problem.inputs.open
    assert problem.dimensions.input_shape == (20,)
