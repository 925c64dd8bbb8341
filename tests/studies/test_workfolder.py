"""A run folder is held by one process, and stays only if there is something to resume."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from metadx.errors import UserError
from metadx.studies.lock import LOCK, only_process
from metadx.studies.workfolder import new_folder, unfinished_folder
from metadx.training import Checkpoint, write_checkpoint

CHECKPOINT = Checkpoint({}, {"step": 1}, {})


def test_a_folder_and_those_above_it_are_made(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    with new_folder(out) as work:
        (work / "a").write_text("1")
    assert (out / "a").read_text() == "1"
    assert [p.name for p in out.iterdir()] == ["a"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_half_way_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    def half_way() -> None:
        with new_folder(tmp_path / "deep" / "er" / "out") as work:
            (work / "a").write_text("1")
            (work / "inside").mkdir()
            raise error

    with pytest.raises(error):
        half_way()
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "other").write_text("1")

    def half_way() -> None:
        with new_folder(tmp_path / "deep" / "out"):
            raise KeyError

    with pytest.raises(KeyError):
        half_way()
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["other"]


def test_an_empty_folder_may_become_the_run(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with new_folder(out) as work:
        (work / "a").write_text("1")
    assert (out / "a").exists()


def test_what_exists_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("precious")
    (tmp_path / "file").write_text("precious")

    def enter(out: Path) -> None:
        with new_folder(out):
            pytest.fail("the work began")

    for name in ("out", "file"):
        with pytest.raises(
            UserError, match=f"{name}: already exists. Choose another --out, or remove it first"
        ):
            enter(tmp_path / name)
    with pytest.raises(UserError, match="file: is a file, not a folder"):
        enter(tmp_path / "file" / "out")
    assert (tmp_path / "out" / "mine").read_text() == "precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "out"]


def test_a_failure_leaves_what_can_be_resumed(tmp_path: Path) -> None:
    def half_way() -> None:
        with new_folder(tmp_path / "deep" / "out") as work:
            (work / "recipe.yaml").write_text("")
            write_checkpoint(work, CHECKPOINT)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half_way()
    assert sorted(p.name for p in (tmp_path / "deep" / "out").iterdir()) == [
        "checkpoint.safetensors",
        "recipe.yaml",
    ]


def enter_new(folder: Path) -> None:
    with new_folder(folder):
        pytest.fail("the work began")


def enter_unfinished(folder: Path) -> None:
    with unfinished_folder(folder):
        pytest.fail("the work began")


def test_an_unfinished_run_is_not_begun_again(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("")
    with pytest.raises(
        UserError, match=r"holds a run that is not finished\. Go on with `metadx train --resume"
    ):
        enter_new(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["recipe.yaml"]


def test_what_a_killed_process_left_before_it_began_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text("1")
    with new_folder(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", [(), (LOCK,), ("other",)], ids=str)
def test_what_is_no_run_cannot_be_resumed(there: tuple[str, ...], tmp_path: Path) -> None:
    for name in there:
        (tmp_path / name).write_text("")
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match=r"no run to resume\. Begin one with `metadx train RECIPE --out"):
            enter_unfinished(folder)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(there)


def test_a_finished_run_is_not_resumed_and_loses_nothing_but_its_checkpoints(tmp_path: Path) -> None:
    for name in ("recipe.yaml", "model.safetensors", ".model.safetensors.part"):
        (tmp_path / name).write_text("")
    write_checkpoint(tmp_path, CHECKPOINT)
    with pytest.raises(UserError, match=r"this run is finished\. Score it with `metadx evaluate"):
        enter_unfinished(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.safetensors", "recipe.yaml"]


def test_an_unfinished_folder_stays_whatever_happens(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("")

    def fail() -> None:
        with unfinished_folder(tmp_path):
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [p.name for p in tmp_path.iterdir()] == ["recipe.yaml"]


def test_two_processes_do_not_work_on_one_folder(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("")
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom metadx.studies.lock import only_process\n"
        f"with only_process(Path({str(tmp_path)!r})):\n    print('held', flush=True)\n    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        for enter in (enter_new, enter_unfinished):
            with pytest.raises(
                UserError, match=rf"another process \(pid {other.pid}\) is at work on this run"
            ):
                enter(tmp_path)
        other.send_signal(signal.SIGKILL)
        other.wait()
    with unfinished_folder(tmp_path):
        assert (tmp_path / LOCK).read_text() == str(os.getpid())
    assert not (tmp_path / LOCK).exists()


def test_the_lock_holds_within_a_process_too(tmp_path: Path) -> None:
    with only_process(tmp_path):
        with pytest.raises(UserError, match=rf"pid {os.getpid()}"), only_process(tmp_path):
            pytest.fail("held twice")
        assert (tmp_path / LOCK).exists()
