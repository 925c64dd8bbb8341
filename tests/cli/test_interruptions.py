"""Trainings that are stopped, killed, or run out of disk, as the operating system does it; and that go on."""

from __future__ import annotations

import os
import resource
import runpy
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli.conftest import Metadx, executable, files
from studies.making import write_recipe, write_table

ROOT = Path(__file__).parents[2]
SINE: dict[str, Any] = {
    "algorithm": {"name": "maml"},
    "learner": {"name": "mlp", "hidden": [4]},
    "training": {
        "iterations": 10_000_000,
        "validate_every": 10_000_000,
        "checkpoint_every": 0.05,
        "ahead": 2,
    },
}


@contextmanager
def training(
    recipe: Path, out: Path, ready: Callable[[], bool], **options: Any
) -> Iterator[subprocess.Popen[str]]:
    """A training in a process of its own, as far as it takes to be ready for the test."""
    command = [str(executable()), "train", str(recipe), "--out", str(out)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    ) as running:
        patience = time.monotonic() + 180
        while not ready():
            assert running.poll() is None, running.stderr and running.stderr.read()
            assert time.monotonic() < patience
            time.sleep(0.05)
        try:
            yield running
        finally:
            running.kill()


@pytest.fixture
def sine(tmp_path: Path) -> Path:
    """A recipe that trains for as long as it is let."""
    return write_recipe(tmp_path / "recipe.yaml", {"function": "sinusoid", "split": {}}, **SINE)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "kill"]
)
def test_a_stopped_training_says_how_to_go_on(
    number: signal.Signals, code: int, sine: Path, tmp_path: Path
) -> None:
    out = tmp_path / "runs" / "a"
    metrics = out / "metrics.jsonl"
    with training(sine, out, lambda: metrics.exists() and metrics.stat().st_size > 0) as running:
        running.send_signal(number)
        printed, err = running.communicate(timeout=60)
    assert running.returncode == code
    assert printed == ""
    step = len(metrics.read_text().splitlines())
    assert err.strip().splitlines()[-1] == (
        f"metadx: stopped after step {step}, which is saved. Go on with `metadx train --resume {out}`."
    )
    assert {"recipe.yaml", "metrics.jsonl", "checkpoint.safetensors"} <= {p.name for p in out.iterdir()}
    assert not (out / ".lock").exists()


def test_two_processes_on_one_run_folder(metadx: Metadx, sine: Path, tmp_path: Path) -> None:
    out = tmp_path / "a"
    with training(sine, out, (out / "checkpoint.safetensors").exists) as running:
        for arguments in ((sine, "--out", out), ("--resume", out)):
            assert metadx("train", *arguments).mistake() == (
                f"{out}: another process (pid {running.pid}) is at work on this run. Wait for it or stop it."
            )
        assert running.poll() is None
    assert metadx("train", sine, "--out", out).mistake() == (
        f"{out}: holds a run that is not finished. Go on with `metadx train --resume {out}`, or choose another "
        "--out."
    )
    assert metadx("evaluate", out).mistake() == (
        f"{out}: this run is not finished. Go on with `metadx train --resume {out}`."
    )


def limited() -> None:
    """Files of this process may not grow beyond what some hundred steps write."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


def test_no_room_for_metrics(sine: Path, tmp_path: Path) -> None:
    out = tmp_path / "a"
    with training(sine, out, out.exists, preexec_fn=limited) as running:
        printed, err = running.communicate(timeout=180)
    assert (running.returncode, printed) == (2, "")
    (said,) = [line for line in err.splitlines() if line.startswith("metadx: ")]
    assert said == (
        f"metadx: {out}: the disk is full (File too large). The last checkpoint is whole: make room, then "
        f"`metadx train --resume {out}`."
    )
    assert "Traceback" not in err


def test_no_room_for_a_checkpoint(metadx: Metadx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_table(tmp_path / "table.csv")
    recipe = write_recipe(
        tmp_path / "recipe.yaml", {"csv": "table.csv"}, training={"iterations": 4, "checkpoint_every": 0}
    )
    before = files(tmp_path)
    real, left = os.fsync, [1]  # the recipe fits

    def full(descriptor: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    said = metadx("train", recipe, "--out", tmp_path / "a", "-q").mistake()
    assert "the disk is full" in said or "no room for the" in said
    assert said.endswith("There was no checkpoint yet: make room, then train again.")
    assert files(tmp_path) == before


@pytest.fixture
def often(tmp_path: Path) -> Path:
    """A recipe that trains for a second or two, and writes a checkpoint after every step."""
    write_table(tmp_path / "table.csv")
    return write_recipe(
        tmp_path / "recipe.yaml",
        {"csv": "table.csv"},
        algorithm={"name": "maml"},
        training={"iterations": 60, "validate_every": 20, "checkpoint_every": 0},
    )


def killed(recipe: Path, folder: Path, kills: int) -> int:
    same: int = runpy.run_path(str(ROOT / "tools" / "kills.py"))["same_after_kills"](
        recipe, folder, kills, np.random.default_rng()
    )
    return same


def test_a_killed_run_ends_with_the_same_bytes(often: Path, tmp_path: Path) -> None:
    assert killed(often, tmp_path / "runs", 2) == 2


@pytest.mark.slow
def test_twenty_killed_runs_end_with_the_same_bytes(often: Path, tmp_path: Path) -> None:
    assert killed(often, tmp_path / "runs", 20) == 20


def test_what_cannot_be_resumed(metadx: Metadx, tmp_path: Path) -> None:
    write_table(tmp_path / "table.csv")
    recipe = write_recipe(tmp_path / "recipe.yaml", {"csv": "table.csv"})
    out = tmp_path / "a"
    for arguments in (("--resume", out), (recipe, "--resume", out)):
        assert metadx("train", *arguments).mistake() == (
            f"{out}: no run to resume. Begin one with `metadx train RECIPE --out {out}`."
        )
    assert not out.exists()
    metadx("train", recipe, "--out", out, "-q").ok()
    before = files(out)
    assert metadx("train", "--resume", out).mistake() == (
        f"{out}: this run is finished. Score it with `metadx evaluate {out}`."
    )
    assert files(out) == before
    for arguments in ((recipe,), (recipe, "--out", out, "--resume", out)):
        assert "give --out FOLDER to begin a run, or --resume FOLDER" in metadx("train", *arguments).mistake()
    assert "give a recipe as well" in metadx("train", "--out", tmp_path / "b").mistake()
