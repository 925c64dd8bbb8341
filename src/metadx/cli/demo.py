"""`metadx demo`: the whole path on the thyroid patients that come with metadx."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from metadx.cli.output import print_result
from metadx.cli.progress import evaluation_bar
from metadx.reports import write_report
from metadx.studies import run_demo

EXAMPLES = """
[bold]Examples[/bold]

metadx demo

metadx demo --seed 1 --out demo-report
"""


def demo(
    out: Annotated[Path, typer.Option(help="Folder for report.html and evaluation.json.")] = Path(
        "demo-report"
    ),
    seed: Annotated[int, typer.Option(help="Which diagnoses are held out.")] = 0,
    episodes: Annotated[
        int, typer.Option(min=1, help="Episodes for each number of labelled patients.")
    ] = 300,
) -> None:
    """Meta-train on some thyroid diagnoses, then tell apart diagnoses never seen, from 1 to 20 patients each."""
    console = Console(stderr=True)
    console.print(
        "9,172 thyroid patients, 32 diagnoses; some are held out and learned from a few patients each."
    )
    result = run_demo(seed, episodes, console=console, bar=evaluation_bar)
    out.mkdir(parents=True, exist_ok=True)
    (out / "evaluation.json").write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
    write_report(result, out / "report.html")
    print_result(result, Console())
    console.print(f"\nThe report, with pictures: [bold]{(out / 'report.html').resolve()}[/]", highlight=False)
