"""`metadx compare`: scores several runs on the same episodes."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from metadx.cli.asked import asked
from metadx.cli.output import check_folder, print_result, save_result
from metadx.cli.progress import evaluation_bar

EXAMPLES = """
[bold]Examples[/bold]

metadx compare runs/a runs/b

metadx compare runs/a runs/b runs/c --out comparison --shots 1,5,10 --episodes 600

metadx compare runs/a runs/b --baselines logistic_regression,nearest_centroid --json
"""


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run folders with the same data and the same split.")],
    out: Annotated[Path, typer.Option(help="Folder for report.html and evaluation.json.")] = Path(
        "comparison"
    ),
    shots: Annotated[str | None, typer.Option(help="Labelled cases per condition, such as 1,5,10.")] = None,
    episodes: Annotated[int | None, typer.Option(help="Episodes for each number of shots.")] = None,
    ways: Annotated[int | None, typer.Option(help="Conditions per episode.")] = None,
    query: Annotated[int | None, typer.Option(help="Query cases per condition, at most.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the episodes.")] = None,
    baselines: Annotated[str | None, typer.Option(help="Baselines to put beside them; '' for none.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the whole result as JSON.")] = False,
) -> None:
    """Score runs beside each other and their baselines, on the same episodes of conditions that none has seen.

    The others are compared with the first run, and what its recipe says of the evaluation holds for all.
    """
    check_folder(out)
    from metadx.studies import compare_runs, load_run

    loaded = [load_run(run) for run in runs]
    settings, words = asked(
        loaded[0].recipe.evaluation,
        shots=shots,
        episodes=episodes,
        ways=ways,
        query=query,
        seed=seed,
        baselines=baselines,
    )
    with evaluation_bar(Console(stderr=True)) as progress:
        command = shlex.join(["metadx", "compare", *map(str, runs), *words])
        result = compare_runs(loaded, settings, command=command, progress=progress)
    report = save_result(result, out)
    if json:
        print(result.model_dump_json(indent=2))
    else:
        print_result(result, Console())
        said = f"Wrote {report} and {out / 'evaluation.json'}."
        Console(stderr=True).print(said, highlight=False, markup=False, soft_wrap=True)
