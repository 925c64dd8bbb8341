"""Trainings on several processes, as `torchrun` starts them, stops them and starts them again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.conftest import Metadx
from metadx.errors import UserError
from metadx.studies import assist, read_recipe, train_recipe
from metadx.training import Lost, Processes
from studies.making import write_recipe, write_table

FILES = ("model.safetensors", "inputs.safetensors", "metrics.jsonl", "run.json", "recipe.yaml")


def children(process: int) -> list[int]:
    """The processes that a process has started."""
    found = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="utf-8")
    return [int(word) for word in found.split()]


def steps(folder: Path) -> int:
    metrics = folder / "metrics.jsonl"
    return len(metrics.read_text().splitlines()) if metrics.exists() else 0


def wait_for(running: subprocess.Popen[str], folder: Path, step: int) -> None:
    patience = time.monotonic() + 120
    while steps(folder) < step:
        assert running.poll() is None, running.stderr and running.stderr.read()
        assert time.monotonic() < patience
        time.sleep(0.02)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """Trains for some seconds, as the checkpoint after every step takes its time."""
    write_table(tmp_path / "table.csv")
    training = {"iterations": 150, "meta_batch": 3, "checkpoint_every": 0, "engine": "loop"}
    return write_recipe(tmp_path / "recipe.yaml", {"csv": "table.csv"}, training=training)


@contextmanager
def on_two(recipe: Path, out: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """The training in two processes."""
    torchrun = [sys.executable, "-m", "torch.distributed.run"]
    words = ["--standalone", "--nproc-per-node", "2", *options, "-m", "metadx", "train", str(recipe), "--out"]
    with subprocess.Popen([*torchrun, *words, str(out)], stderr=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.terminate()


def content(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def test_a_run_goes_on_with_another_number_of_processes(metadx: Metadx, recipe: Path, tmp_path: Path) -> None:
    metadx("train", recipe, "--out", tmp_path / "one", "-q").ok()
    with on_two(recipe, tmp_path / "two") as running:
        wait_for(running, tmp_path / "two", 5)
        running.send_signal(signal.SIGTERM)
        _, said = running.communicate(timeout=120)
    assert said.count("metadx: stopped after step") == 1
    metadx("train", "--resume", tmp_path / "two", "-q").ok()
    assert content(tmp_path / "two") == content(tmp_path / "one")


@pytest.mark.slow
def test_a_killed_process_stops_the_others_and_torchrun_goes_on(
    metadx: Metadx, recipe: Path, tmp_path: Path
) -> None:
    metadx("train", recipe, "--out", tmp_path / "one", "-q").ok()
    out = tmp_path / "two"
    with on_two(recipe, out, "--max-restarts", "1") as running:
        wait_for(running, out, 5)
        os.kill(children(running.pid)[1], signal.SIGKILL)
        _, said = running.communicate(timeout=120)
    assert running.returncode == 0, said
    assert "metadx: another process of this training has ended or does not answer, so this one stops." in said
    assert f"Going on with {out} after step " in said
    assert said.count(f"Wrote {out}: best at step") == 1
    assert content(out) == content(tmp_path / "one")


def test_more_processes_than_tasks(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"training\.meta_batch is 3, which does not give each of 4 processes a"
    ):
        train_recipe(read_recipe(recipe), tmp_path / "a", processes=Processes(0, 4))
    assert not (tmp_path / "a").exists()


def test_what_the_first_process_refuses_the_others_leave_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> bytes:
        raise Lost("gone")

    monkeypatch.setattr(Processes, "hear", gone)
    assert not assist(Processes(1, 2))
