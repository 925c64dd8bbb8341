"""From the winner of a study to a signed bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from metadx.algorithms import TITLES, Dimensions, build_algorithm
from metadx.cases import Cases, Inputs, fit_transform
from metadx.diagnosis import About, Diagnoser, MetaModel, Spec, save_bundle
from metadx.evaluation import DataDescription, Part, Score
from metadx.learners import EfficientNetLite0, NamedSettings
from metadx.studies.contenders import Settings
from metadx.studies.own.crossval import choose
from metadx.studies.own.patients import Question
from metadx.studies.own.tasks import Course
from metadx.studies.recipe import Recipe
from metadx.studies.runner import resume_run, train_recipe

_USE = (
    "Decision support for research and for use that was validated locally. It predicts a value from a "
    "patient's own earlier "
    "cases; it gives no cause and no treatment."
)


def deliver(
    question: Question, part: Part, inner: int, out: Path, *, embed: bool, support: bool, source: str
) -> Diagnoser:
    """Fits the winner to all cases of the study, with settings chosen as they were in it, and writes the bundle.

    Args:
        part: the cross-validation that named the winner.
        inner: folds for choosing settings.
        embed: whether pictures are embedded by the frozen backbone.
        support: whether the bundle holds the cases.
        source: what the card calls the data.
    """
    (winner,) = part.result.recommended.values()
    sheet, cases = question.sheet, question.cases
    settings, _ = choose(sheet, np.arange(len(sheet.y)), winner, inner)
    diagnoser = fit_diagnoser(cases, winner, settings, part, embed=embed, source=source)
    save_bundle(diagnoser, out, support=support)
    return diagnoser


def fit_diagnoser(
    cases: Cases, method: str, settings: Settings, part: Part, *, embed: bool, source: str
) -> Diagnoser:
    """A diagnoser of one method, fitted to all cases."""
    transform = EfficientNetLite0(cases.x.shape[1:]) if embed else fit_transform(cases)
    spec = Spec(
        algorithm=NamedSettings(name=method, **settings),
        learner=NamedSettings(name="auto"),
        input_shape=transform.shape,
        outputs=len(cases.classes),
        classes=0,
        seed=0,
    )
    built = build_algorithm(
        spec.algorithm, spec.learner, Dimensions(spec.input_shape, spec.outputs, spec.classes), spec.seed
    )
    params, state = built.init(np.random.default_rng(0))
    about = About(
        title=f"{TITLES[method]} on {source}",
        notes=tuple(cases.provenance.notes),
        evaluation=tuple(figures(part)),
        unseen="patients",
    )
    inputs = Inputs(cases.modality, cases.features, transform)
    model = MetaModel(built, params, state, inputs, spec, about)
    labels = np.asarray(cases.classes)[cases.y]
    return Diagnoser(model).fit(cases.x, labels, _names(cases))


def figures(part: Part) -> list[str]:
    """The winner's figures in lines for the card."""
    (winner,) = part.result.recommended.values()
    found = {s.metric: s for s in part.result.scores if s.method == winner}
    lines = [
        f"AUROC {_figure(found['auroc'])} (1 is perfect, 0.5 is guessing)",
        f"balanced accuracy {_figure(found['balanced_accuracy'], 100)} %",
        f"calibration error {_figure(found['ece'])} (0 is perfect)",
    ]
    recall = [
        f"'{c.condition}': {c.right / c.total:.0%} recognised"
        for c in part.result.conditions
        if c.method == winner and c.total
    ]
    return [f"{part.basis}: {'; '.join(lines)}", "Of each condition: " + "; ".join(recall)]


def _figure(score: Score, scale: float = 1.0) -> str:
    digits = 1 if scale == 100 else 3
    if score.value is None:
        return "not known"
    value = f"{score.value * scale:.{digits}f}"
    if score.low is None or score.high is None:
        return value
    return f"{value} ({score.low * scale:.{digits}f} to {score.high * scale:.{digits}f})"


def _names(cases: Cases) -> list[str]:
    """What findings call the cases: their patients, or their pictures, numbered where one comes twice."""
    names = [
        str(n)
        for n in (cases.name if cases.name is not None and cases.modality == "image" else cases.patient)
    ]
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return out


def train_final(course: Course, winner: str, folder: Path) -> None:
    """Trains the winner on all but the smallest few of what tasks are about, into a run folder.

    A run that was interrupted goes on.
    """
    if (folder / "model.safetensors").is_file():
        return
    if (folder / "recipe.yaml").is_file():
        resume_run(folder)
        return
    first = course.recipes[0]
    algorithm = first.algorithm if first.algorithm.name == winner else NamedSettings(name=winner)
    recipe = first.model_copy(
        update={"algorithm": algorithm, "training": course.learned[winner], **_few_held_out(course, first)}
    )
    train_recipe(recipe, folder)


def _few_held_out(course: Course, first: Recipe) -> dict[str, Any]:
    """The recipe's parts that hold out no more than they must."""
    least = 2 if course.what == "conditions" else 1

    def fewer(named: Any) -> Any:
        return named.model_copy(update={"validation": named.validation[-least:], "test": named.test[-least:]})

    if first.groups is not None:
        return {"groups": fewer(first.groups)}
    if first.patients is not None:
        return {"patients": fewer(first.patients)}
    return {"data": first.data.model_copy(update={"split": fewer(first.data.split)})}


def run_card(part: Part, data: DataDescription) -> str:
    """The card of a model that predicts values, as Markdown."""
    result = part.result
    lines = [f"# {part.winner} on {data.name}", _USE, "## How it did on patients it had never seen"]
    unit = {"rmse": "root mean squared error", "mae": "mean absolute error"}
    for score in result.scores:
        if score.metric in unit and score.value is not None:
            title = next(m.title for m in result.methods if m.name == score.method)
            span = (
                "" if score.low is None or score.high is None else f" ({score.low:.3g} to {score.high:.3g})"
            )
            lines.append(
                f"- {title}, {score.shots} earlier cases: {unit[score.metric]} {score.value:.3g}{span}, "
                f"{score.n} patients"
            )
    lines += ["## Data", f"{data.cases:,} cases of {data.patients:,} patients; {data.licence}."]
    lines += [f"- {note}" for note in data.notes]
    return "\n\n".join(lines) + "\n"
