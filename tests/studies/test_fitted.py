"""Whatever is fitted to observations is fitted on meta-training patients alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metadx.cases import GapTransform, TableTransform
from metadx.errors import UserError
from metadx.studies.build import build_problem
from metadx.studies.problem import Problem
from metadx.studies.recipe_file import parse_recipe

SITES = ("north", "south", "east", "west")


def table(place: Path, held: str, shift: float, gaps: float) -> Path:
    """A CSV of four sites, numbers and words, whose held-out site is shifted and full of gaps."""
    rng = np.random.default_rng(0)
    rows = ["patient,label,site,age,lactate,smokes"]
    for number in range(120):
        site = SITES[number % 4]
        odd = site == held
        gap, spread = rng.random(), rng.normal(size=2)
        moved = shift if odd else 0
        age = "" if gap < (gaps if odd else 0.2) else f"{60 + moved + spread[0]:.3f}"
        lactate = f"{2 + moved + spread[1]:.3f}"
        smokes = ("yes", "no", "")[int(rng.integers(3))]
        rows.append(f"p{number},{'ill' if rng.random() < 0.5 else 'well'},{site},{age},{lactate},{smokes}")
    place.write_text("\n".join(rows) + "\n")
    return place


def problem(csv: Path) -> Problem:
    groups = {"axis": "site", "validation": ["east"], "test": ["west"]}
    content: dict[str, Any] = {
        "data": {"csv": csv},
        "groups": groups,
        "algorithm": {"name": "prior_logistic"},
    }
    return build_problem(parse_recipe(content | {"tasks": {"shots": 4, "query": 4}}))


@pytest.mark.parametrize("held", ["east", "west"])
def test_a_tables_transform_does_not_see_held_out_patients(tmp_path: Path, held: str) -> None:
    inputs = [
        problem(table(tmp_path / f"{shift:g}.csv", held, shift, gaps)).inputs
        for shift, gaps in ((0, 0.2), (50, 0.9))
    ]
    fitted = [one.transform for one in inputs if one is not None]
    assert all(isinstance(transform, TableTransform) for transform in fitted)
    first, second = fitted
    assert isinstance(first, TableTransform)
    assert isinstance(second, TableTransform)
    for name in ("mean", "std", "log", "ranked", "flagged", "rate"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    names = inputs[0].features if inputs[0] is not None else ()
    assert {names[c] for c in first.flagged} == {"age", "smokes=no"}


def test_series_with_gaps_get_a_network_that_knows_of_gaps(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = ["patient,time,label,site,pulse"]
    for number in range(80):
        label = ("ill", "well")[int(rng.integers(2))]
        rows += [
            f"p{number},{minute},{label},{SITES[number % 4]},{rng.normal(80, 9):.1f}"
            for minute in sorted({0, *rng.integers(0, 60, 3).tolist()})
        ]
    file = tmp_path / "ward.csv"
    file.write_text("\n".join(rows) + "\n")
    groups = {"axis": "site", "validation": ["east"], "test": ["west"]}
    content: dict[str, Any] = {"groups": groups, "algorithm": {"name": "prior_logistic", "raw": False}}
    recipe = content | {"tasks": {"shots": 4, "query": 4}}
    made = build_problem(
        parse_recipe(recipe | {"data": {"csv": file, "series": {"step": 10, "duration": 60}}})
    )
    assert made.inputs is not None
    assert isinstance(made.inputs.transform, GapTransform)
    assert made.dimensions.gaps
    assert made.dimensions.input_shape == (3, 6)
    with pytest.raises(UserError, match="input should be greater than 0"):
        parse_recipe(recipe | {"data": {"csv": file, "series": {"step": -1, "duration": 60}}})
