"""Measures the figures of the results table: `python tools/measure.py JOB [JOB ...]`, all of them by default."""

from __future__ import annotations

import dataclasses
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import yaml
from rich.console import Console

from forecasts import coverage_rows
from kills import same_after_kills
from metadx.algorithms import as_predictor, build_algorithm
from metadx.cli.progress import methods_bar
from metadx.evaluation import Difference, Interval, Score, difference, evaluate
from metadx.studies import (
    DEMO_METHODS,
    build_problem,
    read_recipe,
    run_demo,
    train_recipe,
)
from metadx.studies.results import Row, interval_row, write_row
from metadx.tasks import Shape, Task

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results"
ABLATED = ("maml", "anil", "reptile", "fine-tune", "protonet", "meta-logistic", "linear-probe")
KILLS = 20
NO_STEPS = {"maml": "eval_steps", "anil": "eval_steps", "reptile": "eval_steps", "fine-tune": "steps"}


def demo() -> None:
    """The demonstration over three split seeds: the recommended method against the strongest tuned baseline."""
    seconds: list[float] = []
    gains: list[float] = []
    for seed in range(3):
        command = f"metadx demo --seed {seed}"
        with methods_bar(Console(stderr=True), len(DEMO_METHODS)) as watch:
            result = run_demo(seed, 300, watch=watch)
        seconds.append(result.protocol.seconds)
        titles = {m.name: m.title for m in result.methods}
        for shots in result.shots:
            chosen, against = result.recommended[shots], result.baseline[shots]
            score = next(
                s for s in result.scores if (s.method, s.shots, s.metric) == (chosen, shots, "accuracy")
            )
            found = interval(score)
            what = f"thyroid split {seed}, 5-way {shots}-shot, {titles[chosen]} (recommended)"
            write(f"demo-seed{seed}-{shots:02d}shot-accuracy", what, "accuracy, %", found, command, scale=100)
            gap = next(
                (d for d in result.differences if (d.method, d.against, d.shots) == (chosen, against, shots)),
                None,
            )
            what = f"thyroid split {seed}, 5-way {shots}-shot, {titles[chosen]} against {titles[against]}"
            id = f"demo-seed{seed}-{shots:02d}shot-gain"
            gains += [100 * gap.value if gap and gap.value is not None else 0.0] if shots == 1 else []
            if gap is None or gap.low is None:
                why = "the recommended method is the strongest baseline itself"
                row = Row(id=id, what=what, metric="gain, points", value=None, n=0, command=command, why=why)
                write_row(RESULTS, row)
                continue
            asked = {"target": 2.0} if shots == 1 else {}
            write(id, what, "gain, points", interval(gap), command, scale=100, **asked)
            row = Row(
                id=f"{id}-low",
                what=f"{what}: lower end of the interval",
                metric="gain, points",
                value=100 * gap.low,
                n=gap.n,
                target=-1.0,
                command=command,
            )
            write_row(RESULTS, row)
    row = Row(
        id="demo-mean-01shot-gain",
        what="thyroid, 5-way 1-shot, mean of three splits, recommended against strongest tuned baseline",
        metric="gain, points",
        value=sum(gains) / len(gains),
        n=len(gains),
        target=4.0,
        command="python tools/measure.py demo",
    )
    write_row(RESULTS, row)
    slowest = Row(
        id="demo-seconds",
        what="metadx demo, whole run, slowest of three splits",
        metric="seconds",
        value=max(seconds),
        n=len(seconds),
        target=300,
        better="lower",
        command="metadx demo",
    )
    write_row(RESULTS, slowest)


def interval(found: Score | Difference) -> Interval:
    """The interval of a score or a difference; what is undefined stays so."""
    value, low, high = (float("nan") if x is None else x for x in (found.value, found.low, found.high))
    return Interval(value, low, high, found.n)


def sinusoid() -> None:
    """MAML on sinusoids, one core: mean squared error after 1, 5 and 10 inner steps."""
    torch.set_num_threads(1)
    recipe = read_recipe(ROOT / "recipes" / "sinusoid.yaml")
    command = "python tools/measure.py sinusoid"
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        run = train_recipe(recipe, Path(folder) / "run", Console(stderr=True))
        seconds = time.monotonic() - began
    problem = build_problem(recipe)
    algorithm = build_algorithm(recipe.algorithm, recipe.learner, problem.dimensions, recipe.training.seed)
    tasks = problem.splits.test.tasks(4000, Shape(shots=10, query=100), 1)
    for steps, target in ((1, 0.45), (5, 0.15), (10, 0.12)):
        adapted = dataclasses.replace(algorithm, eval_steps=steps)  # type: ignore[type-var]
        scores = evaluate(as_predictor(adapted, run.params, run.state), tasks, classification=False)
        write(
            f"sinusoid-maml-{steps:02d}steps",
            f"MAML on sinusoids, 10 shots, {steps} inner steps, 100 query points",
            "mean squared error",
            scores.interval("mse"),
            command,
            target=target,
            better="lower",
        )
    row = Row(
        id="sinusoid-seconds",
        what="the sinusoid recipe, training on one core",
        metric="seconds",
        value=seconds,
        n=1,
        target=120,
        better="lower",
        command=command,
    )
    write_row(RESULTS, row)


def ablations() -> None:
    """Every algorithm's recipe against itself without adaptation, 5-way 5-shot, paired."""
    for name in ABLATED:
        recipe = read_recipe(ROOT / "recipes" / f"thyroid-{name}.yaml")
        with tempfile.TemporaryDirectory() as folder:
            run = train_recipe(recipe, Path(folder) / "run", Console(stderr=True))
        problem = build_problem(recipe)
        algorithm = build_algorithm(
            recipe.algorithm, recipe.learner, problem.dimensions, recipe.training.seed
        )
        tasks = problem.splits.test.tasks(300, Shape(ways=5, shots=5, query=10), 1)

        adapted = evaluate(as_predictor(algorithm, run.params, run.state), tasks)
        if name in NO_STEPS:
            frozen = dataclasses.replace(algorithm, **{NO_STEPS[name]: 0})  # type: ignore[type-var]
            unadapted = evaluate(as_predictor(frozen, run.params, run.state), tasks)
            without = "itself with no inner step"
        else:
            unadapted = evaluate(as_predictor(algorithm, run.params, run.state), [shuffled(t) for t in tasks])
            without = "itself adapted to shuffled support labels"
        gain = difference(adapted, unadapted, "accuracy")
        write(
            f"ablation-{name}",
            f"{name} on thyroid split 0, 5-way 5-shot, against {without}",
            "gain, points",
            gain,
            "python tools/measure.py ablations",
            scale=100,
            target=0.0,
        )


def resume() -> None:
    """Runs killed with SIGKILL at random moments and resumed: how many end with the bytes of one left alone."""
    content = yaml.safe_load((ROOT / "recipes" / "thyroid-protonet.yaml").read_text(encoding="utf-8"))
    content["training"] |= {"iterations": 200, "validate_every": 40, "checkpoint_every": 0.1}
    with tempfile.TemporaryDirectory() as folder:
        recipe = Path(folder) / "recipe.yaml"
        recipe.write_text(yaml.safe_dump(content), encoding="utf-8")
        same = same_after_kills(recipe, Path(folder), KILLS, np.random.default_rng(0))
    row = Row(
        id="resume-bytes",
        what="protonet on thyroid split 0, 200 steps, killed with SIGKILL at a random moment and resumed: runs "
        "that end with the same bytes as one never killed",
        metric="share of runs",
        value=same / KILLS,
        n=KILLS,
        target=1.0,
        command="python tools/measure.py resume",
    )
    write_row(RESULTS, row)
    print(f"{row.id}: {row.value}", flush=True)


def plan() -> None:
    """How often the intervals of `metadx plan` hold the truth on held-out conditions."""
    torch.set_num_threads(1)
    for row in coverage_rows():
        write_row(RESULTS, row)
        print(f"{row.id}: {row.value}", flush=True)


def shuffled(task: Task) -> Task:
    """The task with its support labels permuted over the cases: all that can be learned from them is chance."""
    order = torch.randperm(len(task.support.y), generator=torch.Generator().manual_seed(0))
    return task._replace(support=task.support._replace(y=task.support.y[order]))


def write(id: str, what: str, metric: str, found: Interval, command: str, **rest: object) -> None:
    """Writes a row and says so."""
    row = interval_row(id, what, metric, found, command, **rest)  # type: ignore[arg-type]
    write_row(RESULTS, row)
    print(f"{row.id}: {row.value}", flush=True)


JOBS: dict[str, Callable[[], None]] = {
    "demo": demo,
    "sinusoid": sinusoid,
    "ablations": ablations,
    "resume": resume,
    "plan": plan,
}

if __name__ == "__main__":
    for job in sys.argv[1:] or JOBS:
        JOBS[job]()
