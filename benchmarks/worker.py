"""One side of a comparison in a process of its own: `python worker.py SIDE` answers commands, one JSON line each.

{"do": "prepare", "file": ..., "dtype": "float32", "device": "cpu", "settings": {}, "threads": null}
{"do": "time", "steps": 3}          seconds of each meta-step
{"do": "peak"}                      MiB that a meta-step takes above what lay in memory before it
{"do": "gradient", "file": ...}     writes the meta-gradient
{"do": "load", "file": ..., "parts": 1}  reads episodes, to be taken in so many parts
{"do": "evaluate", "part": 0}       seconds that a part takes, and accuracy
{"do": "fill", "file": ...}         reads pictures
{"do": "draw", "number": 640}       seconds that drawing so many episodes takes, and their cases
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sides.side import Side, meta_step
from workloads import read_problem

_DRAWN = 64  # episodes
_STATUS, _FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Worker:
    """A side, and the problem it was given last."""

    def __init__(self, name: str) -> None:
        self._module: Any = importlib.import_module(f"sides.{name}")
        self._package = name.partition("_")[0]
        self._threads = torch.get_num_threads()
        self._side: Side
        self._step: Callable[[], None]
        self._evaluations: list[Callable[[], float]]
        self._drawing: Callable[[int], int]

    def hello(self) -> dict[str, Any]:
        """Which release this is."""
        try:
            return {"version": version(self._package)}
        except PackageNotFoundError:  # no library but torch, or metadx where it is not installed
            return {"version": f"torch {torch.__version__}"}

    def prepare(
        self,
        file: str,
        dtype: str = "float32",
        device: str = "cpu",
        settings: dict[str, Any] | None = None,
        threads: int | None = None,
    ) -> dict[str, Any]:
        """Reads a problem.

        Args:
            threads: how many to use; 0 for the faster of one and all; None for what torch takes by itself.
        """
        problem = read_problem(Path(file), getattr(torch, dtype), settings, device)
        self._side = self._module.side(problem)
        self._step = meta_step(self._side)
        torch.set_num_threads(threads or self._threads)
        if threads == 0:
            torch.set_num_threads(self._faster(self._step, self._side.warm))
        else:
            for _ in range(self._side.warm):
                self._side.backward()  # parameters stay where they are
        return {"threads": torch.get_num_threads(), "about": self._side.about}

    def time(self, steps: int) -> dict[str, Any]:
        """Runs meta-steps."""
        return {"seconds": [_seconds(self._step) for _ in range(steps)]}

    def peak(self) -> dict[str, Any]:
        """Runs one meta-step and tells its peak of memory; for the first of a process."""
        _FORGET.write_text("5", encoding="ascii")  # the high-water mark falls to what is resident now
        before = _resident("VmRSS")
        self._step()
        return {"mebibytes": (_resident("VmHWM") - before) / 1024}

    def gradient(self, file: str) -> dict[str, Any]:
        """Writes the meta-gradient, parameter by parameter."""
        for parameter in self._side.parameters:
            parameter.grad = None
        self._side.backward()
        np.savez(file, *(parameter.grad.detach().cpu().numpy() for parameter in self._side.parameters))
        return {}

    def load(self, file: str, parts: int) -> dict[str, Any]:
        """Reads episodes.

        Args:
            parts: of about as many episodes each.
        """
        self._evaluations = [self._module.evaluation(Path(file), part, parts) for part in range(parts)]
        return {}

    def evaluate(self, part: int) -> dict[str, Any]:
        """Runs the episodes of a part; again from the first part after the last."""
        parts = len(self._evaluations)
        began = time.perf_counter()
        accuracy = self._evaluations[part % parts]()
        return {"seconds": time.perf_counter() - began, "accuracy": accuracy, "parts": parts}

    def fill(self, file: str) -> dict[str, Any]:
        """Reads pictures; drawing uses one thread or all, whichever is faster."""
        self._drawing = self._module.drawing(Path(file))
        torch.set_num_threads(self._faster(lambda: self._drawing(_DRAWN)))
        return {"threads": torch.get_num_threads()}

    def draw(self, number: int) -> dict[str, Any]:
        """Draws episodes."""
        began = time.perf_counter()
        cases = self._drawing(number)
        return {"seconds": time.perf_counter() - began, "cases": cases}

    def _faster(self, function: Callable[[], Any], warm: int = 0) -> int:
        everything = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        taken = {}
        for threads in {1, everything}:
            torch.set_num_threads(threads)
            for _ in range(1 + warm):
                function()
            taken[threads] = min(_seconds(function) for _ in range(2))
        return min(taken, key=lambda threads: taken[threads])


def _seconds(function: Callable[[], Any]) -> float:
    _wait()
    began = time.perf_counter()
    function()
    _wait()
    return time.perf_counter() - began


def _wait() -> None:
    """Until a GPU has done what it was asked for."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def _resident(what: str) -> int:
    """KiB of resident memory, now or at most."""
    lines = _STATUS.read_text(encoding="ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(what)))


def main() -> None:
    """Answers until standard input ends; what libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    worker = Worker(sys.argv[1])
    for line in sys.stdin:
        print(json.dumps(_answer(worker, json.loads(line))), file=answers, flush=True)


def _answer(worker: Worker, command: dict[str, Any]) -> dict[str, Any]:
    """What a command gives, or why it fails: the next one may go well."""
    try:
        answer: dict[str, Any] = getattr(worker, command.pop("do"))(**command)
    except Exception as error:  # of any library
        traceback.print_exc()
        return {"failed": f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"}
    return answer


if __name__ == "__main__":
    main()
