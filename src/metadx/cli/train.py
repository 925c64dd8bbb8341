"""`metadx train`: meta-trains what a recipe says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from metadx.studies import read_recipe, train_recipe

EXAMPLES = """
[bold]Examples[/bold]

metadx train recipes/thyroid-maml.yaml --out runs/a

metadx train recipes/sinusoid.yaml --out runs/sine --quiet
"""


def train(
    recipe: Annotated[
        Path, typer.Argument(help="A recipe: one YAML file that says data, algorithm and training.")
    ],
    out: Annotated[Path, typer.Option(help="The run folder to write; must not exist yet.")],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Meta-train what a recipe says, and keep the parameters that did best on meta-validation."""
    console = Console(stderr=True)
    run = train_recipe(read_recipe(recipe), out, None if quiet else console)
    score = run.summary["validation"]
    console.print(
        f"Wrote {out}: best at step {run.summary['step']}, meta-validation {score:.3f}.", highlight=False
    )
    console.print(f"Next: [bold]metadx evaluate {out}[/]", highlight=False)
