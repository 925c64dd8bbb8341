"""`metadx study`: one's own data, in one command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from metadx.cli.progress import study_bar
from metadx.errors import UserError

EXAMPLES = """
[bold]Examples[/bold]

metadx study patients.csv

metadx study patients.csv --label outcome --patient mrn --out study-of-outcome

metadx study pictures/ --patient-pattern '^(p[0-9]+)_'

metadx study glucose/ --minutes 5

metadx study cells.h5ad --label cell_type --patient donor_id
"""


def study(
    data: Annotated[
        Path,
        typer.Argument(
            help="A table (CSV, ARFF, Parquet), class folders or a manifest of pictures, a folder of "
            "recordings or of "
            "glucose readings, a table of visits, expression (CSV, h5ad), or variants (VCF, a table)."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the report, the bundle and its card.")] = Path(
        "study"
    ),
    label: Annotated[
        str | None, typer.Option(help="The column of the diagnosis, or of the value to predict.")
    ] = None,
    patient: Annotated[str | None, typer.Option(help="The column that says whose each row is.")] = None,
    site: Annotated[str | None, typer.Option(help="The column that says where each case is from.")] = None,
    time: Annotated[
        str | None, typer.Option(help="The column that says when each case was observed.")
    ] = None,
    drop: Annotated[
        str, typer.Option(help="Columns to leave out, with commas between, such as what is known only later.")
    ] = "",
    patient_pattern: Annotated[
        str | None,
        typer.Option(help="Finds the patient in a picture's name: a regular expression with one group."),
    ] = None,
    size: Annotated[int | None, typer.Option(min=8, max=512, help="Side of pictures in pixels.")] = None,
    minutes: Annotated[float, typer.Option(min=0.1, help="How long it may take.")] = 10.0,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is random.")] = 0,
    no_support: Annotated[
        bool, typer.Option("--no-support", help="Leave the labelled cases out of the bundle.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes at a time; as many as there are cores.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the whole result as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """From a file or folder of your own to a report, a bundle and its model card.

    Finds out what the data are, audits them, compares methods by cross-validation over whole patients, and says
    in a sentence why each choice was made. Asks nothing and needs no network. A study that was stopped goes on
    when the same command is given again.
    """
    from metadx.studies import ColumnSettings, StudySettings, run_study

    if not data.exists():
        raise UserError(f"{data}: no such file or folder. Mend the path.")
    settings = StudySettings(
        data,
        ColumnSettings(
            label=label,
            patient=patient,
            site=site,
            time=time,
            drop=tuple(name.strip() for name in drop.split(",") if name.strip()),
        ),
        minutes=minutes,
        seed=seed,
        size=size,
        pattern=patient_pattern,
        support=not no_support,
        workers=workers,
    )
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with study_bar(console, quiet) as watch:
        result = run_study(
            settings,
            out,
            command=" ".join(["metadx", *sys.argv[1:]]),
            watch=watch,
            say=lambda topic, sentence: console.print(f"[bold]{escape(topic)}[/]  {escape(sentence)}"),
        )
    if json:
        typer.echo(result.model_dump_json(indent=2))
        return
    plain = Console(highlight=False, soft_wrap=True)
    plain.print()
    for sentence in result.lead:
        plain.print(f"• {sentence}", markup=False)
    table = Table("written", "what", title_justify="left")
    for file in result.written:
        table.add_row(escape(str(out / file.path)), escape(file.what))
    plain.print(table)
    plain.print(f"Read [bold]{escape(str((out / 'report.html').resolve()))}[/]")
