"""`metadx plan`: how many more labelled cases would help."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from metadx.cli.asked import numbers
from metadx.cli.output import check_folder
from metadx.cli.progress import replay_bar
from metadx.durable import write_text

if TYPE_CHECKING:
    from metadx.evaluation import Expected, Forecast

EXAMPLES = """
[bold]Examples[/bold]

metadx plan runs/a --support support.csv

metadx plan runs/a --support support.csv --shots 10,20 --out plan

metadx plan runs/cells --support folders-by-diagnosis --json
"""


def plan(
    run: Annotated[Path, typer.Argument(help="A run folder that `metadx train` wrote.")],
    support: Annotated[
        Path, typer.Option(help="Labelled cases: a CSV with a column 'label', or class folders of pictures.")
    ],
    shots: Annotated[
        str | None, typer.Option(help="Labelled cases of each condition to ask about, such as 10,20,50.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for plan.html and plan.json.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the replays.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the forecast as JSON.")] = False,
    units_checked: Annotated[
        bool, typer.Option("--units-checked", help="Take columns that look to be in another unit.")
    ] = False,
) -> None:
    """Say how many more labelled cases of each condition would help, with an 80 % interval.

    Your cases are left out in turn; what that says of more cases is learned by replaying your situation on the
    conditions that the run knows.
    """
    wanted = None if shots is None else numbers(shots)
    if out is not None:
        check_folder(out)
    from metadx.studies import load_run, plan_run

    words = ["metadx", "plan", str(run), "--support", str(support), "--seed", str(seed)]
    words += [] if shots is None else ["--shots", shots]
    with replay_bar(Console(stderr=True)) as progress:
        forecast = plan_run(
            load_run(run),
            support,
            wanted,
            seed=seed,
            units_checked=units_checked,
            command=shlex.join(words),
            progress=progress,
        )
    if out is not None:
        from metadx.reports.plan import render_plan

        out.mkdir(parents=True, exist_ok=True)
        write_text(out / "plan.json", forecast.model_dump_json(indent=2) + "\n")
        write_text(out / "plan.html", render_plan(forecast))
    if json:
        print(forecast.model_dump_json(indent=2))
    else:
        _print(forecast, Console())
    if out is not None:
        said = f"Wrote {out / 'plan.html'} and {out / 'plan.json'}."
        Console(stderr=True).print(said, highlight=False, markup=False, soft_wrap=True)


def _print(forecast: Forecast, console: Console) -> None:
    if forecast.outlooks:
        console.print(_table(forecast))
    if forecast.measured is not None:
        console.print(
            f"Left out in turn, {100 * forecast.measured:.0f} % of your {forecast.scored} cases were diagnosed "
            "right, were all conditions equally common.",
            highlight=False,
        )
    for sentence in forecast.summary:
        console.print(f"• {sentence}", highlight=False, markup=False)
    for note in forecast.notes:
        console.print(f"  {note}", highlight=False, markup=False, style="dim")


def _table(forecast: Forecast) -> Table:
    table = Table(title="% of new cases diagnosed right, 80 % interval")
    table.add_column("condition")
    table.add_column("cases", justify="right")
    for outlook in forecast.outlooks:
        table.add_column(f"with {outlook.shots}" if outlook.shots else "at present", justify="right")
    for name, count in forecast.cases.items():
        table.add_row(escape(name), str(count), *(_cell(o.recall[name]) for o in forecast.outlooks))
    table.add_section()
    table.add_row("all, as if equally common", "", *(_cell(o.accuracy) for o in forecast.outlooks))
    return table


def _cell(found: Expected) -> str:
    return f"{100 * found.value:.0f} ({100 * found.low:.0f} to {100 * found.high:.0f})"
