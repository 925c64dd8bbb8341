"""Public data sets through a recipe and the command line, shortened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import Metadx
from studies.making import VOUCHED, write_recipe

pytestmark = pytest.mark.real_data

SHORT: dict[str, Any] = {
    "learner": {"name": "convnet", "width": 8, "downsample": "stride"},
    "training": {"iterations": 3, "meta_batch": 2, "validate_every": 3, "validation_tasks": 4},
    "evaluation": {"episodes": 5, "query": 2, "tuning_tasks": 3, "baselines": ["nearest_centroid"]},
}


def walk(metadx: Metadx, folder: Path, data: dict[str, Any], **changes: Any) -> dict[str, Any]:
    recipe = write_recipe(folder / "recipe.yaml", data, **{**SHORT, **changes})
    said = metadx("train", recipe, "--out", folder / "a", "-q").mistake()
    assert "is not the official one" in said
    assert "Allow it with --allow-unverified" in said
    metadx("train", recipe, "--out", folder / "a", "-q", "--allow-unverified").ok()
    result: dict[str, Any] = json.loads(metadx("evaluate", folder / "a", "--json").ok().out)
    page = (folder / "a" / "report.html").read_text(encoding="utf-8")
    notes = [note for note in result["data"]["notes"] if note.startswith("Not the official file")]
    assert len(notes) == 1
    assert notes[0].split(":")[0] in page
    assert result["data"]["modality"] == "image"
    return result


def test_pap_smears_by_slide(metadx: Metadx, tmp_path: Path, data_root: Path) -> None:
    result = walk(metadx, tmp_path, {"name": "herlev"}, tasks={"shots": 1})
    sides = [set(result["split"][side]) for side in ("train", "validation", "test")]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 7
    assert result["data"]["cases"] == 917
    assert result["data"]["patients"] < 917
    assert result["protocol"]["ways"] == 2


def test_blood_cells_that_somebody_vouched_for(metadx: Metadx, tmp_path: Path, data_root: Path) -> None:
    recipe = write_recipe(tmp_path / "recipe.yaml", {"name": "aml"}, **SHORT)
    said = metadx("train", recipe, "--out", tmp_path / "a", "--allow-unverified").mistake()
    assert "no patient ids" in said
    assert VOUCHED in said
    result = walk(metadx, tmp_path, {"name": "aml", "patients": VOUCHED}, tasks={"ways": 3, "shots": 2})
    assert any(VOUCHED in note for note in result["data"]["notes"])
    assert VOUCHED in (tmp_path / "a" / "report.html").read_text(encoding="utf-8")
    assert result["protocol"]["ways"] == 3


def test_two_conditions_cannot_be_held_out(metadx: Metadx, tmp_path: Path, data_root: Path) -> None:
    data = {"name": "pneumoniamnist", "patients": VOUCHED}
    recipe = write_recipe(tmp_path / "recipe.yaml", data)
    said = metadx("train", recipe, "--out", tmp_path / "a", "--allow-unverified").mistake()
    assert "of 2 in all, and each of the three sides needs two" in said
    assert not (tmp_path / "a").exists()


def test_characters_of_alphabets_never_seen(metadx: Metadx, tmp_path: Path, data_root: Path) -> None:
    result = walk(metadx, tmp_path, {"name": "omniglot"}, tasks={"ways": 5, "shots": 1})
    alphabets = [{name.split("/")[0] for name in result["split"][s]} for s in ("train", "validation", "test")]
    assert sum(map(len, alphabets)) == len(set.union(*alphabets)) == 50
