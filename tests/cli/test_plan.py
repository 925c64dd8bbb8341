"""`metadx plan`: a forecast on the terminal, as JSON and as a page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.conftest import Metadx, files
from metadx.evaluation import Forecast
from studies.making import write_recipe, write_table


@pytest.fixture
def run(metadx: Metadx, tmp_path: Path) -> Path:
    write_table(tmp_path / "table.csv", patients=24)
    recipe = write_recipe(tmp_path / "recipe.yaml", {"csv": "table.csv"})
    metadx("train", recipe, "--out", tmp_path / "run", "-q").ok()
    return tmp_path / "run"


def support(path: Path, cases: int, conditions: int = 3) -> Path:
    """The first cases of some conditions of another table."""
    lines = write_table(path, conditions=conditions, patients=24, seed=1).read_text().splitlines()
    kept = [line for i, line in enumerate(lines[1:]) if i % 24 < cases]
    path.write_text("\n".join([lines[0], *kept]) + "\n")
    return path


def test_from_a_support_set_to_a_page(metadx: Metadx, tmp_path: Path, run: Path) -> None:
    few, out = support(tmp_path / "support.csv", 4), tmp_path / "out"
    before = files(run)
    said = metadx("plan", run, "--support", few, "--shots", "6,10", "--out", out).ok()
    assert "with 10" in said.out
    assert "of your 12 cases were diagnosed right" in said.out
    assert "At present: " in said.out
    assert f"Wrote {out / 'plan.html'} and {out / 'plan.json'}." in said.err
    assert files(run) == before
    forecast = Forecast.model_validate_json((out / "plan.json").read_text(encoding="utf-8"))
    assert [o.shots for o in forecast.outlooks] == [None, 6, 10]
    assert list(forecast.cases.values()) == [4, 4, 4]
    for outlook in forecast.outlooks:
        for found in (outlook.accuracy, *outlook.recall.values()):
            assert 0 <= found.low <= found.value <= found.high <= 1
    page = (out / "plan.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert all(sentence.replace("'", "&#39;") in page for sentence in forecast.summary)
    again = metadx("plan", run, "--support", few, "--shots", "6,10", "--json").ok()
    assert json.loads(again.out) == json.loads(forecast.model_dump_json())


def test_one_case_each_and_too_little_history(metadx: Metadx, tmp_path: Path, run: Path) -> None:
    one = support(tmp_path / "support.csv", 1)
    said = " ".join(metadx("plan", run, "--support", one, "--shots", "4,500").ok().out.split())
    assert "One case of each condition cannot be left out" in said
    assert "Not answered for 500 cases" in said
    none = metadx("plan", run, "--support", one, "--shots", "500", "--out", tmp_path / "out").ok()
    assert "Too little to go by" in none.out
    assert "<svg" not in (tmp_path / "out" / "plan.html").read_text()


def test_bad_input(metadx: Metadx, tmp_path: Path, run: Path) -> None:
    few = support(tmp_path / "support.csv", 4)
    before = files(tmp_path)
    ask = ("plan", run, "--support", few)
    assert metadx(*ask, "--shots", "3").mistake().startswith("--shots 3: there are 4 labelled cases")
    assert "give whole numbers" in metadx(*ask, "--shots", "many").mistake()
    assert "is a file, not a folder" in metadx(*ask, "--out", few).mistake()
    assert "not a run folder" in metadx("plan", tmp_path / "nowhere", "--support", few).mistake()
    assert files(tmp_path) == before

    lines = few.read_text().splitlines()
    few.write_text(
        "\n".join(line for line in lines if "condition 1" not in line and "condition 2" not in line)
    )
    assert "one class only" in metadx(*ask).mistake()
    few.write_text("\n".join(line.partition(",")[2] for line in lines))
    assert "label" in metadx(*ask).mistake()


def test_a_run_of_functions(metadx: Metadx, tmp_path: Path) -> None:
    recipe = write_recipe(
        tmp_path / "recipe.yaml", {"function": "sinusoid"}, algorithm={"name": "maml"}, tasks={"shots": 5}
    )
    metadx("train", recipe, "--out", tmp_path / "run", "-q").ok()
    few = support(tmp_path / "support.csv", 2)
    assert "a run of functions" in metadx("plan", tmp_path / "run", "--support", few).mistake()
