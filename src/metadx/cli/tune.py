"""`metadx tune`: searches for settings that do better on meta-validation."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from metadx.cli.progress import tuning_bar
from metadx.errors import UserError

if TYPE_CHECKING:
    from metadx.studies import TunedRecipe

EXAMPLES = """
[bold]Examples[/bold]

metadx tune recipe.yaml --out tuned

metadx tune recipes/thyroid-maml.yaml --out tuned --trials 50 --time 3600

metadx tune --resume tuned --trials 100

metadx train tuned/best.yaml --out runs/best
"""
_SHOWN = 10


def tune(
    recipe: Annotated[
        Path | None, typer.Argument(help="A recipe; its section `tune` says what to search, or nothing does.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The folder to write; must not exist yet.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with the search in this folder.")] = None,
    trials: Annotated[
        int, typer.Option(min=1, help="Trials of the whole search, earlier ones included.")
    ] = 20,
    time: Annotated[
        float | None, typer.Option(min=0, help="Seconds after which no further trial begins.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Search for the settings of a recipe that do best on meta-validation, with Optuna.

    Without a section `tune` in the recipe it searches step sizes, inner steps and penalties around what the recipe
    says. Poor trials are given up early. Meta-test is never looked at. Ctrl-C stops it; --resume goes on.
    """
    folder = out if resume is None else resume
    if folder is None or (out is not None and resume is not None):
        raise UserError("give --out FOLDER to begin a search, or --resume FOLDER to go on with one")
    if recipe is None and resume is None:
        raise UserError(f"give a recipe as well: metadx tune RECIPE --out {out}")
    from metadx.studies import read_recipe, resume_tuning, tune_recipe

    console = Console(stderr=True, soft_wrap=True, highlight=False)
    wanted = None if recipe is None else read_recipe(recipe)
    with contextlib.nullcontext() if quiet else tuning_bar(console, trials) as watch:
        if resume is not None or wanted is None:
            found = resume_tuning(folder, wanted, trials, time, watch)
        else:
            found = tune_recipe(wanted, folder, trials, time, watch)
    _print(found)
    console.print(
        f"Wrote {folder}: best is trial {found.best.number} of {len(found.trials)}, meta-validation "
        f"{found.best.score:.3f}, which chose it; no estimate of how it does elsewhere.",
        markup=False,
    )
    console.print(f"Next: [bold]metadx train {escape(str(folder / 'best.yaml'))} --out RUN[/]")


def _print(found: TunedRecipe) -> None:
    """The best trials as a table."""
    table = Table(title="The best trials, by their meta-validation score")
    for name in ("trial", "score", *found.best.values):
        table.add_column(escape(name), justify="right")
    complete = [trial for trial in found.trials if trial.outcome == "complete"]
    for trial in sorted(complete, key=lambda t: -t.score)[:_SHOWN]:
        values = (f"{v:.4g}" if isinstance(v, float) else escape(str(v)) for v in trial.values.values())
        table.add_row(str(trial.number), f"{trial.score:.4f}", *values)
    Console().print(table)
