"""Trains every algorithm for the same processor time and scores all on the same episodes.

`python tools/measure_algorithms.py [omniglot] [sinusoid] [thyroid] [herlev] [mit-bih] [--algorithms a,b]`: all of
them by default. Rows of the same budget that are there are kept, unless `--again` is said.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from beat_scores import count, scores
from contests import BASELINES, CONTESTS, NAMES, Contest, origin, problem_for, recipe_for, title, why_not
from metadx.algorithms import Algorithm, as_predictor, build_algorithm
from metadx.errors import UserError
from metadx.evaluation import Interval, Predictor, bootstrap_interval, evaluate
from metadx.learners import Tensors
from metadx.studies import Problem, Recipe, tune
from metadx.studies.problem import feasible
from metadx.studies.results import Row, interval_row, write_row
from metadx.studies.study import contender
from metadx.tasks import PatientSource, Task
from metadx.training import TrainingSettings, feed_for, train
from published import OMNIGLOT

RESULTS = Path(__file__).resolve().parent.parent / "results"
SEED, TUNING = 1, 10
REHEARSAL = 0.1
"""Share of the budget, and on top of it, that finds out how many steps the budget is good for."""
MINUTES = 5
METRICS = {"accuracy": "accuracy, %", "mse": "mean squared error", "f1": "F1, mean of N, S and V beats, %"}


def main() -> None:
    """Measures what has no row yet."""
    asked = argparse.ArgumentParser()
    asked.add_argument("data", nargs="*", choices=[[], *CONTESTS])
    asked.add_argument("--algorithms", type=lambda text: text.split(","), default=list(NAMES))
    asked.add_argument("--again", action="store_true")
    said = asked.parse_args()
    torch.set_num_threads(1)
    for data in said.data or CONTESTS:
        for name in chosen(data, said.algorithms, RESULTS, again=said.again):
            row = measured(data, name)
            write_row(RESULTS, row)
            print(row.id, row.value, row.what, row.why, flush=True)


def chosen(data: str, names: Sequence[str], results: Path, *, again: bool) -> list[str]:
    """The algorithms that have no row of the present budget yet; all if `again`."""
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise SystemExit(f"no algorithm {', '.join(unknown)} here; these are: {', '.join(NAMES)}")

    def known(name: str) -> bool:
        file = results / f"{row_id(data, name)}.json"
        return file.exists() and budget_of(data, name) in json.loads(file.read_text(encoding="utf-8"))["what"]

    return [name for name in names if again or not known(name)]


def row_id(data: str, name: str) -> str:
    return f"algorithms-{data}-{name}"


def budget_of(data: str, name: str) -> str:
    """The part of a row that says what the algorithm was given."""
    return "no training" if untrained(name) else f"{CONTESTS[data].seconds:g} core-seconds"


def untrained(name: str) -> bool:
    return name in BASELINES


def measured(data: str, name: str) -> Row:
    """Trains and scores one algorithm; a row without a value where it cannot take part."""
    contest = CONTESTS[data]
    what = f"{title(name)}, {contest.title}: {budget_of(data, name)}"
    try:
        reason = why_not(data, name)
        if reason is not None:
            raise UserError(reason)
        recipe = recipe_for(data, name)
        problem = problem_for(recipe)
        built, params, state, did = trained(contest, recipe, problem)
        ready = contender(NAMES[name], built, params, state)
        predictor = as_predictor(built, params, state)
        if len(ready.grid) > 1:
            predictor = tune(ready, tuning_tasks(contest, problem)).predictor
        found = scored(contest, problem, predictor)
    except UserError as error:
        return Row(
            id=row_id(data, name),
            what=what,
            metric=METRICS[contest.metric],
            value=None,
            n=0,
            better="lower" if contest.metric == "mse" else "higher",
            command=command(data, name),
            why=" ".join(str(error).split()),
        )
    words = [f"{what}{did}"]
    words += [] if untrained(name) else [origin(data, name)]
    words.append("transductive" if built.transductive else "inductive")
    published = OMNIGLOT.get((name, 5, 1)) if data == "omniglot" else None
    words += [f"published {published}"] if published else []
    return interval_row(
        row_id(data, name),
        "; ".join(words),
        METRICS[contest.metric],
        found,
        command(data, name),
        scale=1.0 if contest.metric == "mse" else 100.0,
        better="lower" if contest.metric == "mse" else "higher",
    )


def command(data: str, name: str) -> str:
    return f"python tools/measure_algorithms.py {data} --algorithms {name}"


def trained(contest: Contest, recipe: Recipe, problem: Problem) -> tuple[Algorithm, Tensors, Tensors, str]:
    """The algorithm after its processor time, as it is evaluated, and what was done, in words."""
    built = build_algorithm(recipe.algorithm, recipe.learner, problem.dimensions, recipe.training.seed)
    if built.consumes == "nothing":
        return built, *built.init(np.random.default_rng(recipe.training.seed)), ""
    steps = steps_in(contest.seconds, built, recipe.training, problem)
    settings = ending(recipe.training, steps, contest.seconds)
    done: list[float] = []
    found = train(
        shortened(built, steps / recipe.training.iterations),
        feed_for(built, problem.splits.train),
        [],
        settings,
        [lambda record: done.append(record["step"])],
        clock=time.process_time,
    )
    return (
        inductive(found.algorithm),
        found.params,
        found.state,
        f", {len(done)} steps of {settings.meta_batch}",
    )


def steps_in(
    seconds: float,
    built: Algorithm,
    settings: TrainingSettings,
    problem: Problem,
    clock: Callable[[], float] = time.process_time,
) -> int:
    """How many outer steps so much processor time is good for, by a rehearsal that is thrown away."""
    done: list[float] = []
    rehearsal = ending(settings, 1_000_000, seconds * REHEARSAL)
    feed = feed_for(built, problem.splits.train)
    began = clock()
    train(shortened(built, 0), feed, [], rehearsal, [lambda record: done.append(clock())], clock=clock)
    if len(done) > 1:  # the first step warms up
        began = done.pop(0)
    return max(1, round(len(done) * seconds / (done[-1] - began)))


def ending(settings: TrainingSettings, steps: int, seconds: float) -> TrainingSettings:
    """The recipe's training, made to end with a step size of zero after so many steps or, at the latest, so much
    processor time; the last parameters are kept, so that no validation takes of the time."""
    schedule = "cosine" if settings.schedule in ("constant", "halving") else settings.schedule
    length = {"iterations": steps, "validate_every": steps, "max_seconds": seconds, "patience": None}
    return settings.model_copy(update=length | {"schedule": schedule, "keep": "last", "device": "cpu"})


def shortened(built: Algorithm, share: float) -> Algorithm:
    """The algorithm with what it does in its first outer steps only, scaled to a run of another length."""
    phases = {f.name for f in dataclasses.fields(built)} & {"multi_step_until", "first_order_until"}  # type: ignore[arg-type]
    return dataclasses.replace(built, **{p: round(getattr(built, p) * share) for p in phases})  # type: ignore[type-var]


def inductive(built: Algorithm) -> Algorithm:
    """The algorithm without the query set's batch statistics, which recipes that follow papers train with."""
    switch = any(f.name == "transductive" for f in dataclasses.fields(built))  # type: ignore[arg-type]
    return dataclasses.replace(built, transductive=False) if switch else built  # type: ignore[type-var]


def tuning_tasks(contest: Contest, problem: Problem) -> list[Task]:
    """Meta-validation tasks, for what an algorithm lets choose after training."""
    split = problem.splits.validation
    return split.tasks(TUNING, feasible(split, contest.shape), SEED)


def scored(contest: Contest, problem: Problem, predictor: Predictor) -> Interval:
    """The score on meta-test with its interval over episodes, or over patients."""
    if contest.episodes:
        tasks = problem.splits.test.tasks(contest.episodes, contest.shape, SEED)
        return evaluate(predictor, tasks, classification=problem.classification).interval(contest.metric)
    (source,) = problem.splits.test.sources()
    assert isinstance(source, PatientSource)
    patients = {p: source.task(source.whole(p, 60.0 * MINUTES)) for p in sorted(source.patients())}
    answers = {patient: np.asarray(predictor([task])[0]) for patient, task in patients.items()}
    every = np.stack(list(count(answers, patients).values()))

    def f1(index: np.ndarray) -> float:
        return float(np.mean([scores(every[index].sum(0), beat)[2] for beat in range(3)]))

    return bootstrap_interval(f1, len(every), resamples=1000)


if __name__ == "__main__":
    main()
