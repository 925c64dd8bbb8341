"""Several runs are scored on the same episodes, in pairs; runs that cannot be compared fairly are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from metadx.errors import UserError
from metadx.evaluation import EvaluationResult
from metadx.studies import Run, compare_runs, evaluate_run, load_run, parse_recipe, train_recipe
from studies.making import recipe, write_table


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("data") / "table.csv")


def trained(table: Path, out: Path, algorithm: str = "protonet", **changes: Any) -> Run:
    content = recipe({"csv": str(table)} | changes.pop("data", {}), algorithm={"name": algorithm}, **changes)
    content["data"]["split"] = {"share": [1, 1, 1], "least": 4} | content["data"]["split"]
    return train_recipe(parse_recipe(content), out)


@pytest.fixture(scope="module")
def runs(table: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    folder = tmp_path_factory.mktemp("runs")
    made = [("a", {}), ("b", {"training": {"seed": 5}}), ("c", {"algorithm": "maml"})]
    return [trained(table, folder / name, **changes) for name, changes in made]


def compared(runs: list[Run], **changes: Any) -> EvaluationResult:
    return compare_runs(runs, runs[0].recipe.evaluation.model_copy(update=changes), command="metadx compare")


def test_runs_are_named_after_their_folders(runs: list[Run]) -> None:
    result = compared(runs)
    assert [m.name for m in result.methods] == ["a", "b", "c", "logistic_regression"]
    assert [m.title for m in result.methods][:3] == [
        "a: Prototypical network",
        "b: Prototypical network",
        "c: MAML",
    ]
    assert result.title.startswith("3 runs on ")


def test_every_run_has_the_score_that_it_has_alone(runs: list[Run]) -> None:
    together = compared(runs)
    for run in runs:
        alone = evaluate_run(run, runs[0].recipe.evaluation, command="metadx evaluate")
        name = run.recipe.algorithm.name
        mine = [s.model_dump(exclude={"method"}) for s in alone.scores if s.method == name]
        assert mine == [
            s.model_dump(exclude={"method"}) for s in together.scores if s.method == run.folder.name
        ]


def test_every_two_runs_are_compared_in_pairs(runs: list[Run]) -> None:
    result = compared(runs)
    between = {(d.against, d.method) for d in result.differences if {d.against, d.method} <= {"a", "b", "c"}}
    assert between == {("a", "b"), ("a", "c"), ("b", "c")}
    right = {(s.method, s.shots): s.value for s in result.scores if s.metric == "accuracy"}
    for d in result.differences:
        one, other = right[d.method, d.shots], right[d.against, d.shots]
        assert one is not None
        assert other is not None
        assert d.value == pytest.approx(one - other)
        assert d.n == 6
    keys = [(d.method, d.against, d.shots) for d in result.differences]
    assert len(keys) == len(set(keys))


def test_the_summary_compares_with_the_first_run(runs: list[Run]) -> None:
    said = [s for s in compared(runs).summary if s.endswith(" a: Prototypical network.")]
    assert len(said) == 4  # two runs, one and two shots
    assert said[0].startswith("With 1 labelled case per condition, b: Prototypical network ")
    assert "95 % interval" in said[0]


def test_a_run_is_no_better_than_itself(table: Path, runs: list[Run], tmp_path: Path) -> None:
    twin = trained(table, tmp_path / "twin")
    found = [d for d in compared([runs[0], twin]).differences if (d.method, d.against) == ("twin", "a")]
    assert {(d.value, d.low, d.high) for d in found} == {(0.0, 0.0, 0.0)}


def test_folders_of_one_name_go_by_their_paths(table: Path, runs: list[Run], tmp_path: Path) -> None:
    other = trained(table, tmp_path / "a")
    names = [m.name for m in compared([runs[0], other]).methods]
    assert names[:2] == [str(runs[0].folder), str(other.folder)]


def test_a_run_of_a_baseline_takes_its_place(table: Path, runs: list[Run], tmp_path: Path) -> None:
    simple = trained(table, tmp_path / "logistic_regression", "logistic_regression")
    result = compared([runs[0], simple])
    assert [m.name for m in result.methods] == [str(runs[0].folder), str(simple.folder)]
    assert result.baseline == dict.fromkeys((1, 2), str(simple.folder))


def test_without_baselines_the_runs_stand_alone(runs: list[Run]) -> None:
    result = compared(runs[:2], baselines=())
    assert result.baseline == {}
    assert len(result.differences) == 2


def refused(runs: list[Run]) -> str:
    with pytest.raises(UserError) as error:
        compared(runs)
    return str(error.value)


def test_one_run_is_not_several(runs: list[Run]) -> None:
    assert "give at least two runs" in refused(runs[:1])
    assert "is given twice" in refused([runs[0], load_run(runs[0].folder)])


def test_what_one_learned_from_and_another_holds_out_is_refused(
    table: Path, runs: list[Run], tmp_path: Path
) -> None:
    other = trained(table, tmp_path / "other", data={"split": {"seed": 3}})
    said = refused([runs[0], other])
    assert (
        f"{runs[0].folder} learned from conditions that {other.folder} holds out, such as ['condition" in said
    )
    assert "the same `data.split`" in said


def test_other_data_are_refused(runs: list[Run], tmp_path: Path) -> None:
    table = write_table(tmp_path / "table.csv")
    table.write_text(table.read_text().replace("condition", "other"))
    other = trained(table, tmp_path / "other")
    assert f"{runs[0].folder} and {other.folder} learned from different data" in refused([runs[0], other])


def test_data_that_changed_since_are_refused(tmp_path: Path) -> None:
    table = write_table(tmp_path / "table.csv")
    both = [trained(table, tmp_path / name) for name in "ab"]
    table.write_text(table.read_text().replace(",p3-1,", ",somebody else,"))
    assert "cases are not those of the training" in refused(both)


def test_regression_runs_are_compared_too(tmp_path: Path) -> None:
    def sine(out: Path, seed: int) -> Run:
        content = recipe(
            {"function": "sinusoid"},
            algorithm={"name": "maml"},
            learner={"name": "mlp", "hidden": [8]},
            training={"seed": seed},
        )
        content["data"].pop("split")
        return train_recipe(parse_recipe(content), out)

    result = compared([sine(tmp_path / "a", 0), sine(tmp_path / "b", 1)])
    assert {d.metric for d in result.differences} == {"mse"}
    assert result.summary[-1].startswith("With 2 labelled cases, b: MAML ")
