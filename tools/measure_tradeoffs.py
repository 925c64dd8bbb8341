"""Measures the trade-offs of the article: `python tools/measure_tradeoffs.py [cost] [seeds]`.

Time and memory of a meta-step of each algorithm, and how far MAML's result moves with its seed.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from metadx.algorithms import Dimensions, Engine, as_predictor, build_algorithm
from metadx.evaluation import evaluate, mean_interval
from metadx.learners import NamedSettings
from metadx.studies import build_problem, read_recipe
from metadx.studies.results import Row, interval_row, write_row
from metadx.studies.study import train_one
from metadx.tasks import Shape, Task, make_examples, stack
from metadx.training import Diverged

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results"
COMMAND = "python tools/measure_tradeoffs.py"
SETTINGS = {
    "maml": {"name": "maml", "inner_steps": 5},
    "maml-first-order": {"name": "maml", "inner_steps": 5, "first_order": True},
    "anil": {"name": "anil", "inner_steps": 5},
    "reptile": {"name": "reptile", "inner_steps": 5, "inner_batch": 10},
    "protonet": {"name": "protonet"},
    "lr_d2": {"name": "lr_d2"},
}
PIXELS = (1, 28, 28)
TASKS, REPEATS, SEEDS = 4, 7, 10


def cost() -> None:
    """Seconds and memory of one meta-step: strided conv4-64, 5-way 5-shot, 15 queries, 4 tasks, 5 inner steps."""
    what = "strided conv4-64, 28 x 28, 5-way 5-shot, 15 queries, 4 tasks, one thread"
    for name in SETTINGS:
        words = [sys.executable, __file__, "--one", name]
        found = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
        seconds = np.array(found["seconds"])
        least, middle, most = (1000 * float(f(seconds)) for f in (np.min, np.median, np.max))
        row = Row(
            id=f"tradeoff-time-{name}",
            what=f"{name}, one meta-step: {what} (median; {least:.0f} to {most:.0f} ms)",
            metric="ms",
            value=middle,
            n=len(seconds),
            better="lower",
            command=COMMAND,
        )
        write_row(RESULTS, row)
        memory = Row(
            id=f"tradeoff-memory-{name}",
            what=f"{name}, peak memory of a meta-step above that of the process before: {what}",
            metric="MiB",
            value=found["mebibytes"],
            n=1,
            better="lower",
            command=COMMAND,
        )
        write_row(RESULTS, memory)
        print(row.id, row.value, memory.value, flush=True)


def one(name: str) -> None:
    """One algorithm, in a process of its own, so that its peak of memory is its own."""
    torch.set_num_threads(1)
    settings = NamedSettings.model_validate(SETTINGS[name])
    learner = NamedSettings.model_validate({"name": "convnet", "downsample": "stride", "norm": "group"})
    algorithm = build_algorithm(settings, learner, Dimensions(PIXELS, 5, 5))
    params, state = algorithm.init(np.random.default_rng(0))
    engine = Engine(algorithm, "loop")
    batch = stack([_task(seed) for seed in range(TASKS)])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        engine.update(params, state, batch)
        seconds.append(time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps({"seconds": seconds[1:], "mebibytes": peak / 1024}))


def _task(seed: int) -> Task:
    generator = torch.Generator().manual_seed(seed)

    def examples(per_way: int) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.rand(5 * per_way, *PIXELS, generator=generator), torch.arange(5).repeat(per_way)

    return Task(make_examples(*examples(5), 5), make_examples(*examples(15), 5))


def seeds() -> None:
    """MAML on thyroid, ten seeds of the same recipe at a third of its length: spread, and how many diverged."""
    recipe = read_recipe(ROOT / "recipes" / "thyroid-maml.yaml")
    problem = build_problem(recipe)
    tasks = problem.splits.test.tasks(300, Shape(ways=5, shots=5, query=10), 1)
    found, diverged = [], 0
    for seed in range(SEEDS):
        training = recipe.training.model_copy(
            update={"seed": seed, "iterations": recipe.training.iterations // 3}
        )
        own = recipe.model_copy(update={"training": training})
        try:
            trained = train_one(recipe.algorithm, own, problem)
        except Diverged:
            diverged += 1
            continue
        predictor = as_predictor(trained.algorithm, trained.params, trained.state)
        found.append(100 * float(np.mean(evaluate(predictor, tasks).episode["accuracy"])))
        print(seed, found[-1], flush=True)
    centre = mean_interval(np.array(found))
    what = "MAML on thyroid split 0, 5-way 5-shot, ten seeds of one recipe at a third of its length"
    rows = (
        interval_row("tradeoff-seeds-maml-mean", f"{what}: mean", "accuracy, %", centre, COMMAND),
        _plain("spread", f"{what}: most minus least", "accuracy, points", max(found) - min(found)),
        _plain("diverged", f"{what}: diverged", "runs", float(diverged)),
    )
    for row in rows:
        write_row(RESULTS, row)


def _plain(id: str, what: str, metric: str, value: float) -> Row:
    return Row(
        id=f"tradeoff-seeds-maml-{id}",
        what=what,
        metric=metric,
        value=value,
        n=SEEDS,
        better="lower",
        command=COMMAND,
    )


JOBS: dict[str, Callable[[], None]] = {"cost": cost, "seeds": seeds}

if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2])
    else:
        for job in sys.argv[1:] or JOBS:
            JOBS[job]()
