"""`metadx compare`: from two runs to a report."""

from __future__ import annotations

import json
from pathlib import Path

from cli.conftest import Metadx, files
from metadx.evaluation import EvaluationResult
from studies.making import write_recipe, write_table


def test_from_two_runs_to_a_report(metadx: Metadx, tmp_path: Path) -> None:
    write_table(tmp_path / "table.csv")
    runs = []
    for name in ("protonet", "maml"):
        recipe = write_recipe(tmp_path / f"{name}.yaml", {"csv": "table.csv"}, algorithm={"name": name})
        runs.append(tmp_path / "runs" / f"my {name}")
        metadx("train", recipe, "--out", runs[-1], "-q").ok()
    before = files(tmp_path / "runs")
    out = tmp_path / "comparison"
    said = metadx("compare", *runs, "--out", out, "--episodes", 5, "--shots", "1").ok()
    assert "my protonet: Prototypical network" in said.out
    assert "With 1 labelled case per condition, my maml: MAML" in said.out
    assert f"Wrote {out / 'report.html'} and {out / 'evaluation.json'}." in said.err
    result = EvaluationResult.model_validate_json((out / "evaluation.json").read_text())
    assert result.protocol.command == f"metadx compare '{runs[0]}' '{runs[1]}' --shots 1 --episodes 5"
    page = (out / "report.html").read_text(encoding="utf-8")
    assert all(method.title in page for method in result.methods)
    assert "Paired differences between runs" in page
    assert "my maml: MAML − my protonet: Prototypical network" in page
    assert files(tmp_path / "runs") == before

    again = json.loads(
        metadx("compare", *runs, "--out", out, "--episodes", 5, "--shots", 1, "--json").ok().out
    )
    assert again["scores"] == json.loads(result.model_dump_json())["scores"]


def test_without_baselines_the_report_speaks_of_none(metadx: Metadx, tmp_path: Path) -> None:
    write_table(tmp_path / "table.csv")
    recipe = write_recipe(tmp_path / "recipe.yaml", {"csv": "table.csv"})
    for name in "ab":
        metadx("train", recipe, "--out", tmp_path / name, "-q").ok()
    out = tmp_path / "comparison"
    metadx("compare", tmp_path / "a", tmp_path / "b", "--out", out, "--baselines", "").ok()
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Paired differences between runs" in page
    assert "Paired differences to the strongest baseline" not in page
    assert "against no baseline" not in page


def test_bad_input(metadx: Metadx, tmp_path: Path) -> None:
    assert "not a run folder" in metadx("compare", tmp_path / "a", tmp_path / "b").mistake()
    (tmp_path / "file").write_text("precious")
    said = metadx("compare", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "file").mistake()
    assert said == f"{tmp_path / 'file'}: is a file, not a folder. Choose another --out."
