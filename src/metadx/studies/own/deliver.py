"""From the winner of a study to a signed bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from metadx.algorithms import TITLES, Dimensions, build_algorithm
from metadx.cases import Cases, Inputs, fit_transform
from metadx.diagnosis import About, Diagnoser, MetaModel, Spec, save_bundle
from metadx.evaluation import Part, Score
from metadx.learners import EfficientNetLite0, NamedSettings
from metadx.studies.contenders import Settings
from metadx.studies.own.crossval import choose
from metadx.studies.own.patients import Question


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
