"""`metadx train`: meta-trains what a recipe says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

EXAMPLES = """
[bold]Examples[/bold]

metadx train recipe.yaml --out runs/a

metadx train recipes/sinusoid.yaml --out runs/sine --quiet

metadx train recipe.yaml --out runs/cells --allow-unverified
"""


def train(
    recipe: Annotated[
        Path, typer.Argument(help="A recipe: one YAML file that says data, algorithm and training.")
    ],
    out: Annotated[Path, typer.Option(help="The run folder to write; must not exist yet.")],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
    allow_unverified: Annotated[
        bool,
        typer.Option("--allow-unverified", help="Take a copy of a data set that is not the official one."),
    ] = False,
) -> None:
    """Meta-train what a recipe says, and keep the parameters that did best on meta-validation."""
    from metadx.studies import read_recipe, train_recipe

    console = Console(stderr=True, soft_wrap=True, highlight=False)
    wanted = read_recipe(recipe)
    if allow_unverified:
        data = wanted.data.model_copy(update={"allow_unverified": True})
        wanted = wanted.model_copy(update={"data": data})
    run = train_recipe(wanted, out, None if quiet else console)
    score = run.summary["validation"]
    best = "no meta-validation score" if score is None else f"meta-validation {score:.3f}"
    few = len(run.summary["split"]["validation"])
    where = f" on {few} conditions, which chose it; no estimate of how it does elsewhere" if few else ""
    console.print(f"Wrote {out}: best at step {run.summary['step']}, {best}{where}.", markup=False)
    console.print(f"Next: [bold]metadx evaluate {escape(str(out))}[/]")
