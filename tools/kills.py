"""Kills training runs at random moments, resumes them, and compares what comes out with a run left alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

FILES = ("model.safetensors", "inputs.safetensors", "metrics.jsonl", "run.json", "recipe.yaml")
PROGRAM = str(Path(sys.executable).with_name("metadx"))


def same_after_kills(recipe: Path, folder: Path, kills: int, rng: np.random.Generator) -> int:
    """How many of the runs that were killed with SIGKILL and resumed end with the bytes of one never killed.

    Args:
        recipe: what is trained; it should checkpoint often.
        folder: where the runs are made.
        kills: how many runs are killed, each at a moment of its own between its first file and its end.
    """
    seconds = _trained(recipe, folder / "whole")
    whole = content(folder / "whole")
    same = 0
    for number in range(kills):
        out = folder / f"killed-{number}"
        while not _killed(recipe, out, rng.uniform(0, seconds)):
            shutil.rmtree(out)
        _resumed(out)
        same += content(out) == whole
    return same


def content(folder: Path) -> dict[str, bytes]:
    """The bytes of what a finished run leaves."""
    return {name: (folder / name).read_bytes() for name in FILES}


def _trained(recipe: Path, out: Path) -> float:
    """Trains without a kill; gives the seconds between the first file and the end."""
    with _started(recipe, out) as running:
        began = _first_file(running, out)
        assert running.wait() == 0, "the run that was left alone failed"
        return time.monotonic() - began


def _killed(recipe: Path, out: Path, after: float) -> bool:
    """Kills a run some seconds after its first file is there; False where it had ended by then."""
    with _started(recipe, out) as running:
        _first_file(running, out)
        time.sleep(after)
        running.kill()
        return running.wait() != 0


def _resumed(out: Path) -> None:
    """Goes on with a killed run; one that was killed between its last file and its end is finished already."""
    command = [PROGRAM, "train", "--resume", str(out), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or "this run is finished" in done.stderr, done.stderr


def _started(recipe: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [PROGRAM, "train", str(recipe), "--out", str(out), "--quiet"]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def _first_file(running: subprocess.Popen[bytes], out: Path) -> float:
    while not (out / "recipe.yaml").exists():
        assert running.poll() is None, "the run ended before it began"
        time.sleep(0.002)
    return time.monotonic()
