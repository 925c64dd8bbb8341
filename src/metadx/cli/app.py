"""The `metadx` command: mounts one thin file per command.

The commands import what they run when they run, so that `metadx --help` need not wait for PyTorch.
"""

from __future__ import annotations

import typer

from metadx import __version__
from metadx.cli import adapt, audit, compare, data, demo, diagnose, evaluate, plan, report, study, train, tune
from metadx.cli.exits import Commands, run_program

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Learn to diagnose from a handful of labelled cases, and say honestly how far to trust it.",
    epilog=(
        "Examples: [bold]metadx demo[/bold] · metadx study patients.csv · metadx data list · metadx train "
        "recipe.yaml --out runs/a"
    ),
)
app.command("demo", epilog=demo.EXAMPLES)(demo.demo)
app.command("study", epilog=study.EXAMPLES)(study.study)
app.add_typer(data.app, name="data")
app.command("audit", epilog=audit.EXAMPLES)(audit.audit)
app.command("train", epilog=train.EXAMPLES)(train.train)
app.command("tune", epilog=tune.EXAMPLES)(tune.tune)
app.command("evaluate", epilog=evaluate.EXAMPLES)(evaluate.evaluate)
app.command("compare", epilog=compare.EXAMPLES)(compare.compare)
app.command("adapt", epilog=adapt.EXAMPLES)(adapt.adapt)
app.command("diagnose", epilog=diagnose.EXAMPLES)(diagnose.diagnose)
app.command("plan", epilog=plan.EXAMPLES)(plan.plan)
app.command("report", epilog=report.EXAMPLES)(report.report)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"metadx {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Options of every command."""


def main() -> None:
    """Runs the command that the arguments name."""
    run_program(app)
