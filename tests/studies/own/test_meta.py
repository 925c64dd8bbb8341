"""Meta-learning on one's own data: conditions, patients and genes as tasks, on small cuts made here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from metadx.cases.own import read_own
from metadx.errors import UserError
from metadx.studies import StudySettings, run_study
from metadx.studies.own.meta import outcome_of, plain_outcome, stand_one
from metadx.studies.own.proposal import propose
from metadx.studies.own.tasks import course_of
from metadx.studies.recipe import ColumnSettings, DataSettings


def many_conditions(path: Path, conditions: int = 9, each: int = 8) -> Path:
    """A table of conditions that differ in three of five columns."""
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 2, (conditions, 3))
    lines = ["patient,a,b,c,d,e,diagnosis"]
    for i in range(conditions * each):
        y = i % conditions
        values = [*(centres[y] + rng.normal(size=3)), *rng.normal(size=2)]
        lines.append(",".join([f"p{i}", *(f"{v:.2f}" for v in values), f"d{y}"]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def visits(path: Path, people: int = 9) -> Path:
    """Scores that rise along a line of each person's own."""
    rng = np.random.default_rng(0)
    lines = ["subject,day,voice,score"]
    for who in range(people):
        start, slope = rng.normal(20, 5), rng.normal(0.1, 0.05)
        lines += [
            f"s{who},{day},{rng.normal():.2f},{start + slope * day + rng.normal() / 5:.2f}"
            for day in range(0, 120, 10)
        ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def genes(path: Path, count: int = 9) -> Path:
    """Variants of genes; what tells the classes apart has another sign in every other gene."""
    rng = np.random.default_rng(0)
    lines = ["gene,variant,conservation,frequency,class"]
    for gene in range(count):
        for i in range(24):
            y = i % 2
            shift = (1 if gene % 2 else -1) * y
            lines.append(f"G{gene},v{gene}.{i},{rng.normal(2 * y):.2f},{rng.normal(shift):.2f},c{y}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_the_axis_follows_from_what_there_is_enough_of(tmp_path: Path) -> None:
    found = {}
    for name, make in (("table", many_conditions), ("visits", visits), ("genes", genes)):
        own = read_own(make(tmp_path / f"{name}.csv"))
        found[name] = propose(own.kind, own.cases, _no_audit()).axis
    assert found == {"table": "conditions", "visits": "patients", "genes": "genes"}
    few = read_own(many_conditions(tmp_path / "few.csv", conditions=4))
    assert propose(few.kind, few.cases, _no_audit()).axis == "none"


def _no_audit() -> object:
    from metadx.cases import Audit

    return Audit("made up", 0, None, (), ())


@pytest.mark.parametrize(
    ("make", "axis", "kind"), [(many_conditions, "conditions", "table"), (genes, "genes", "variants")]
)
def test_every_one_is_held_out_once(tmp_path: Path, make: object, axis: str, kind: str) -> None:
    path = make(tmp_path / "a.csv")  # type: ignore[operator]
    cases = read_own(path).cases
    course = course_of(axis, kind, cases, DataSettings(own=path), minutes=1, seed=0)  # type: ignore[arg-type]
    held = [
        name
        for recipe in course.recipes
        for name in (recipe.groups.test if recipe.groups else recipe.data.split.test)
    ]
    assert sorted(held) == sorted(set(held))
    assert len(held) == 9
    for recipe in course.recipes:
        parts = recipe.groups or recipe.data.split
        assert not {*parts.test} & {*parts.validation}


def test_an_outcome_survives_the_disk(tmp_path: Path) -> None:
    path = many_conditions(tmp_path / "a.csv")
    course = course_of("conditions", "table", read_own(path).cases, DataSettings(own=path), minutes=1, seed=0)
    stand_one(tmp_path, 0, course.recipes[0], "nearest_centroid", None, course.plan, lambda *_: None)
    from metadx.studies.own.journal import Journal

    kept = Journal(tmp_path).read("tasks-00-nearest_centroid")
    assert json.loads(json.dumps(plain_outcome(outcome_of(kept)))) == kept


def test_conditions_from_a_csv_to_a_model_and_a_bundle(tmp_path: Path) -> None:
    out = tmp_path / "study"
    found = run_study(
        StudySettings(many_conditions(tmp_path / "a.csv"), minutes=0.1, workers=1), out, command="test"
    )
    assert [part.name for part in found.parts] == ["patients-apart", "conditions"]
    accuracy = {s.method: s.value for s in found.parts[1].result.scores if s.metric == "accuracy"}
    assert min(value for value in accuracy.values() if value is not None) > 0.5
    assert (out / "bundle").is_dir()
    winner = found.parts[1].result.recommended[max(found.parts[1].result.shots)]
    assert (out / "model").is_dir() == winner.startswith(("meta", "proto"))


def test_visits_from_a_csv_to_a_report_and_a_card(tmp_path: Path) -> None:
    out = tmp_path / "study"
    found = run_study(StudySettings(visits(tmp_path / "v.csv"), minutes=0.5, workers=1), out, command="test")
    (part,) = found.parts
    errors = {s.method: s.value for s in part.result.scores if s.metric == "rmse" and s.shots == 3}
    assert errors["own_line"] is not None
    assert errors["last_target"] is not None
    assert errors["own_line"] < errors["last_target"]
    assert errors["own_line"] < 3
    assert (out / "report.html").is_file()
    assert "earlier cases" in (out / "card.md").read_text(encoding="utf-8")


def test_a_value_of_one_row_per_patient_is_refused_with_the_mend(tmp_path: Path) -> None:
    path = visits(tmp_path / "v.csv")
    settings = StudySettings(
        path, ColumnSettings(label="score", patient="subject", drop=("day",)), minutes=0.1
    )
    with pytest.raises(UserError, match="--label"):
        run_study(settings, tmp_path / "study", command="test")
    assert not (tmp_path / "study").exists()
