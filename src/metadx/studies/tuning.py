"""A search for the settings of a recipe that do best on meta-validation; meta-test is never looked at."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from metadx.algorithms import build_algorithm
from metadx.durable import write_durably, write_text
from metadx.errors import Interrupted, UserError
from metadx.studies.build import build_problem
from metadx.studies.journal import FILE, Journal, Trial, as_plain
from metadx.studies.lock import LOCK, only_process
from metadx.studies.problem import Problem
from metadx.studies.recipe import Recipe
from metadx.studies.recipe_file import differences, parse_recipe
from metadx.studies.runs import RECIPE, fingerprints, read_stored, save_recipe
from metadx.studies.space import Space, changed, present_values, space_of
from metadx.studies.study import train_one
from metadx.training import Diverged, OutOfMemory, Record, stop_signals
from metadx.training.checkpointer import Asked

TABLE, BEST = "trials.csv", "best.yaml"
Watch = Callable[[Sequence[Trial], Record], None]
"""Called after every step with the trials that have ended and a record of the one at hand."""


class TunedRecipe(NamedTuple):
    """What a search found: its trials, and the best of them."""

    trials: list[Trial]
    best: Trial


class _Pruned(Exception):
    """Others did better as early."""


def tune_recipe(
    recipe: Recipe, folder: Path, trials: int, seconds: float | None = None, watch: Watch | None = None
) -> TunedRecipe:
    """Searches a recipe's space into a new folder: the study, a table of its trials, and the best recipe.

    The first trial is the recipe as it is. Every other is proposed from the recipe's seed and the trials before it,
    so that a search that was interrupted goes on as if it had not been.

    Args:
        recipe: what to tune.
        folder: must not exist yet.
        trials: how many.
        seconds: after which no further trial begins.

    Raises:
        UserError: Optuna is missing, the folder or the space cannot be used, or no trial came to a score.
        Interrupted: a signal asked for a stop; `resume_tuning` goes on.
    """
    if folder.exists() and not (folder.is_dir() and {p.name for p in folder.iterdir()} <= {LOCK}):
        ahead = (
            f"Go on with `metadx tune --resume {folder}`, or choose"
            if (folder / FILE).is_file()
            else "Choose"
        )
        raise UserError(f"{folder}: already exists. {ahead} another --out.")
    problem = _checked(recipe)
    folder.mkdir(parents=True, exist_ok=True)
    with only_process(folder):
        save_recipe(folder, recipe)
        return _search(recipe, problem, folder, trials, seconds, watch)


def resume_tuning(
    folder: Path,
    recipe: Recipe | None,
    trials: int,
    seconds: float | None = None,
    watch: Watch | None = None,
) -> TunedRecipe:
    """Goes on with a search, or adds trials to one that is finished; see `tune_recipe`.

    Args:
        recipe: what the search is meant to tune; None takes what its folder says.
        trials: of the whole search, those of earlier sessions included.

    Raises:
        UserError: there is no search, or its recipe or data are not what they were.
    """
    if not (folder / FILE).is_file() or not (folder / RECIPE).is_file():
        raise UserError(f"{folder}: no search to resume. Begin one with `metadx tune RECIPE --out {folder}`.")
    with only_process(folder):
        stored = read_stored(folder)
        if recipe is not None:
            _refuse_change(folder, stored.model_dump(mode="json"), recipe.model_dump(mode="json"))
        return _search(stored, _checked(stored), folder, trials, seconds, watch)


def _checked(recipe: Recipe) -> Problem:
    """The problem, once everything in the space has proved to be a setting that can be built."""
    space = space_of(recipe)
    for name, span in space.items():
        for value in span.ends:
            parse_recipe(changed(recipe, {name: value}), "tune.space")
    problem = build_problem(recipe)
    for name, span in space.items():
        for value in span.ends:
            tried = parse_recipe(changed(recipe, {name: value}), "tune.space")
            build_algorithm(tried.algorithm, tried.learner, problem.dimensions)
    return problem


def _search(
    recipe: Recipe, problem: Problem, folder: Path, trials: int, seconds: float | None, watch: Watch | None
) -> TunedRecipe:
    space = space_of(recipe)
    origin = as_plain({"recipe": recipe.model_dump(mode="json"), "fingerprints": fingerprints(problem)})
    journal = Journal(folder, origin, space, recipe.training.seed, present_values(recipe, space))
    _refuse_change(folder, journal.origin["recipe"], origin["recipe"])
    if journal.origin["fingerprints"] != origin["fingerprints"]:
        raise UserError(
            f"{folder}: the cases are no longer those of the search: {problem.data.name} has changed since. Put "
            "back what it was, or search again into another folder."
        )
    begun = time.monotonic()
    try:
        with stop_signals() as asked:
            while len(journal.trials()) < trials and (
                seconds is None or not journal.trials() or time.monotonic() - begun < seconds
            ):
                _try(journal, recipe, problem, folder, asked, watch)
    finally:
        found = journal.trials()
        write_text(folder / TABLE, _table(found, space))
        best = max((t for t in found if t.outcome == "complete"), key=lambda t: t.score, default=None)
        if best is not None:
            content = changed(recipe, best.values)
            write_durably(folder / BEST, yaml.safe_dump(content, sort_keys=False).encode())
    if best is None:
        raise UserError(
            f"{folder}: none of {len(found)} trials came to a score. The last one: {found[-1].why}"
        )
    return TunedRecipe(found, best)


def _try(
    journal: Journal, recipe: Recipe, problem: Problem, folder: Path, asked: Asked, watch: Watch | None
) -> None:
    """Trains one proposal, and keeps what came of it."""
    before = journal.trials()
    trial = journal.propose()

    def listen(record: Record) -> None:
        number = asked()
        if number is not None:
            raise Interrupted(
                f"stopped in trial {len(before) + 1}, which will begin again. Go on with `metadx tune --resume "
                f"{folder}`.",
                number,
            )
        if watch is not None:
            watch(before, record)
        if math.isfinite(record.get("validation", math.nan)):
            trial.report(record["validation"], int(record["step"]))
            if trial.should_prune():
                raise _Pruned

    try:
        tried = parse_recipe(changed(recipe, trial.params), "tune.space")
        trained = train_one(tried.algorithm, tried, problem, listeners=[listen])
        if not math.isfinite(trained.score):
            raise Diverged("the meta-validation score is not finite")
    except _Pruned:
        journal.prune(trial)
    except (UserError, OutOfMemory) as error:
        journal.fail(trial, str(error))
    else:
        journal.complete(trial, trained.score)


def _table(trials: Sequence[Trial], space: Space) -> str:
    """The trials as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "outcome", "score", *space, "why"])
    for trial in trials:
        score = f"{trial.score:.6g}" if math.isfinite(trial.score) else ""
        writer.writerow(
            [trial.number, trial.outcome, score, *(trial.values[name] for name in space), trial.why]
        )
    return text.getvalue()


def _refuse_change(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    other = [f"{name} was {was!r}, is {value!r}" for name, was, value in differences(before, now)]
    if other:
        raise UserError(
            f"{folder}: the search is of another recipe: {'; '.join(other)}. Go on with `metadx tune --resume "
            f"{folder}`, or tune the new recipe into another folder."
        )
