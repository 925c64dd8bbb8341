"""`metadx demo`: the whole path on the thyroid patients that come with metadx."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from metadx.cli.output import check_folder, print_result, save_result
from metadx.cli.progress import methods_bar

EXAMPLES = """
[bold]Examples[/bold]

metadx demo

metadx demo --seed 1 --out demo-report
"""


def demo(
    out: Annotated[Path, typer.Option(help="Folder for report.html and evaluation.json.")] = Path(
        "demo-report"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Which diagnoses are held out.")] = 0,
    episodes: Annotated[
        int, typer.Option(min=1, help="Episodes for each number of labelled patients.")
    ] = 300,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes at a time; as many as there are cores.")
    ] = None,
) -> None:
    """Meta-train on some thyroid diagnoses, then tell apart diagnoses never seen, from 1 to 20 patients each."""
    check_folder(out)
    from metadx.studies import DEMO_METHODS, run_demo

    console = Console(stderr=True)
    console.print(
        "9,172 thyroid patients, 32 diagnoses; some are held out and learned from a few patients each."
    )
    with methods_bar(console, len(DEMO_METHODS)) as watch:
        result = run_demo(seed, episodes, watch=watch, workers=workers)
    report = save_result(result, out)
    print_result(result, Console())
    where = escape(str(report.resolve()))
    console.print(f"\nThe report, with pictures: [bold]{where}[/]", highlight=False, soft_wrap=True)
