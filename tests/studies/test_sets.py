"""Studies of several data sets: whole ones on each side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from metadx.cases import Whitened, load, read_observations
from metadx.diagnosis import load_bundle, save_bundle
from metadx.errors import UserError
from metadx.learners import EfficientNetLite0
from metadx.studies import Plan, build_problem, draw_exam, load_run, parse_recipe, read_recipe, train_recipe
from metadx.studies.diagnosing import adapt_run
from metadx.studies.recipe import AugmentSettings
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


@pytest.mark.parametrize(
    "how",
    [{"backbone": "efficientnet-lite0"}, {"backbone": "efficientnet-lite0-stages", "whiten": 0.3}],
    ids=lambda how: how["backbone"],
)
def test_a_run_on_a_backbone_becomes_a_bundle(
    content: dict[str, Any], how: dict[str, Any], tmp_path: Path
) -> None:
    pytest.importorskip("efficientnet_lite_pytorch")
    data = {**content["data"], **how}
    recipe = parse_recipe({**content, "data": data, "learner": {"name": "mlp", "hidden": [8]}})
    run = train_recipe(recipe, tmp_path / "run")
    support = Path(content["data"]["sets"]["test"][0])
    fitted = adapt_run(run, support)
    save_bundle(fitted, tmp_path / "bundle")
    opened = load_bundle(tmp_path / "bundle")
    pictures = read_observations(support, opened.fitted_.inputs).x
    assert pictures.shape[1:] == (3, 8, 8)
    assert np.allclose(opened.predict_proba(pictures), fitted.predict_proba(pictures), atol=1e-6)


def test_a_backbone_embeds_each_picture_alone_and_alike(content: dict[str, Any]) -> None:
    pytest.importorskip("efficientnet_lite_pytorch")
    pictures = np.random.default_rng(0).integers(0, 256, (3, 1, 20, 24), dtype=np.uint8)
    embed = EfficientNetLite0((1, 20, 24))
    together = embed(pictures)
    assert together.shape == (3, 1280)
    assert np.allclose(np.concatenate([embed(p[None]) for p in pictures]), together, atol=1e-4)
    assert np.allclose(embed(np.repeat(pictures, 3, axis=1)), together, atol=1e-4)
    assert np.allclose((together**2).mean(1), 1, atol=1e-4)


def test_whitening_is_learned_from_the_training_sets_alone(content: dict[str, Any]) -> None:
    pytest.importorskip("efficientnet_lite_pytorch")
    sets = content["data"]["sets"]
    data = {**content["data"], "backbone": "efficientnet-lite0", "whiten": 1.0}
    swapped = {**data, "sets": {**sets, "validation": sets["test"], "test": sets["validation"]}}

    def fitted(data: dict[str, Any]) -> Whitened:
        problem = build_problem(parse_recipe({**content, "data": data, "learner": {"name": "mlp"}}))
        assert problem.inputs is not None
        transform = problem.inputs.transform
        assert isinstance(transform, Whitened)
        return transform

    assert np.array_equal(fitted(data).directions, fitted(swapped).directions)


def test_episodes_are_changed_only_where_asked(content: dict[str, Any]) -> None:
    data = {**content["data"], "augment": {"support": ["flip", "rotate"], "query": ["flip"]}}
    problem = build_problem(parse_recipe({**content, "data": data}))
    plain = Plan((1,), 2, 2, 4, 2, 1)
    asked = replace(plain, augment=AugmentSettings(support=("intensity",)))
    as_is, again, changed = (draw_exam(problem, plan).test[1] for plan in (plain, plain, asked))
    for a, b, c in zip(as_is, again, changed, strict=True):
        assert torch.equal(a.support.x, b.support.x)
        assert not torch.equal(a.support.x, c.support.x)
        assert torch.equal(a.query.x, c.query.x)


def test_whitening_needs_a_backbone_with_rows(content: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"name one with data\.backbone"):
        build_problem(parse_recipe({**content, "data": {**content["data"], "whiten": 1.0}}))
    pytest.importorskip("efficientnet_lite_pytorch")
    maps = {**content["data"], "whiten": 1.0, "backbone": "efficientnet-lite0-front"}
    with pytest.raises(UserError, match="features are a row"):
        build_problem(parse_recipe({**content, "data": maps}))


def test_paths_of_sets_are_relative_to_the_recipe(
    content: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = {
        side: [
            write_pictures(tmp_path / "data" / side / "scans", (f"{side}1", f"{side}2"), 8, number),
        ]
        for number, side in enumerate(("train", "validation", "test"))
    }
    sets = {side: [str(Path(path).relative_to(tmp_path)) for path in paths] for side, paths in sides.items()}
    whole = {
        **content,
        "data": {**content["data"], "sets": sets},
        "tasks": {"ways": 2, "shots": 1, "query": 2},
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(whole))
    monkeypatch.chdir(tmp_path / "data")
    problem = build_problem(read_recipe(tmp_path / "recipe.yaml"))
    conditions = {c for source in problem.splits.test.sources() for c in source.conditions()}
    assert conditions == {
        "test/scans: test1",
        "test/scans: test2",
    }  # three folders of one name are told apart


def test_sets_of_values_are_refused(content: dict[str, Any], tmp_path: Path) -> None:
    sides = ("train", "validation", "test")
    for side in sides:
        (tmp_path / f"{side}.csv").write_text("target,patient,a\n1.5,p1,2\n2.5,p2,3\n")
    sets = {side: [str(tmp_path / f"{side}.csv")] for side in sides}
    with pytest.raises(UserError, match="`target` is a value, not a condition"):
        build_problem(parse_recipe({**content, "data": {"sets": sets}}))


def test_a_label_that_is_no_condition_is_left_out_of_sets_too(tmp_path: Path) -> None:
    names = [f"{side}.csv" for side in ("validation", "test")]
    header = ",".join(load("thyroid").features)
    row = ",".join("1" for _ in load("thyroid").features)
    for name in names:
        lines = [f"label,patient,{header}", *(f"{'ab'[i % 2]},p{i},{row}" for i in range(8))]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    sets = {
        "train": ["thyroid"],
        "validation": [str(tmp_path / names[0])],
        "test": [str(tmp_path / names[1])],
    }
    problem = build_problem(parse_recipe({"data": {"sets": sets}, "algorithm": {"name": "protonet"}}))
    conditions = {c for source in problem.splits.train.sources() for c in source.conditions()}
    assert len(conditions) > 20
    assert "thyroid: no condition (-)" not in conditions
