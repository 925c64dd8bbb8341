"""Measures the recipes of pictures: `python tools/measure_images.py [protonet] [maml] [herlev] ...`."""

from __future__ import annotations

import dataclasses
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from torch import nn

from metadx.algorithms import (
    ALGORITHMS,
    TITLES,
    Algorithm,
    LogisticRegression,
    ProtoNet,
    as_predictor,
    build_algorithm,
)
from metadx.evaluation import Interval, difference, evaluate
from metadx.learners import Functional, NamedSettings, Tensors
from metadx.studies import (
    Contender,
    Exam,
    Outcome,
    Plan,
    Problem,
    Recipe,
    Run,
    build_problem,
    draw_exam,
    read_recipe,
    recommend,
    sit,
    train_recipe,
)
from metadx.studies.contenders import GRIDS
from metadx.studies.results import Row, interval_row, write_row
from metadx.studies.study import contender, train_one, untrained
from metadx.tasks import Shape, Task

ROOT = Path(__file__).resolve().parent.parent
RESULTS, RECIPES = ROOT / "results", ROOT / "recipes"
CONSOLE = Console(stderr=True)
ALPHABETS = "unseen alphabets and drawers"
PUBLISHED = {  # accuracy of the papers, whose splits are random characters, with drawers in common
    ("protonet", 5, 1): "98.8",
    ("protonet", 5, 5): "99.7",
    ("protonet", 20, 1): "96.0",
    ("protonet", 20, 5): "98.9",
    ("maml", 5, 1): "98.7±0.4",
    ("fomaml", 5, 1): "98.3±0.5",
    ("reptile", 5, 1): "95.39±0.09",
}
_CASES = 64
TITLES_OF = {"prototypes": "Prototypes", "probe": "Logistic regression"}
FULL = ("maml", "fomaml", "anil", "reptile", "protonet")


def protonet() -> None:
    """Prototypical network on Omniglot: inductive, 15 query cases per character, 600 episodes."""
    run, problem, built = _train("omniglot-protonet", target=1200)
    for ways, shots, target in ((5, 1, 97.0), (5, 5, None), (20, 1, 90.0), (20, 5, None)):
        _omniglot("protonet", run, problem, built, ways, shots, 15, target)


def by_gradient(name: str, transductive: float | None = None, inductive: float | None = None) -> None:
    """MAML and its kin on Omniglot: as published (transductive, one query per character), and one case at a time.

    Args:
        transductive, inductive: targets.
    """
    run, problem, built = _train(f"omniglot-{name}", target=2400)
    if built.transductive:
        _omniglot(name, run, problem, built, 5, 1, 1, transductive)
        built = dataclasses.replace(built, transductive=False)  # type: ignore[type-var]
    _omniglot(name, run, problem, built, 5, 1, 15, inductive)


def _train(name: str, target: float) -> tuple[Run, Problem, Algorithm]:
    recipe = read_recipe(RECIPES / f"{name}.yaml")
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        run = train_recipe(recipe, Path(folder) / "run", CONSOLE)
        seconds = time.process_time() - began
    row = Row(
        id=f"{name}-seconds",
        what=f"recipes/{name}.yaml, training, processor time of all cores",
        metric="core-seconds",
        value=seconds,
        n=1,
        target=target,
        better="lower",
        command=f"python tools/measure_images.py {name.removeprefix('omniglot-')}",
    )
    write_row(RESULTS, row)
    problem = build_problem(recipe)
    built = build_algorithm(recipe.algorithm, recipe.learner, problem.dimensions, recipe.training.seed)
    return run, problem, built


def _omniglot(
    name: str,
    run: Run,
    problem: Problem,
    built: Algorithm,
    ways: int,
    shots: int,
    query: int,
    target: float | None,
) -> None:
    tasks = problem.splits.test.tasks(600, Shape(ways=ways, shots=shots, query=query), 1)
    scores = evaluate(as_predictor(built, run.params, run.state), tasks)
    mode = "transductive" if built.transductive else "inductive"
    published = PUBLISHED.get((name, ways, shots))
    beside = f"; published {published}" if published else ""
    _write(
        f"omniglot-{name}-{ways:02d}way-{shots:02d}shot-{mode}",
        f"{run.recipe.title}, {ways}-way {shots}-shot, {query} queries, {mode}, {ALPHABETS}{beside}",
        "accuracy, %",
        scores.interval("accuracy"),
        name,
        target,
    )


def full() -> None:
    """Rows for the full published recipes, which need an accelerator."""
    for name in FULL:
        row = Row(
            id=f"omniglot-full-{name}",
            what=f"recipes/full/omniglot-{name}.yaml, as published, 5-way 1-shot",
            metric="accuracy, %",
            value=None,
            n=0,
            command=f"metadx train recipes/full/omniglot-{name}.yaml --out runs/{name}",
            why="days on two cores, and no accelerator was at hand",
        )
        write_row(RESULTS, row)


def held_out(name: str) -> None:
    """A data set after meta-training on others: every method on the same episodes."""
    recipe = read_recipe(RECIPES / f"{name}.yaml")
    settings = recipe.evaluation
    ways = settings.ways or 5
    plan = Plan(settings.shots, ways, settings.query, settings.episodes, settings.tuning_tasks, settings.seed)
    pixels = build_problem(recipe)
    exam = draw_exam(pixels, plan)
    simple = [untrained(baseline, recipe, pixels) for baseline in ("logistic_regression", "nearest_centroid")]
    outcomes = _on_backbone(recipe, plan) + [sit(who, exam) for who in simple]
    began = time.process_time()
    prototypes = _trained("protonet", recipe, pixels)
    seconds = time.process_time() - began
    learned = _on_embedding(prototypes, exam) + _on_embedding(_trained("linear_probe", recipe, pixels), exam)
    outcomes = learned + outcomes
    for shots in plan.shots:
        for outcome in outcomes:
            _scored(name, outcome, shots, plan)
        _gain(name, outcomes, [outcome.name for outcome in learned], shots, plan)
    row = Row(
        id=f"{name}-seconds",
        what=f"recipes/{name}.yaml, training, processor time of all cores",
        metric="core-seconds",
        value=seconds,
        n=1,
        target=1200,
        better="lower",
        command=f"python tools/measure_images.py {name}",
    )
    write_row(RESULTS, row)


def _gain(name: str, outcomes: Sequence[Outcome], learned: Sequence[str], shots: int, plan: Plan) -> None:
    """The network from scratch that meta-validation chose, against logistic regression on pixels."""
    scores = {o.name: o.test[shots] for o in outcomes}
    title = {o.name: o.title for o in outcomes}
    tried = {k: {o.name: o.validation[k] for o in outcomes} for k in plan.shots}
    chosen = recommend({k: {n: v for n, v in tried[k].items() if n in learned} for k in plan.shots})[shots]
    _write(
        f"{name}-gain-{shots:02d}shot",
        f"{name}, {plan.ways}-way {shots}-shot, {title[chosen]} from scratch (chosen on validation) against "
        "logistic regression on pixels, paired",
        "gain, points",
        difference(scores[chosen], scores["logistic_regression"], "accuracy"),
        name,
        10.0 if (name, shots) == ("herlev", 5) else None,
    )


def _trained(name: str, recipe: Recipe, problem: Problem) -> Contender:
    if ALGORITHMS[name].consumes == "cases":  # a batch of four is one of tasks; of cases it takes more
        training = recipe.training.model_copy(update={"meta_batch": _CASES})
        recipe = recipe.model_copy(update={"training": training})
    trained = train_one(NamedSettings(name=name), recipe, problem, console=CONSOLE)
    return contender(name, trained.algorithm, trained.params, trained.state)


def _on_embedding(made: Contender, exam: Exam) -> list[Outcome]:
    """Prototypes and logistic regression on the embedding of a trained network; every task is embedded once."""
    net = Functional(made.algorithm.network)  # type: ignore[attr-defined]
    tensors = made.params | made.state
    whose = "the prototypical network" if made.name == "protonet" else "a network trained to classify"

    def embedded(tasks: dict[int, list[Task]]) -> dict[int, list[Task]]:
        return {k: [_embed(net, tensors, task) for task in those] for k, those in tasks.items()}

    own = Exam(embedded(exam.tuning), embedded(exam.test), exam.conditions)
    heads = {
        "prototypes": (ProtoNet(nn.Identity()), ({},)),
        "probe": (LogisticRegression(), GRIDS["logistic_regression"]),
    }
    return [
        sit(Contender(f"{made.name}-{head}", f"{TITLES_OF[head]} on {whose}", method, {}, {}, grid), own)
        for head, (method, grid) in heads.items()
    ]


def _embed(net: Functional, tensors: Tensors, task: Task) -> Task:
    """The task with embeddings for pictures; batch statistics are those of its support set."""
    support, query = task
    mask = torch.cat([support.mask, torch.zeros_like(query.mask)])
    with torch.no_grad():
        x = net(tensors, torch.cat([support.x, query.x]), mask)
    return Task(support._replace(x=x[: len(support.x)]), query._replace(x=x[len(support.x) :]))


def _on_backbone(recipe: Recipe, plan: Plan) -> list[Outcome]:
    """The simple thing on a frozen ImageNet network: the same episodes, embedded."""
    data = recipe.data.model_copy(update={"backbone": "efficientnet-lite0", "size": 128, "augment": ()})
    embedded = recipe.model_copy(update={"data": data, "learner": NamedSettings(name="mlp")})
    problem = build_problem(embedded)
    exam = draw_exam(problem, plan)
    return [
        sit(
            dataclasses.replace(
                untrained(name, embedded, problem),
                name=f"{name}-backbone",
                title=f"{TITLES[name]} on a frozen ImageNet network",
            ),
            exam,
        )
        for name in ("nearest_centroid", "logistic_regression")
    ]


def _scored(name: str, outcome: Outcome, shots: int, plan: Plan) -> None:
    metric = "auroc" if plan.ways == 2 else "accuracy"
    _write(
        f"{name}-{outcome.name}-{shots:02d}shot",
        f"{outcome.title} on {name}, {plan.ways}-way {shots}-shot, {plan.query} queries, inductive, "
        "unseen data set",
        "AUROC, %" if metric == "auroc" else "accuracy, %",
        outcome.test[shots].interval(metric),
        name,
        None,
    )


def _write(id: str, what: str, metric: str, found: Interval, job: str, target: float | None) -> None:
    command = f"python tools/measure_images.py {job}"
    row = interval_row(id, what, metric, found, command, scale=100, target=target)
    write_row(RESULTS, row)
    print(f"{row.id}: {row.value}", flush=True)


HELD_OUT = ("herlev", "red-cells", "pneumonia")
JOBS: dict[str, Callable[[], None]] = {
    "protonet": protonet,
    "maml": partial(by_gradient, "maml", 95.0, 91.0),
    **{name: partial(by_gradient, name) for name in ("fomaml", "anil", "reptile")},
    **{name: partial(held_out, name) for name in HELD_OUT},
    "full": full,
}


def main(names: Sequence[str]) -> None:
    """Runs the jobs named, or all of them."""
    for name in names or JOBS:
        JOBS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
