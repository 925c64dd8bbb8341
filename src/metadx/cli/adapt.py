"""`metadx adapt`: a run's model and a few labelled cases become a diagnoser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

EXAMPLES = """
[bold]Examples[/bold]

metadx adapt runs/a --support support.csv --out bundle

metadx adapt runs/cells --support folders-by-diagnosis --out bundle

metadx adapt runs/a --support support.csv --out bundle --no-support

metadx adapt runs/glucose --support my-first-days.csv --out bundle
"""


def adapt(
    run: Annotated[Path, typer.Argument(help="A run folder that `metadx train` wrote.")],
    support: Annotated[
        Path,
        typer.Option(
            help="Labelled cases: a CSV with a column 'label', or class folders of pictures or scans; for a run of "
            "values one patient's first values."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The bundle to write; must not exist yet.")],
    no_support: Annotated[
        bool, typer.Option("--no-support", help="Leave the labelled cases out of the bundle.")
    ] = False,
    units_checked: Annotated[
        bool, typer.Option("--units-checked", help="Take columns that look to be in another unit.")
    ] = False,
    task: Annotated[str | None, typer.Option(help="Which task of a MedIMeta folder.")] = None,
    label: Annotated[str | None, typer.Option(help="Which label, where a case has several.")] = None,
) -> None:
    """Adapt what was meta-learned to the conditions of a few labelled cases, and write it as a signed bundle.

    The bundle holds the labelled cases, unless --no-support leaves them out.
    """
    from metadx.cli.values import adapted_lines
    from metadx.diagnosis import Forecaster, own_fingerprint, read_content, save_bundle
    from metadx.studies import adapt_run, load_run

    diagnoser = adapt_run(load_run(run), support, units_checked=units_checked, task=task, label=label)
    save_bundle(diagnoser, out, support=not no_support)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if isinstance(diagnoser, Forecaster):
        for line in adapted_lines(diagnoser):
            console.print(line, markup=False)
    else:
        table = Table("condition", "labelled cases")
        for name, count in zip(diagnoser.classes_, diagnoser.counts_, strict=True):
            table.add_row(escape(str(name)), str(count))
        console.print(table)
    content, _ = read_content(out)
    for lost in content.lost:
        console.print(f"Without its labelled cases: {lost}.", markup=False)
    console.print(f"Wrote {out}, signed by your key {own_fingerprint()}.", markup=False)
    console.print(f"Next: [bold]metadx diagnose {escape(str(out))} PATIENTS.csv[/]")
