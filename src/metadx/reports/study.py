"""The report of a study of one's own data: what was found, why each choice was made, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from metadx.durable import write_text
from metadx.evaluation.own import Part, StudyResult
from metadx.evaluation.result import EvaluationResult
from metadx.reports import pictures, reading, tables, words

_COLUMNS = ("auroc", "balanced_accuracy", "accuracy", "f1", "log_loss", "brier", "ece", "rmse", "mae", "mse")
_MOST_CONDITIONS = 40


class Figure(NamedTuple):
    """A picture with its caption, what it is over, and how to read it."""

    caption: str
    small: str
    svg: Markup


def write_study(result: StudyResult, path: Path) -> None:
    """Writes the report; at no moment does half a report stand at `path`."""
    write_text(path, render_study(result))


def render_study(result: StudyResult) -> str:
    """The report as HTML; the same result gives the same bytes."""
    environment = Environment(
        loader=PackageLoader("metadx.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    parts = [_part(part) for part in result.parts]
    return environment.get_template("study.html").render(s=result, parts=parts, topics=_topics(result))


def _topics(result: StudyResult) -> list[tuple[str, list[str]]]:
    """Choices by topic, in the order in which topics first came."""
    found: dict[str, list[str]] = {}
    for choice in result.choices:
        if choice.topic != "Audit":
            found.setdefault(choice.topic, []).append(choice.sentence)
    return list(found.items())


def _part(part: Part) -> dict[str, Any]:
    result = part.result
    shots = reading.shots(result)
    return {
        "p": part,
        "id": f"part-{part.name}",
        "figures": list(_figures(part)),
        "settings": tables.settings(result),
        "tables": [
            tables.score_table(result, metric) for metric in reading.metrics(result) if metric != "mse"
        ]
        if len(shots) > 1
        else [],
        "sheet": _sheet(part) if len(shots) == 1 else None,
        "meanings": [
            (words.metric_title(metric), words.meaning(metric)) for metric in reading.metrics(result)
        ],
        "regression": reading.is_regression(result),
        "conditions": dict(sorted(result.split.test.items(), key=lambda pair: -pair[1])),
    }


def _figures(part: Part) -> Iterator[Figure]:
    result = part.result
    shots = reading.shots(result)
    metric = part.metric
    title = words.metric_title(metric)
    several = len(shots) > 1
    if several:
        yield _figure(part, "curves", f"{title} with more labelled cases", pictures.curves(result))
    for shot in shots:
        heading = f", with {words.labelled(result, shot)}" if several else ""
        if not several:
            yield _figure(
                part,
                f"ranking-{shot}",
                f"{title} of each method{heading}",
                pictures.ranking(result, shot, metric),
            )
        apart = next((d.metric for d in result.differences if d.shots == shot), metric)
        apart = metric if any(d.metric == metric for d in result.differences) else apart
        if any(d.metric == apart and d.shots == shot for d in result.differences):
            against = reading.title(result, result.baseline.get(shot, ""))
            yield _figure(
                part,
                f"difference-{shot}",
                f"Better than {against[0].lower()}{against[1:]}?{heading}",
                pictures.differences(result, shot, apart),
                "the same patients for both; a hollow dot means that the interval includes no difference",
            )
    last = shots[-1]
    if result.conditions and len(pictures.conditions(result)) <= _MOST_CONDITIONS:
        yield _figure(
            part,
            f"sensitivity-{last}",
            "Of 100 cases of each condition, how many were recognised",
            pictures.sensitivity(result, last),
            "the recommended method, then the one it is compared with, in their colours",
        )
    if result.calibration:
        yield _figure(
            part,
            f"calibration-{last}",
            "Can its confidence be believed?",
            pictures.calibration(result, last),
            "on the diagonal, 80 % sure is right in 80 of 100 cases",
        )


def _figure(part: Part, name: str, caption: str, svg: str, small: str = "") -> Figure:
    """A picture whose ids are its part's own."""
    mine = svg.replace(name, f"{part.name}-{name}")
    return Figure(caption, f"{small}; {part.basis}" if small else part.basis, Markup(mine))


def _sheet(part: Part) -> tables.Table:
    """Every metric of every method at the one number of shots there is: methods down, metrics across."""
    result = part.result
    (shot,) = reading.shots(result)
    metrics = [metric for metric in _COLUMNS if metric in reading.metrics(result)]
    best = {metric: tables.winner(result, shot, metric) for metric in metrics}
    rows = tuple(
        (
            method.title,
            tuple(
                _cell(result, method.name, shot, metric)._replace(best=best[metric] == method.name)
                for metric in metrics
            ),
        )
        for method in result.methods
    )
    heads = tuple(
        words.metric_title(metric) + (f", {words.unit(metric)}" if words.unit(metric) else "")
        for metric in metrics
    )
    return tables.Table(f"Every figure, {part.basis}", ("Method", *heads), rows)


def _cell(result: EvaluationResult, method: str, shot: int, metric: str) -> tables.Cell:
    cell = tables.score_cell(result, method, shot, metric)
    return cell._replace(note="")
