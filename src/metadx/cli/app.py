"""The `metadx` command: mounts one thin file per command."""

from __future__ import annotations

import sys

import click
import typer
from rich.console import Console

from metadx import __version__
from metadx.cli import data, demo, evaluate, report, train
from metadx.errors import UserError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Learn to diagnose from a handful of labelled cases, and say honestly how far to trust it.",
    epilog="Start with: [bold]metadx demo[/bold]",
)
app.command("demo", epilog=demo.EXAMPLES)(demo.demo)
app.add_typer(data.app, name="data")
app.command("train", epilog=train.EXAMPLES)(train.train)
app.command("evaluate", epilog=evaluate.EXAMPLES)(evaluate.evaluate)
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
    """Runs the command; the user's mistakes end with one clear line and exit code 2."""
    stderr = Console(stderr=True, soft_wrap=True, highlight=False)
    try:
        app(standalone_mode=False)
    except UserError as error:
        stderr.print(f"[bold red]metadx:[/] {click.unstyle(str(error))}", markup=True)
        sys.exit(2)
    except click.exceptions.Abort:
        stderr.print("metadx: stopped")
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
