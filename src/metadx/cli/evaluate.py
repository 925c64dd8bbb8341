"""`metadx evaluate`: scores a run on conditions it has never seen."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from metadx.cli.asked import asked
from metadx.cli.output import print_result, save_result
from metadx.cli.progress import evaluation_bar

EXAMPLES = """
[bold]Examples[/bold]

metadx evaluate runs/a

metadx evaluate runs/a --shots 1,5,10 --episodes 600 --json

metadx evaluate runs/a --baselines logistic_regression,boosted_trees,nearest_centroid
"""


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder that `metadx train` wrote.")],
    shots: Annotated[str | None, typer.Option(help="Labelled cases per condition, such as 1,5,10.")] = None,
    episodes: Annotated[int | None, typer.Option(help="Episodes for each number of shots.")] = None,
    ways: Annotated[int | None, typer.Option(help="Conditions per episode.")] = None,
    query: Annotated[int | None, typer.Option(help="Query cases per condition, at most.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the episodes.")] = None,
    baselines: Annotated[str | None, typer.Option(help="Baselines to put beside it; '' for none.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the whole result as JSON.")] = False,
) -> None:
    """Score a run beside its baselines, on the same episodes of conditions that it has never seen.

    Writes evaluation.json and report.html into the run folder.
    """
    from metadx.studies import evaluate_run, load_run

    loaded = load_run(run)
    settings, words = asked(
        loaded.recipe.evaluation,
        shots=shots,
        episodes=episodes,
        ways=ways,
        query=query,
        seed=seed,
        baselines=baselines,
    )
    with evaluation_bar(Console(stderr=True)) as progress:
        command = shlex.join(["metadx", "evaluate", str(run), *words])
        result = evaluate_run(loaded, settings, command=command, progress=progress)
    report = save_result(result, run)
    if json:
        print(result.model_dump_json(indent=2))
    else:
        print_result(result, Console())
        Console(stderr=True).print(
            f"Wrote {report} and {run / 'evaluation.json'}.", highlight=False, markup=False, soft_wrap=True
        )
