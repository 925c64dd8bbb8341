"""Trains what a recipe says into a run folder, and goes on with a run that was interrupted."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from metadx.durable import NO_ROOM, DiskFull, sync
from metadx.errors import UserError
from metadx.studies.assist import agreed, begin_together
from metadx.studies.build import build_problem
from metadx.studies.recipe import Recipe
from metadx.studies.recipe_file import differences
from metadx.studies.runs import METRICS, Run, fingerprints, load_run, read_stored, save_recipe, save_run
from metadx.studies.study import train_one
from metadx.studies.workfolder import new_folder, unfinished_folder
from metadx.training import (
    ALONE,
    Checkpoint,
    Checkpointer,
    Processes,
    has_checkpoint,
    metrics_file,
    read_checkpoint,
    refuse_idle,
    remove_checkpoints,
    stop_signals,
    tensorboard,
)


def train_recipe(
    recipe: Recipe, out: Path, console: Console | None = None, processes: Processes = ALONE
) -> Run:
    """Trains what a recipe says and writes the run folder `out`.

    Args:
        console: where the progress bar is drawn; None draws none.
        processes: those that train, of which this is the first; the others `assist`.

    Raises:
        UserError: `out` is taken, the data cannot be used, training diverged, or the disk is full.
        Interrupted: a signal asked for a stop; `resume_run` goes on.
    """
    with new_folder(out) as folder, _room(folder):
        save_recipe(folder, recipe)
        _train(recipe, folder, None, console, processes)
    return load_run(out)


def resume_run(
    folder: Path, recipe: Recipe | None = None, console: Console | None = None, processes: Processes = ALONE
) -> Run:
    """Goes on with a run from its last checkpoint; it ends as if it had never been interrupted.

    Args:
        recipe: what the run is meant to be; None takes what its folder says.
        console, processes: as for `train_recipe`; there may be more or fewer processes than before.

    Raises:
        UserError: there is no run to resume, or its recipe, its data or its checkpoints are not what they were.
        Interrupted: as for `train_recipe`.
    """
    with unfinished_folder(folder), _room(folder):
        stored = read_stored(folder)
        if recipe is not None:
            _refuse_change(folder, _plain(stored), _plain(recipe))
        start = read_checkpoint(folder)
        if start is not None:
            _refuse_change(folder, start.origin["recipe"], _plain(stored))
        if console is not None:
            where = f"after step {start.step}" if start else "from its beginning: it has no checkpoint yet"
            console.print(f"Going on with {folder} {where}.", markup=False)
        _train(stored, folder, start, console, processes)
    return load_run(folder)


def _train(
    recipe: Recipe, folder: Path, start: Checkpoint | None, console: Console | None, processes: Processes
) -> None:
    refuse_idle(processes, recipe.training.meta_batch)
    problem = build_problem(recipe)
    origin = {"recipe": _plain(recipe), "fingerprints": fingerprints(problem)}
    if start is not None and start.origin["fingerprints"] != origin["fingerprints"]:
        raise UserError(
            f"{folder}: the cases are no longer those of the checkpoint: {problem.data.name} has changed since. "
            "Put back what it was, or train again into another folder."
        )
    begin_together(processes, origin, start)
    done = start.step if start else 0
    before = done if has_begun(folder) else None
    with (
        stop_signals() as asked,
        metrics_file(folder / METRICS, done=done) as to_file,
        tensorboard(folder / "tensorboard", done=before) as to_board,
    ):
        keeper = Checkpointer(
            folder,
            recipe.training.checkpoint_every,
            start,
            origin=origin,
            asked=agreed(asked, processes),
            before=lambda: sync(folder / METRICS),
        )
        trained = train_one(
            recipe.algorithm,
            recipe,
            problem,
            console=console,
            listeners=[to_file, to_board],
            checkpoint=keeper,
            processes=processes,
        )
    save_run(folder, trained, problem)
    remove_checkpoints(folder)


def has_begun(folder: Path) -> bool:
    """Whether some process has trained in a run folder before."""
    return (folder / METRICS).exists()


@contextmanager
def _room(folder: Path) -> Iterator[None]:
    """Says of a full disk what is lost and how to go on."""
    try:
        yield
    except (DiskFull, OSError) as error:
        if isinstance(error, OSError) and error.errno not in NO_ROOM:
            raise
        what = (
            f"{folder}: the disk is full ({os.strerror(error.errno or 0)})"
            if isinstance(error, OSError)
            else error
        )
        ahead = (
            f"The last checkpoint is whole: make room, then `metadx train --resume {folder}`."
            if has_checkpoint(folder)
            else "There was no checkpoint yet: make room, then train again."
        )
        raise DiskFull(f"{what}. {ahead}") from error


def _plain(recipe: Recipe) -> dict[str, Any]:
    content: dict[str, Any] = recipe.model_dump(mode="json")
    return content


def _refuse_change(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    changed = [f"{name} was {was!r}, is {value!r}" for name, was, value in differences(before, now)]
    if changed:
        raise UserError(
            f"{folder}: the recipe is not the one that this run began with: {'; '.join(changed)}. Go on with "
            f"`metadx train --resume {folder}`, or train the new recipe into another folder."
        )
