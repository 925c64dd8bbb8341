"""How commands keep and print an evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from metadx.durable import write_text
from metadx.errors import UserError

if TYPE_CHECKING:
    from metadx.evaluation import EvaluationResult

_METRICS = ("accuracy", "mse")


def check_folder(path: Path) -> None:
    """Refuses, before any work is done, a path that cannot become a folder.

    Raises:
        UserError: a file is in the way.
    """
    blocked = next((p for p in (path, *path.parents) if p.exists() and not p.is_dir()), None)
    if blocked is not None:
        raise UserError(f"{blocked}: is a file, not a folder. Choose another --out.")


def save_result(result: EvaluationResult, folder: Path) -> Path:
    """Writes evaluation.json and report.html, neither of which is ever half-written; gives the report's path."""
    from metadx.reports import write_report

    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "evaluation.json", result.model_dump_json(indent=2) + "\n")
    write_report(result, folder / "report.html")
    return folder / "report.html"


def print_result(result: EvaluationResult, console: Console) -> None:
    """The findings in sentences, and one table of all methods."""
    metric = next(m for m in _METRICS if any(s.metric == m for s in result.scores))
    p = result.protocol
    unit = "% right" if metric == "accuracy" else "mean squared error"
    ways = (
        f"{p.ways} ways, up to {p.query} query cases each"
        if metric == "accuracy"
        else f"{p.query} query cases"
    )
    table = Table(title=escape(f"{result.title}: {unit}, 95 % interval"))
    table.add_column("method")
    for shots in result.shots:
        table.add_column(f"{shots} {'case' if shots == 1 else 'cases'}", justify="right")
    for method in result.methods:
        cells = []
        for shots in result.shots:
            score = next(
                s for s in result.scores if (s.method, s.shots, s.metric) == (method.name, shots, metric)
            )
            text = _cell(score.value, score.high, metric)
            cells.append(f"[bold]{text}[/]" if result.recommended.get(shots) == method.name else text)
        table.add_row(escape(method.title), *cells)
    console.print(table)
    console.print(f"{ways}, {p.episodes} episodes, {p.mode}, {p.hardware}", highlight=False, markup=False)
    for sentence in result.summary:
        console.print(f"• {sentence}", highlight=False, markup=False)


def _cell(value: float | None, high: float | None, metric: str) -> str:
    if value is None:
        return "–"
    scale, digits = (100, 1) if metric == "accuracy" else (1, 3)
    half = "" if high is None else f" ± {(high - value) * scale:.{digits}f}"
    return f"{value * scale:.{digits}f}{half}"
