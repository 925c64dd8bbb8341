"""The report of an evaluation: one HTML file that needs nothing else, not even a network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from metadx.durable import write_text
from metadx.evaluation.result import EvaluationResult
from metadx.reports import pictures, reading, tables, words
from metadx.reports.glance import glances


def write_report(result: EvaluationResult, path: Path) -> None:
    """Writes the report; at no moment does half a report stand at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, render_report(result))


def render_report(result: EvaluationResult) -> str:
    """The report as HTML; the same result gives the same bytes."""
    environment = Environment(
        loader=PackageLoader("metadx.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("template.html").render(_content(result))


def _content(result: EvaluationResult) -> dict[str, Any]:
    metric = reading.main_metric(result)
    shots = reading.shots(result)
    metrics = reading.metrics(result)
    conditions = pictures.conditions(result)
    apart = [tables.difference_table(result, m) for m in metrics]
    return {
        "r": result,
        "regression": reading.is_regression(result),
        "metric": words.metric_title(metric),
        "meaning": words.meaning(metric),
        "unit": words.unit(metric),
        "better": words.better(metric),
        "glances": glances(result),
        "shots": [(shot, words.labelled(result, shot), reading.compared(result, shot)) for shot in shots],
        "title_of": lambda name: reading.title(result, name),
        "curves": _curves(result),
        "differences": _per_shot(pictures.differences, result, reading.against_baseline(result, metric)),
        "sensitivity": _per_shot(pictures.sensitivity, result, bool(conditions)),
        "calibration": _per_shot(pictures.calibration, result, bool(result.calibration)),
        "bins": lambda name, shot: pictures.bins_of(result, name, shot),
        "score_tables": [(tables.score_table(result, m), words.meaning(m)) for m in metrics],
        "difference_tables": [table for table in apart if table is not None],
        "pair_table": tables.pair_table(result, metric),
        "condition_tables": [tables.condition_table(result, k, conditions) for k in shots]
        if conditions
        else [],
        "settings": tables.settings(result),
    }


def _curves(result: EvaluationResult) -> list[tuple[str, Markup]]:
    """The first picture as (CSS class, SVG): wide and narrow, or one ranking where there is one number of shots."""
    if len(result.shots) < 2:
        return [("any", Markup(pictures.ranking(result, shot))) for shot in result.shots]
    return [
        ("wide", Markup(pictures.curves(result))),
        ("narrow", Markup(pictures.curves(result, narrow=True))),
    ]


def _per_shot(
    picture: Callable[[EvaluationResult, int], str], result: EvaluationResult, wanted: bool
) -> list[tuple[str, Markup]]:
    """A picture for every number of shots, as (heading, SVG); none where there is nothing to show."""
    if not wanted:
        return []
    return [(words.labelled(result, k), Markup(picture(result, k))) for k in reading.shots(result)]
