"""Episodes on disk replay exactly, on the cases they were drawn from and no others."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from contracts.cases import entangled_cases, make_cases
from metadx.cases import Cases
from metadx.errors import UserError
from metadx.tasks import ConditionSource, Shape, load_episodes, save_episodes


@pytest.fixture
def saved(tmp_path: Path, rng: np.random.Generator) -> tuple[Path, ConditionSource, list[object]]:
    source = ConditionSource(entangled_cases(0))
    episodes = [source.draw(rng, Shape(ways=(2, 4), shots=(1, 3), query=3)) for _ in range(20)]
    save_episodes(tmp_path / "episodes.json", source, episodes)
    return tmp_path / "episodes.json", source, list(episodes)


def test_a_round_trip_gives_identical_tensors(saved: tuple[Path, ConditionSource, list[object]]) -> None:
    path, source, episodes = saved
    again = ConditionSource(entangled_cases(0))
    replayed = load_episodes(path, again)
    assert replayed == episodes
    for before, after in zip(episodes, replayed, strict=True):
        for part, same in zip(source.task(before), again.task(after), strict=True):
            assert all(torch.equal(a, b) for a, b in zip(part, same, strict=True))


def changed(cases: Cases, what: str) -> Cases:
    if what == "x":
        x = cases.x.copy()
        x[0, 0] += 1
        return dataclasses.replace(cases, x=x)
    if what == "patient":
        return dataclasses.replace(cases, patient=np.roll(cases.patient, 1))
    if what == "classes":
        return dataclasses.replace(cases, classes=cases.classes[::-1])
    return cases.select(np.arange(len(cases))[::-1])


@pytest.mark.parametrize("what", ["x", "patient", "classes", "order"])
def test_other_cases_are_refused(what: str, saved: tuple[Path, ConditionSource, list[object]]) -> None:
    path, source, _ = saved
    with pytest.raises(UserError, match="drawn from other cases"):
        load_episodes(path, ConditionSource(changed(source.cases, what)))


@pytest.mark.parametrize(
    "content",
    ["", "[]", "3", "{}", "null", "\x00\xff"]
    + [
        json.dumps({"fingerprint": "0", **rest})
        for rest in ({}, {"episodes": 3}, {"episodes": [{"ways": 3}]})
    ],
)
def test_what_is_no_episodes_file_is_refused_by_name(content: str, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(UserError, match=r"other\.json: not an episodes file"):
        load_episodes(path, ConditionSource(make_cases([0, 0, 1, 1], "abcd")))


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing\.json"):
        load_episodes(tmp_path / "nothing.json", ConditionSource(make_cases([0, 0, 1, 1], "abcd")))
