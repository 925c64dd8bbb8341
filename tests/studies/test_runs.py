"""A run folder is there whole or not at all, and what is read is what was written."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from metadx.errors import UserError
from metadx.studies import Run, load_run, parse_recipe, train_recipe
from metadx.studies.runs import load_tensors, save_tensors
from studies.making import recipe, write_table


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    content = recipe({"csv": str(write_table(folder / "table.csv"))}, algorithm={"name": "maml"})
    return train_recipe(parse_recipe(content), folder / "out")


@pytest.fixture
def copy(run: Run, tmp_path: Path) -> Path:
    """A copy of the run that a test may damage."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for name in ("recipe.yaml", "model.safetensors", "run.json"):
        (folder / name).write_bytes((run.folder / name).read_bytes())
    return folder


def test_tensors_come_back_as_they_were(tmp_path: Path) -> None:
    params = {"a.weight": torch.randn(3, 4).T, "b": torch.tensor(2.5, dtype=torch.float64)}
    state = {"a.count": torch.tensor([1, 2])}
    save_tensors(tmp_path / "t", params, state)
    for before, after in zip((params, state), load_tensors(tmp_path / "t"), strict=True):
        assert before.keys() == after.keys()
        assert all(torch.equal(v, after[k]) and v.dtype == after[k].dtype for k, v in before.items())


def test_a_run_says_what_it_learned_from(run: Run) -> None:
    summary = json.loads((run.folder / "run.json").read_text())
    assert {len(summary["split"][side]) for side in ("train", "validation", "test")} == {4}
    assert summary["data"]["patients"] == 96
    assert summary["hardware"]
    assert summary["step"] in (0, 2, 4)
    assert sorted(p.name for p in run.folder.iterdir() if p.is_file()) == [
        "inputs.safetensors",
        "metrics.jsonl",
        "model.safetensors",
        "recipe.yaml",
        "run.json",
    ]


def test_loading_gives_what_was_saved(run: Run) -> None:
    again = load_run(run.folder)
    assert again.recipe == run.recipe
    assert again.summary == run.summary
    assert all(torch.equal(v, again.params[k]) for k, v in run.params.items())
    assert run.params


def test_a_run_that_is_not_finished_says_how_to_go_on(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    with pytest.raises(
        UserError, match=r"this run is not finished\. Go on with `metadx train --resume .+copy`"
    ):
        load_run(copy)


def test_what_is_no_run_says_how_to_make_one(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match=r"not a run folder\. Make one with `metadx train RECIPE --out"):
            load_run(folder)


class _Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("something was unpickled",))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.safetensors", b""),
        ("model.safetensors", b"\xff" * 100),
        ("model.safetensors", pickle.dumps(_Trap())),
        ("run.json", b"{"),
        ("run.json", b"[]"),
        ("run.json", b"\xff"),
        ("recipe.yaml", b"data: ["),
        ("recipe.yaml", b""),
        ("recipe.yaml", b"\xff\xfe"),
        ("recipe.yaml", b"!!python/object/apply:os.system [exit]"),
    ],
)
def test_a_damaged_run_is_named(copy: Path, name: str, content: bytes) -> None:
    (copy / name).write_bytes(content)
    with pytest.raises(UserError, match=r"the run is damaged \(.+\)\. Train it again") as error:
        load_run(copy)
    assert str(copy) in str(error.value)
    assert "\n" not in str(error.value)


def test_truncated_parameters_are_damage(copy: Path) -> None:
    model = copy / "model.safetensors"
    model.write_bytes(model.read_bytes()[:-8])
    with pytest.raises(UserError, match="damaged"):
        load_run(copy)


def test_a_torch_pickle_is_not_read(copy: Path) -> None:
    torch.save({"params.a": _Trap()}, copy / "model.safetensors")
    with pytest.raises(UserError, match="damaged"):
        load_run(copy)


def test_a_missing_summary_is_damage(copy: Path) -> None:
    (copy / "run.json").unlink()
    with pytest.raises(UserError, match="damaged"):
        load_run(copy)


def test_a_recipe_with_a_slip_in_it_names_the_slip(copy: Path) -> None:
    (copy / "recipe.yaml").write_text("data: {name: thyroid}\nalgorithm: {name: maml}\ntaks: {}\n")
    with pytest.raises(UserError, match=r"recipe\.yaml: unknown key 'taks'; did you mean 'tasks'"):
        load_run(copy)
