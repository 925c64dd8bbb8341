"""A run that was interrupted goes on and ends as if nothing had happened; what changed meanwhile is refused."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from metadx.errors import Interrupted, UserError
from metadx.studies import load_run, parse_recipe, resume_run, runner, train_recipe
from metadx.studies.runs import read_stored
from metadx.training import Checkpointer, has_checkpoint
from studies.making import recipe, write_table

FILES = ("model.safetensors", "inputs.safetensors", "metrics.jsonl", "run.json", "recipe.yaml")
STEPS = 6


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("data") / "table.csv")


def a_recipe(table: Path, **changes: Any) -> Any:
    training = {"iterations": STEPS, "checkpoint_every": 0, **changes.pop("training", {})}
    return parse_recipe(recipe({"csv": str(table)}, training=training, **changes))


def interrupt(monkeypatch: pytest.MonkeyPatch, step: int, how: BaseException | None = None) -> None:
    """Makes a run end after a step: as by a signal, or by an error that nobody foresaw."""
    after_step = Checkpointer.after_step

    def stopping(self: Checkpointer, at: Any) -> None:
        if at.step == step:
            if how is not None:
                raise how
            signal.raise_signal(signal.SIGTERM)
        after_step(self, at)

    monkeypatch.setattr(Checkpointer, "after_step", stopping)


def content(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def begin(table: Path, out: Path, step: int = 3, **changes: Any) -> None:
    """Leaves a run interrupted after a step."""
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, step)
        with pytest.raises(Interrupted) as stopped:
            train_recipe(a_recipe(table, **changes), out)
    assert stopped.value.signal == signal.SIGTERM
    assert str(stopped.value) == (
        f"stopped after step {step}, which is saved. Go on with `metadx train --resume {out}`."
    )


@pytest.mark.parametrize("name", ["maml", "protonet", "meta_logistic", "fine_tune"])
def test_a_resumed_run_has_the_bytes_of_a_whole_one(name: str, table: Path, tmp_path: Path) -> None:
    train_recipe(a_recipe(table, algorithm={"name": name}), tmp_path / "whole")
    begin(table, tmp_path / "parts", algorithm={"name": name})
    with pytest.raises(UserError, match="this run is not finished"):
        load_run(tmp_path / "parts")
    run = resume_run(tmp_path / "parts")
    assert run.recipe.algorithm.name == name
    assert content(tmp_path / "parts") == content(tmp_path / "whole")
    assert {p.name for p in run.folder.iterdir()} - {"tensorboard"} == set(FILES)


def test_auxiliary_tasks_go_on_too(tmp_path: Path) -> None:
    table = write_table(tmp_path / "table.csv", patients=30)
    auxiliary = {"regions": 0.3, "permuted": 0.4}
    train_recipe(a_recipe(table, auxiliary=auxiliary), tmp_path / "whole")
    begin(table, tmp_path / "parts", auxiliary=auxiliary)
    resume_run(tmp_path / "parts")
    assert content(tmp_path / "parts") == content(tmp_path / "whole")


def test_a_crash_goes_on_from_the_last_checkpoint(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_recipe(a_recipe(table), tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, 4, RuntimeError("a bug"))
        with pytest.raises(RuntimeError):
            train_recipe(a_recipe(table), tmp_path / "parts")
    assert len((tmp_path / "parts" / "metrics.jsonl").read_text().splitlines()) == 4
    resume_run(tmp_path / "parts", a_recipe(table))
    assert content(tmp_path / "parts") == content(tmp_path / "whole")


def test_a_crash_without_a_checkpoint_leaves_nothing(table: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, 1, RuntimeError("a bug"))
        with pytest.raises(RuntimeError):
            train_recipe(a_recipe(table), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_what_was_killed_before_its_first_checkpoint_begins_again(table: Path, tmp_path: Path) -> None:
    train_recipe(a_recipe(table), tmp_path / "whole")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "recipe.yaml").write_bytes((tmp_path / "whole" / "recipe.yaml").read_bytes())
    (tmp_path / "parts" / "metrics.jsonl").write_text('{"step": 1}\n{"st')
    resume_run(tmp_path / "parts")
    assert content(tmp_path / "parts") == content(tmp_path / "whole")


@pytest.mark.parametrize("moment", ["save_run", "remove_checkpoints"])
def test_what_was_killed_while_it_ended_ends_again(
    moment: str, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_recipe(a_recipe(table), tmp_path / "whole")

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, moment, fail)
        with pytest.raises(KeyboardInterrupt):
            train_recipe(a_recipe(table), tmp_path / "parts")
    assert has_checkpoint(tmp_path / "parts")
    if moment == "save_run":
        resume_run(tmp_path / "parts")
    else:
        with pytest.raises(UserError, match="this run is finished"):
            resume_run(tmp_path / "parts")
    assert content(tmp_path / "parts") == content(tmp_path / "whole")
    assert not has_checkpoint(tmp_path / "parts")


def test_it_says_where_it_goes_on(table: Path, tmp_path: Path) -> None:
    begin(table, tmp_path / "a")
    console = Console(width=200, record=True, quiet=False, file=open(os.devnull, "w"))  # noqa: SIM115
    resume_run(tmp_path / "a", console=console)
    assert f"Going on with {tmp_path / 'a'} after step 3." in console.export_text()
    console.file.close()


def refused(folder: Path, given: Any = None) -> str:
    before = {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    with pytest.raises(UserError) as error:
        resume_run(folder, given)
    assert {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()} == before
    return str(error.value)


def test_another_recipe_is_refused_and_says_what_is_other(table: Path, tmp_path: Path) -> None:
    begin(table, tmp_path / "a")
    said = refused(tmp_path / "a", a_recipe(table, training={"lr": 0.5, "clip": 1.0}))
    assert "the recipe is not the one that this run began with: training.lr was 0.001, is 0.5; " in said
    assert "training.clip was None, is 1.0. Go on with" in said


def test_a_recipe_edited_in_the_folder_is_refused(table: Path, tmp_path: Path) -> None:
    begin(table, tmp_path / "a")
    stored = tmp_path / "a" / "recipe.yaml"
    edited = yaml.safe_load(stored.read_text())
    edited["training"]["iterations"] = 99
    stored.write_text(yaml.safe_dump(edited))
    assert "training.iterations was 6, is 99" in refused(tmp_path / "a")


def test_a_checkpoint_of_another_learner_is_refused(table: Path, tmp_path: Path) -> None:
    for name, hidden in (("a", [4]), ("b", [8])):
        begin(table, tmp_path / name, learner={"name": "mlp", "hidden": hidden})
    (tmp_path / "a" / "checkpoint.safetensors").write_bytes(
        (tmp_path / "b" / "checkpoint.safetensors").read_bytes()
    )
    assert "learner.hidden was [8], is [4]" in refused(tmp_path / "a")


def test_data_that_changed_are_refused(tmp_path: Path) -> None:
    table = write_table(tmp_path / "table.csv")
    begin(table, tmp_path / "a")
    table.write_text(table.read_text().replace(",p3-1,", ",somebody else,"))
    assert "the cases are no longer those of the checkpoint" in refused(tmp_path / "a")


def test_a_damaged_checkpoint_gives_way_to_the_one_before(table: Path, tmp_path: Path) -> None:
    train_recipe(a_recipe(table), tmp_path / "whole")
    begin(table, tmp_path / "a")
    latest = tmp_path / "a" / "checkpoint.safetensors"
    latest.write_bytes(latest.read_bytes()[:-9])
    resume_run(tmp_path / "a")
    assert content(tmp_path / "a") == content(tmp_path / "whole")


def test_damaged_checkpoints_without_a_good_one_are_refused(table: Path, tmp_path: Path) -> None:
    begin(table, tmp_path / "a")
    for path in (tmp_path / "a").glob("checkpoint*"):
        path.write_bytes(b"\xff" * 50)
    assert "There is no other to go on from" in refused(tmp_path / "a")
    assert read_stored(tmp_path / "a")


@pytest.mark.parametrize("step", [1, 3])
def test_a_full_disk_is_said_with_the_way_on(
    step: int, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, step, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        with pytest.raises(UserError) as error:
            train_recipe(a_recipe(table), tmp_path / "a")
    said = str(error.value)
    assert said.startswith(f"{tmp_path / 'a'}: the disk is full (No space left on device). ")
    if step == 1:
        assert said.endswith("There was no checkpoint yet: make room, then train again.")
        assert list(tmp_path.iterdir()) == []
    else:
        assert said.endswith(f"make room, then `metadx train --resume {tmp_path / 'a'}`.")
        train_recipe(a_recipe(table), tmp_path / "whole")
        resume_run(tmp_path / "a")
        assert content(tmp_path / "a") == content(tmp_path / "whole")


def test_training_that_diverges_after_a_checkpoint_keeps_its_curve(table: Path, tmp_path: Path) -> None:
    from metadx.training import Diverged

    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, 4, Diverged("the training direction became nan at step 5"))
        with pytest.raises(Diverged):
            train_recipe(a_recipe(table), tmp_path / "a")
    assert (tmp_path / "a" / "metrics.jsonl").read_text().count("\n") == 4
