"""`metadx report`: makes the HTML report of an evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from metadx.errors import UserError

EXAMPLES = """
[bold]Examples[/bold]

metadx report runs/a

metadx report runs/a --out report.html
"""


def report(
    run: Annotated[Path, typer.Argument(help="A run folder that was evaluated, or an evaluation.json.")],
    out: Annotated[
        Path | None, typer.Option(help="The HTML file; report.html beside the evaluation.")
    ] = None,
) -> None:
    """Make a self-contained HTML report of an evaluation."""
    from pydantic import ValidationError

    from metadx.evaluation import EvaluationResult
    from metadx.reports import write_report

    source = run / "evaluation.json" if run.is_dir() else run
    if not source.is_file():
        raise UserError(f"{source}: no evaluation there. Make one with `metadx evaluate {run}`.")
    try:
        result = EvaluationResult.model_validate_json(source.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, ValidationError) as error:
        raise UserError(
            f"{source}: not an evaluation ({str(error).splitlines()[0]}). Evaluate again."
        ) from error
    target = out or source.with_name("report.html")
    write_report(result, target)
    Console(stderr=True).print(f"Wrote {target}.", highlight=False, markup=False, soft_wrap=True)
