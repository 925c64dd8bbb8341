"""`metadx train`: meta-trains what a recipe says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from metadx.cli.exits import MISTAKE
from metadx.errors import Interrupted, UserError

if TYPE_CHECKING:
    from metadx.training import Processes

EXAMPLES = """
[bold]Examples[/bold]

metadx train recipe.yaml --out runs/a

metadx train recipes/sinusoid.yaml --out runs/sine --quiet

metadx train recipe.yaml --out runs/cells --allow-unverified

metadx train --resume runs/a

torchrun --nproc-per-node 2 -m metadx train recipe.yaml --out runs/a
"""


def train(
    recipe: Annotated[
        Path | None, typer.Argument(help="A recipe: one YAML file that says data, algorithm and training.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder to write; must not exist yet.")] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="Go on with this run folder from its last checkpoint; it knows its recipe."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
    allow_unverified: Annotated[
        bool,
        typer.Option("--allow-unverified", help="Take a copy of a data set that is not the official one."),
    ] = False,
) -> None:
    """Meta-train what a recipe says, and keep the parameters that did best on meta-validation.

    Ctrl-C and SIGTERM end it after the step at hand. With --resume it goes on from there, or after a crash from its
    last checkpoint, and ends with the same bytes as if it had never been interrupted. Under torchrun, which starts
    the same command again after a failure, --out goes on with a run of this recipe that is not finished.
    """
    folder = out if resume is None else resume
    if folder is None or (out is not None and resume is not None):
        raise UserError("give --out FOLDER to begin a run, or --resume FOLDER to go on with one")
    if recipe is None and resume is None:
        raise UserError(f"give a recipe as well: metadx train RECIPE --out {out}")
    from metadx.studies import is_unfinished, read_recipe, resume_run, train_recipe
    from metadx.training import joined, launched

    console = Console(stderr=True, soft_wrap=True, highlight=False)
    bar = None if quiet else console
    wanted = None if recipe is None else read_recipe(recipe)
    if wanted is not None and allow_unverified:
        data = wanted.data.model_copy(update={"allow_unverified": True})
        wanted = wanted.model_copy(update={"data": data})
    with joined() as processes:
        if processes.rank > 0:
            _assist(processes)
            return
        if resume is not None or wanted is None or (launched() and is_unfinished(folder)):
            run = resume_run(folder, wanted, bar, processes)
        else:
            run = train_recipe(wanted, folder, bar, processes)
    score = run.summary["validation"]
    best = "no meta-validation score" if score is None else f"meta-validation {score:.3f}"
    held = run.summary["split"]["validation"]
    few, what = len(held), "conditions" if run.recipe.groups is None else "groups"
    if run.recipe.patients is not None:
        few, what = sum(held.values()), "patients"
    where = f" on {few} {what}, which chose it; no estimate of how it does elsewhere" if few else ""
    console.print(f"Wrote {folder}: best at step {run.summary['step']}, {best}{where}.", markup=False)
    console.print(f"Next: [bold]metadx evaluate {escape(str(folder))}[/]")


def _assist(processes: Processes) -> None:
    """Trains along with the first process, and leaves it to that one to speak of what stopped both."""
    from metadx.studies import assist

    try:
        if not assist(processes):
            raise typer.Exit(MISTAKE)
    except Interrupted as asked:
        raise typer.Exit(128 + asked.signal) from None
