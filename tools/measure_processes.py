"""How much faster two processes of one thread are than one, on two cores that do nothing else.

Started by torchrun, the two take turns: a training by both, then the same by the first alone while the other waits.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch

from metadx.algorithms import MAML
from metadx.evaluation import bootstrap_interval
from metadx.learners import ConvNet
from metadx.studies.results import interval_row, write_row
from metadx.tasks import Examples, Task
from metadx.training import ALONE, Processes, TrainingSettings, joined, train

RESULTS = Path(__file__).resolve().parent.parent / "results"
TURNS, STEPS = 9, 4
WAYS, SHOTS, QUERIES, TASKS = 5, 5, 15, 4
WHAT = "MAML step of the pooled conv4-64, 5-way 5-shot, 15 queries, 4 tasks, 5 inner steps, one thread each"


def draw(rng: np.random.Generator, size: int) -> Task:
    """Tasks of noise: time does not depend on what pictures show."""
    parts = []
    for cases in (WAYS * SHOTS, WAYS * QUERIES):
        x = torch.from_numpy(rng.normal(size=(size, cases, 1, 28, 28)).astype(np.float32))
        y = torch.eye(WAYS).repeat(cases // WAYS, 1).expand(size, -1, -1)
        parts.append(Examples(x, y, torch.ones(size, cases)))
    return Task(*parts)


def seconds(processes: Processes) -> float:
    """Of one outer step."""
    torch.manual_seed(0)
    algorithm = MAML(ConvNet((1, 28, 28), WAYS), inner_lr=0.05, inner_steps=5)
    settings = TrainingSettings(iterations=STEPS, meta_batch=TASKS, device="cpu", validate_every=STEPS)
    began = time.perf_counter()
    train(algorithm, draw, [], settings, processes=processes)
    return (time.perf_counter() - began) / STEPS


def main() -> int:
    """Measures and writes the row."""
    torch.set_num_threads(1)
    with joined() as both:
        if both.count != 2:
            print("start it with: torchrun --standalone --nproc-per-node 2 tools/measure_processes.py")
            return 2
        together, alone = [], []
        for turn in range(TURNS + 1):
            both.largest(0)  # the other waits here while the first works alone
            took = seconds(both)
            single = seconds(ALONE) if both.rank == 0 else 0.0
            if turn:  # the first warms up
                together.append(took)
                alone.append(single)
        both.largest(0)
    if both.rank == 0:
        ratios = np.array(alone) / np.array(together)
        found = bootstrap_interval(lambda at: float(np.median(ratios[at])), TURNS)
        what = (
            f"{WHAT}: {1000 * median(alone):.0f} ms in one process, {1000 * median(together):.0f} ms in two"
        )
        command = "torchrun --standalone --nproc-per-node 2 tools/measure_processes.py"
        write_row(RESULTS, interval_row("processes-two", what, "times as fast", found, command, target=1.5))
        print(f"{found.value:.2f} times as fast ({found.low:.2f} to {found.high:.2f}); {what}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
