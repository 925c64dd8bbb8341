"""Scores of a run on the alphabets and drawers of Omniglot that it never saw."""

from __future__ import annotations

from metadx.algorithms import Algorithm, as_predictor
from metadx.evaluation import Interval, evaluate
from metadx.studies import Problem, Run
from metadx.tasks import Shape
from published import OMNIGLOT

EPISODES = 600
WHERE = "unseen alphabets and drawers"


def scored(
    name: str, run: Run, problem: Problem, built: Algorithm, ways: int, shots: int, query: int
) -> tuple[str, str, Interval]:
    """The end of a row's id, the row's words with the published figure beside them, and accuracy."""
    tasks = problem.splits.test.tasks(EPISODES, Shape(ways=ways, shots=shots, query=query), 1)
    scores = evaluate(as_predictor(built, run.params, run.state), tasks)
    mode = "transductive" if built.transductive else "inductive"
    published = OMNIGLOT.get((name, ways, shots))
    beside = f"; published {published}" if published else ""
    words = f"{run.recipe.title}, {ways}-way {shots}-shot, {query} queries, {mode}, {WHERE}{beside}"
    return f"{name}-{ways:02d}way-{shots:02d}shot-{mode}", words, scores.interval("accuracy")
