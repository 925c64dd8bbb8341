"""From one person's readings to forecasts, as a user walks it: train, evaluate, adapt, diagnose."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from cli.conftest import Metadx
from metadx.cases import load
from metadx.diagnosis import ForecastFinding
from studies.test_patients import write_cohort


def _train(metadx: Metadx, folder: Path, recipe: dict[str, Any]) -> Path:
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    metadx("train", folder / "recipe.yaml", "--out", folder / "run", "-q").ok()
    return folder / "run"


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("glucose")
    write_cohort(root / "cohort", 8, 0)
    write_cohort(root / "mine", 1, 9)
    return root


@pytest.fixture
def run(cohort: Path, metadx: Metadx, tmp_path: Path) -> Path:
    return _train(
        metadx,
        tmp_path,
        {
            "data": {"folder": str(cohort / "cohort")},
            "patients": {"history": [240, 1440]},
            "tasks": {"shots": 100, "query": 20},
            "algorithm": {"name": "mixed_effects", "carry": True},
            "training": {
                "iterations": 20,
                "meta_batch": 4,
                "optimizer": "sgd",
                "lr": 1.0,
                "schedule": "linear",
            },
        },
    )


def test_glucose_of_one_person(run: Path, cohort: Path, metadx: Metadx, tmp_path: Path) -> None:
    lines = (cohort / "mine" / "p0.csv").read_text().splitlines()
    days, today = tmp_path / "my first days.csv", tmp_path / "today.csv"
    days.write_text("\n".join(lines[:301]) + "\n")
    today.write_text("\n".join([lines[0], *lines[301:]]) + "\n")
    metadx("evaluate", run, "--shots", 100).ok()
    said = metadx("adapt", run, "--support", days, "--out", tmp_path / "b").ok()
    assert said.out == ""
    assert "Predicts glucose 30 minutes later of one patient, from 270 support cases." in said.err
    assert re.search(r"On the latest 90 of them, held back: off by [\d.]+ mg/dL once adapted", said.err)
    assert re.search(r"90% intervals reach [\d.]+ mg/dL to either side", said.err)
    card = (tmp_path / "b" / "card.md").read_text(encoding="utf-8")
    assert "glucose 30 minutes later, mg/dL, of one patient." in card
    assert str(tmp_path) not in "".join(p.read_text(errors="replace") for p in (tmp_path / "b").iterdir())

    printed = metadx("diagnose", tmp_path / "b", today, "--json").ok()
    findings = [ForecastFinding.model_validate(one) for one in json.loads(printed.out)]
    assert len(findings) == 200 - 24
    assert findings[-1].case == "2024-05-02 17:35:00"  # also the last reading, of which nothing is known yet
    off = float(re.search(r"Off by ([\d.]+) mg/dL \(root mean square\) on 170 values", printed.err)[1])  # type: ignore[index]
    assert off < 12
    assert re.search(r"\d+% of them lie in their intervals", printed.err)
    shown = metadx("diagnose", tmp_path / "b", today).ok()
    assert re.search(r"2024-05-02 17:35:00 +│ +[\d.]+ +│ +[\d.]+ to [\d.]+", shown.out)
    assert "The latest 20 of 176; --json prints all." in shown.err


def test_a_person_whose_sensor_changed_is_not_adapted_to(
    run: Path, cohort: Path, metadx: Metadx, tmp_path: Path
) -> None:
    """First it swings once an hour: half an hour later all is the opposite, which is no use later."""
    lines = (cohort / "mine" / "p0.csv").read_text().splitlines()
    rng = np.random.default_rng(0)
    for i in range(1, 334):
        lines[i] = lines[i].rpartition(",")[0] + f",{140 + 60 * np.sin(np.pi * i / 6) + rng.normal():.1f}"
    (tmp_path / "days.csv").write_text("\n".join(lines[:501]) + "\n")
    said = metadx("adapt", run, "--support", tmp_path / "days.csv", "--out", tmp_path / "b").ok()
    assert "Not adapted to this patient: on their latest" in said.err
    printed = metadx("diagnose", tmp_path / "b", cohort / "mine" / "p0.csv", "--json").ok()
    finding = json.loads(printed.out)[0]
    assert not finding["adapted"]
    assert finding["notes"][0].startswith("Not adapted to this patient")
    assert "Not adapted to this patient" in (tmp_path / "b" / "card.md").read_text()


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda t: t.replace("glucose_value_mg_dl", "glucose"), "needs the columns 'timestamp' and"),
        (lambda t: "\n".join(t.splitlines()[:9]), "no reading has 120 minutes of others before it"),
        (lambda t: "\n".join(t.splitlines()[:28]), "the value of no case is known"),
        (
            lambda t: re.sub(r"(?<=:00,)[\d.]+", lambda m: f"{float(m[0]) / 18:.1f}", t),
            "mg/dL is no living person's",
        ),
        (lambda t: t.replace("2024", "anno 2024"), "is no time"),
    ],
)
def test_readings_that_cannot_be_used(
    edit: Any, said: str, run: Path, cohort: Path, metadx: Metadx, tmp_path: Path
) -> None:
    (tmp_path / "days.csv").write_text(edit((cohort / "mine" / "p0.csv").read_text()))
    assert said in metadx("adapt", run, "--support", tmp_path / "days.csv", "--out", tmp_path / "b").mistake()
    assert not (tmp_path / "b").exists()


@pytest.mark.real_data
def test_scores_of_visits(metadx: Metadx, tmp_path: Path, data_root: Path) -> None:
    run = _train(
        metadx,
        tmp_path,
        {
            "data": {"name": "parkinsons", "allow_unverified": True, "split": {"share": [4, 1, 1]}},
            "patients": {"history": [14, 200]},
            "tasks": {"shots": 30, "query": 20},
            "algorithm": {"name": "mixed_effects", "time": 0},
            "training": {
                "iterations": 60,
                "meta_batch": 16,
                "optimizer": "sgd",
                "lr": 1.0,
                "schedule": "linear",
            },
            "evaluation": {"shots": [5], "baselines": ["own_line", "last_target"]},
        },
    )
    metadx("evaluate", run).ok()
    cases = load("parkinsons", allow_unverified=True)
    mine = np.flatnonzero(cases.patient == "1")

    def write(name: str, rows: Any, target: str) -> Path:
        header = ",".join(["patient", *cases.features, *([target] if target else [])])
        body = [
            ",".join(["me", *(f"{v:.8g}" for v in cases.x[i]), *([f"{cases.y[i]:.5g}"] if target else [])])
            for i in rows
        ]
        (tmp_path / name).write_text("\n".join([header, *body]) + "\n")
        return tmp_path / name

    first = write("first.csv", mine[[2, 0, 1, 4, 3, 5, 8, 7, 6, 9, 11, 10]], "total_UPDRS")
    said = metadx("adapt", run, "--support", first, "--out", tmp_path / "b").ok()
    assert "Predicts total_UPDRS of one patient, from 12 support cases." in said.err
    later = metadx("diagnose", tmp_path / "b", write("later.csv", mine[12:], "label"), "--json").ok()
    off = float(re.search(r"Off by ([\d.]+) \(root mean square\) on 13 values", later.err)[1])  # type: ignore[index]
    assert off < 8
    nothing = metadx("diagnose", tmp_path / "b", write("new.csv", mine[12:], ""), "--json").ok()
    assert json.loads(nothing.out)[0]["value"] == json.loads(later.out)[0]["value"]
    two = (tmp_path / "first.csv").read_text().replace("\nme,", "\nyou,", 3)
    (tmp_path / "two.csv").write_text(two)
    given = ("adapt", run, "--out", tmp_path / "c", "--support")
    assert "cases of 2 patients (me, you ...)" in metadx(*given, tmp_path / "two.csv").mistake()
    assert (
        "no column 'total_UPDRS', which the model predicts" in metadx(*given, tmp_path / "new.csv").mistake()
    )
    assert "predicts values. Planning is for runs" in metadx("plan", run, "--support", first).mistake()
