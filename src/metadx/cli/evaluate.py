"""`metadx evaluate`: scores a run on conditions it has never seen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from metadx.cli.output import print_result
from metadx.cli.progress import evaluation_bar
from metadx.errors import UserError
from metadx.reports import write_report
from metadx.studies import evaluate_run, load_run, parse_evaluation

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
    loaded = load_run(run)
    changes = {
        "shots": None if shots is None else _numbers(shots),
        "episodes": episodes,
        "ways": ways,
        "query": query,
        "seed": seed,
        "baselines": None if baselines is None else [name for name in baselines.split(",") if name],
    }
    settings = parse_evaluation(loaded.recipe.evaluation, {k: v for k, v in changes.items() if v is not None})
    command = (
        f"metadx evaluate {run} --shots {','.join(map(str, settings.shots))} --episodes {settings.episodes}"
    )
    with evaluation_bar(Console(stderr=True)) as progress:
        result = evaluate_run(loaded, settings, command=command, progress=progress)
    (run / "evaluation.json").write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
    write_report(result, run / "report.html")
    if json:
        print(result.model_dump_json(indent=2))
    else:
        print_result(result, Console())
        Console(stderr=True).print(
            f"Wrote {run / 'report.html'} and {run / 'evaluation.json'}.", highlight=False
        )


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"--shots {text!r}: give whole numbers with commas between, such as 1,5,10") from None
