"""How commands print an evaluation."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from metadx.evaluation import EvaluationResult

_METRICS = ("accuracy", "mse")


def print_result(result: EvaluationResult, console: Console) -> None:
    """The findings in sentences, and one table of all methods."""
    metric = next(m for m in _METRICS if any(s.metric == m for s in result.scores))
    p = result.protocol
    unit = "% right" if metric == "accuracy" else "mean squared error"
    table = Table(
        title=f"{result.title}: {unit}, 95 % interval",
        caption=f"{p.ways} ways, up to {p.query} query cases each, {p.episodes} episodes, {p.mode}, {p.hardware}",
    )
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
        table.add_row(method.title, *cells)
    console.print(table)
    for sentence in result.summary:
        console.print(f"• {sentence}", highlight=False)


def _cell(value: float | None, high: float | None, metric: str) -> str:
    if value is None:
        return "–"
    scale, digits = (100, 1) if metric == "accuracy" else (1, 3)
    half = "" if high is None else f" ± {(high - value) * scale:.{digits}f}"
    return f"{value * scale:.{digits}f}{half}"
