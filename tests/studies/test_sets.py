"""Studies of several data sets: whole ones on each side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from metadx.errors import UserError
from metadx.learners import EfficientNetLite0
from metadx.studies import build_problem, load_run, model_of, parse_recipe, train_recipe
from metadx.studies.study import evaluate_run


def write_pictures(folder: Path, classes: tuple[str, ...], side: int, seed: int) -> str:
    rng = np.random.default_rng(seed)
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for case in range(8):
            base = np.full((side, side, 3), 60 * number)
            noisy = np.clip(base + rng.integers(0, 60, base.shape), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(folder / name / f"p{case}_{seed}.png")
    return str(folder)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("sets")
    sets = {
        "train": [
            write_pictures(root / "one", ("normal", "a", "b"), 16, 0),
            write_pictures(root / "two", ("normal", "c"), 12, 1),
        ],
        "validation": [write_pictures(root / "three", ("normal", "d"), 10, 2)],
        "test": [write_pictures(root / "four", ("normal", "e", "f"), 9, 3)],
    }
    data = {"sets": sets, "size": 8, "channels": 3, "patient_pattern": "(p[0-9]+)_"}
    return {
        "data": data,
        "tasks": {"ways": [2, 3], "shots": 1, "query": 2},
        "learner": {"name": "convnet", "width": 4, "blocks": 2},
        "algorithm": {"name": "protonet"},
        "training": {"iterations": 2, "meta_batch": 2, "validation_tasks": 3},
        "evaluation": {"shots": [1], "episodes": 4, "query": 2},
    }


def test_equal_names_in_two_sets_are_different_conditions_and_patients(content: dict[str, Any]) -> None:
    problem = build_problem(parse_recipe(content))
    train, validation, test = (
        {name for source in side.sources() for name in source.conditions()}
        for side in (problem.splits.train, problem.splits.validation, problem.splits.test)
    )
    assert train == {"one: normal", "one: a", "one: b", "two: normal", "two: c"}
    assert validation == {"three: normal", "three: d"}
    assert test == {"four: normal", "four: e", "four: f"}
    assert problem.dimensions.input_shape == (3, 8, 8)
    assert problem.dimensions.classes == 5
    assert problem.data.name.endswith("four")


def test_tasks_come_from_one_set_each(content: dict[str, Any]) -> None:
    problem = build_problem(parse_recipe(content))
    for _, episode in problem.splits.train.episodes(30):
        assert len({name.partition(":")[0] for name in episode.conditions}) == 1


def test_a_whole_run_over_several_sets(content: dict[str, Any], tmp_path: Path) -> None:
    recipe = parse_recipe(content)
    train_recipe(recipe, tmp_path / "run")
    result = evaluate_run(load_run(tmp_path / "run"), recipe.evaluation, command="none")
    assert {c.condition for c in result.conditions} == {"four: normal", "four: e", "four: f"}


def test_sets_that_do_not_fit_together_are_named(content: dict[str, Any]) -> None:
    data = {k: v for k, v in content["data"].items() if k != "size"}
    with pytest.raises(UserError, match=r"two: image cases of shape \(3, 12, 12\).*data.size"):
        build_problem(parse_recipe({**content, "data": data}))


def test_a_set_on_two_sides_is_refused(content: dict[str, Any]) -> None:
    sets = content["data"]["sets"]
    both = {**sets, "test": sets["validation"]}
    with pytest.raises(UserError, match="named twice; every data set is on one side"):
        parse_recipe({**content, "data": {**content["data"], "sets": both}})


def test_a_run_on_a_backbone_cannot_be_adapted_and_says_so(content: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite_pytorch")
    data = {**content["data"], "backbone": "efficientnet-lite0"}
    recipe = parse_recipe({**content, "data": data, "learner": {"name": "mlp", "hidden": [8]}})
    run = train_recipe(recipe, tmp_path / "run")
    with pytest.raises(UserError, match="looks through efficientnet-lite0, which a diagnoser cannot carry"):
        model_of(run)


def test_a_backbone_embeds_each_picture_alone_and_alike(content: dict[str, Any]) -> None:
    pytest.importorskip("efficientnet_lite_pytorch")
    pictures = np.random.default_rng(0).integers(0, 256, (3, 1, 20, 24), dtype=np.uint8)
    embed = EfficientNetLite0()
    together = embed(pictures)
    assert together.shape == (3, 1280)
    assert np.allclose(np.concatenate([embed(p[None]) for p in pictures]), together, atol=1e-4)
    assert np.allclose(embed(np.repeat(pictures, 3, axis=1)), together, atol=1e-4)
    assert np.allclose((together**2).mean(1), 1, atol=1e-4)
