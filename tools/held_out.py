"""Scores every method on the episodes of a picture set that meta-training never saw."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console
from torch import nn

from metadx.algorithms import ALGORITHMS, LogisticRegression, NearestCentroid
from metadx.evaluation import Interval, difference
from metadx.learners import Functional, NamedSettings, Tensors
from metadx.studies import (
    Contender,
    Exam,
    Outcome,
    Plan,
    Problem,
    Recipe,
    build_problem,
    draw_exam,
    read_recipe,
    recommend,
    sit,
)
from metadx.studies.contenders import GRIDS
from metadx.studies.results import Row, interval_row, write_row
from metadx.studies.study import train_one
from metadx.tasks import Task

ROOT = Path(__file__).resolve().parent.parent
RESULTS, RECIPES = ROOT / "results", ROOT / "recipes"
CONSOLE = Console(stderr=True)
PENALTIES = tuple({"c": c} for c in (0.01, 0.1, 1.0, 10.0))  # the same for logistic regression on anything
CASES = 64
LEARNED = {"protonet": "the prototypical network", "linear_probe": "a network trained to classify"}


def held_out(name: str) -> None:
    """A data set after meta-training networks from scratch on others: every method on the same episodes."""
    recipe = read_recipe(RECIPES / f"{name}.yaml")
    pixels = build_problem(recipe)
    plan = plan_of(recipe)
    exam = draw_exam(pixels, plan)
    outcomes, learned, seconds = [], [], 0.0
    for algorithm, whose in LEARNED.items():
        began = time.process_time()
        network = trained(algorithm, recipe, pixels)
        seconds += time.process_time() - began
        on = heads(embedded(exam, network), algorithm, whose)
        outcomes += on
        learned += [outcome.name for outcome in on]
    outcomes += heads(exam, "pixels", "pixels")
    for shots in plan.shots:
        for outcome in outcomes:
            scored(name, outcome, shots, plan)
        _gain(name, outcomes, learned, shots, plan)
    row = Row(
        id=f"{name}-seconds",
        what=f"recipes/{name}.yaml, training of both networks, processor time of all cores",
        metric="core-seconds",
        value=seconds,
        n=1,
        target=1200,
        better="lower",
        command=f"python tools/measure_images.py {name}",
    )
    write_row(RESULTS, row)


def plan_of(recipe: Recipe) -> Plan:
    """The recipe's evaluation."""
    s = recipe.evaluation
    return Plan(s.shots, s.ways or 5, s.query, s.episodes, s.tuning_tasks, s.seed)


def trained(name: str, recipe: Recipe, problem: Problem) -> nn.Module:
    """The recipe's network, meta-trained from scratch by an algorithm."""
    update = {"meta_batch": CASES} if ALGORITHMS[name].consumes == "cases" else {}
    recipe = recipe.model_copy(update={"training": recipe.training.model_copy(update=update)})
    found = train_one(NamedSettings(name=name), recipe, problem, console=CONSOLE)
    network: nn.Module = found.algorithm.network  # type: ignore[attr-defined]
    known = network.state_dict()
    network.load_state_dict({k: v for k, v in (found.params | found.state).items() if k in known})
    return network


def embedded(exam: Exam, network: nn.Module) -> Exam:
    """The exam with embeddings for pictures; the statistics of norms are those of each support set."""
    net = Functional(network)
    params, state = net.init()

    def through(tasks: Sequence[Task]) -> list[Task]:
        return [_embedded(net, params | state, task) for task in tasks]

    tuning, test = ({k: through(tasks) for k, tasks in side.items()} for side in (exam.tuning, exam.test))
    return Exam(tuning, test, exam.conditions)


def _embedded(net: Functional, tensors: Tensors, task: Task) -> Task:
    support, query = task
    mask = torch.cat([support.mask, torch.zeros_like(query.mask)])
    with torch.no_grad():
        x = net(tensors, torch.cat([support.x, query.x]), mask)
    return Task(support._replace(x=x[: len(support.x)]), query._replace(x=x[len(support.x) :]))


def heads(exam: Exam, name: str, on: str) -> list[Outcome]:
    """Prototypes and logistic regression on an exam's inputs, tuned on its validation tasks."""
    pairs = {
        "prototypes": ("Prototypes", NearestCentroid(), GRIDS["nearest_centroid"]),
        "logistic": ("Logistic regression", LogisticRegression(), PENALTIES),
    }
    return [
        sit(Contender(f"{name}-{head}", f"{title} on {on}", method, {}, {}, grid), exam)
        for head, (title, method, grid) in pairs.items()
    ]


def _gain(name: str, outcomes: Sequence[Outcome], learned: Sequence[str], shots: int, plan: Plan) -> None:
    """The network from scratch that meta-validation chose, against logistic regression on pixels."""
    by_name = {outcome.name: outcome for outcome in outcomes}
    chosen = recommend({k: {n: by_name[n].validation[k] for n in learned} for k in plan.shots})[shots]
    write(
        f"{name}-gain-{shots:02d}shot",
        f"{name}, {plan.ways}-way {shots}-shot, {by_name[chosen].title} from scratch (chosen on validation) "
        "against logistic regression on pixels, paired",
        "gain, points",
        difference(by_name[chosen].test[shots], by_name["pixels-logistic"].test[shots], "accuracy"),
        name,
        10.0 if (name, shots) == ("herlev", 5) else None,
    )


def scored(name: str, outcome: Outcome, shots: int, plan: Plan, job: str | None = None) -> None:
    """Writes the row of one method at one number of shots."""
    metric = "auroc" if plan.ways == 2 else "accuracy"
    write(
        f"{name}-{outcome.name}-{shots:02d}shot",
        f"{outcome.title}, {name}, {plan.ways}-way {shots}-shot, {plan.query} queries, inductive, unseen data set",
        "AUROC, %" if metric == "auroc" else "accuracy, %",
        outcome.test[shots].interval(metric),
        job or name,
        None,
    )


def write(id: str, what: str, metric: str, found: Interval, job: str, target: float | None) -> None:
    """Writes a row and says so."""
    command = f"python tools/measure_images.py {job}"
    row = interval_row(id, what, metric, found, command, scale=100, target=target)
    write_row(RESULTS, row)
    print(f"{row.id}: {row.value}", flush=True)
