"""Which condition does a patient have? Baselines, cross-validated over whole patients, and over whole sites."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadx.algorithms import TITLES
from metadx.cases import Audit, Cases
from metadx.errors import UserError
from metadx.evaluation import (
    Chosen,
    DataDescription,
    EvaluationResult,
    Method,
    Part,
    Protocol,
    SplitDescription,
)
from metadx.learners import EfficientNetLite0
from metadx.studies.hardware import hardware
from metadx.studies.own.budget import Budget, most_cases
from metadx.studies.own.crossval import Answer, Fold, Sheet, answer, folds_of, site_folds
from metadx.studies.own.folds import linked_patients, people_of_each
from metadx.studies.own.journal import Journal
from metadx.studies.own.scoring import MAIN, pool, score_all
from metadx.studies.own.sheets import lay_out, read_laid
from metadx.studies.workers import side_by_side

Watch = Callable[[str, float, float], None]
"""Called with what is being done, how much of it is done, and of how much."""

FEWEST_PEOPLE = 3
_EMBEDDED_WIDTH = 1280


@dataclass(frozen=True)
class Question:
    """Cases that can be cross-validated, and what was decided to make them so."""

    cases: Cases
    sheet: Sheet
    choices: tuple[Chosen, ...]


def pose(cases: Cases, audit: Audit, seed: int, embed: bool) -> Question:
    """The cases whose conditions have enough patients, as a sheet; no more of them than a study can use.

    Args:
        embed: whether pictures are embedded by the frozen backbone.
    """
    choices = []
    person = linked_patients(cases, audit)
    copies = len(np.unique(cases.patient)) - len(np.unique(person))
    if copies:
        choices.append(
            Chosen(
                topic="Copies",
                sentence=f"{copies:,} patients are copies of others, as far as the audit can tell: they stay "
                "on one side of "
                "every split with whom they copy.",
            )
        )
    most = most_cases(_EMBEDDED_WIDTH if embed else int(np.prod(cases.x.shape[1:])))
    if len(cases) > most:
        drawn = _drawn(person, most, seed)
        choices.append(
            Chosen(
                topic="Budget",
                sentence=f"Of {len(cases):,} cases, {len(drawn):,} drawn at random are used, of as many "
                "patients as can "
                "be: more would take too long.",
            )
        )
        cases, person = cases.select(drawn), person[drawn]
    people = people_of_each(cases.y, person, len(cases.classes))
    if int((people >= FEWEST_PEOPLE).sum()) < 2:
        raise UserError(
            f"{cases.provenance.source}: fewer than two conditions have {FEWEST_PEOPLE} patients or more, and "
            "each must be "
            "both learned and tested. Collect more, or name another column with --label."
        )
    rare = [name for name, n in zip(cases.classes, people, strict=True) if n < FEWEST_PEOPLE]
    if rare:
        kept = np.isin(cases.y, [at for at, n in enumerate(people) if n >= FEWEST_PEOPLE])
        few = ", ".join(f"'{name}'" for name in rare[:6]) + (
            f" and {len(rare) - 6} more" if len(rare) > 6 else ""
        )
        choices.append(
            Chosen(
                topic="Left out",
                sentence=f"{len(rare)} conditions have fewer than {FEWEST_PEOPLE} patients and cannot be both "
                "learned and "
                f"tested: {few} ({int((~kept).sum()):,} cases).",
            )
        )
        person = person[kept]
        cases = cases.select(kept).of_conditions([name for name in cases.classes if name not in rare])
    return Question(cases, _sheet(cases, person, embed), tuple(choices))


def _drawn(person: NDArray[np.int64], most: int, seed: int) -> NDArray[np.int64]:
    """Numbers of at most so many cases: as many patients as can be, each with about as many cases."""
    rng = np.random.default_rng(seed)
    people = rng.permutation(np.unique(person))[:most]
    quota = most // len(people)
    return np.sort(np.concatenate([rng.permutation(np.flatnonzero(person == who))[:quota] for who in people]))


def _sheet(cases: Cases, person: Any, embed: bool) -> Sheet:
    _, person = np.unique(person, return_inverse=True)
    ways = len(cases.classes)
    if cases.x.ndim == 2:
        return Sheet(np.asarray(cases.x, dtype=np.float64), cases.y, person.ravel(), ways, True)
    if cases.modality == "signal":
        flat = cases.x.reshape(len(cases), -1)
        return Sheet(flat, cases.y, person.ravel(), ways, False, cases.x.shape[1])
    if embed:
        x = EfficientNetLite0(cases.x.shape[1:])(cases.x)
    else:
        x = cases.x.reshape(len(cases), -1).astype(np.float32)
        x = x / np.float32(255) if cases.x.dtype == np.uint8 else x
    return Sheet(x, cases.y, person.ravel(), ways, False)


def cross_validate(
    question: Question,
    budget: Budget,
    journal: Journal,
    *,
    seed: int,
    deadline: float,
    workers: int | None,
    watch: Watch,
) -> tuple[list[Fold], dict[str, list[Answer]]]:
    """Every method's answers on every fold; those that are kept from before are not asked for again.

    Args:
        deadline: moment (of `time.time`) after which no further repeat begins.
    """
    folds = folds_of(question.sheet, budget.folds, budget.repeats, seed)
    return _ask("patients", question.sheet, folds, budget, journal, deadline, workers, watch)


def across_sites(
    question: Question, budget: Budget, journal: Journal, *, workers: int | None, watch: Watch
) -> tuple[list[Fold], dict[str, list[Answer]]] | None:
    """Every method's answers on each site, held out as a whole; None where sites cannot be."""
    cases, sheet = question.cases, question.sheet
    if cases.site is None or len(np.unique(cases.site)) < 2:
        return None
    folds = [fold for fold in site_folds(cases) if _can_hold_out(sheet, fold)]
    if len(folds) < 2:
        return None
    return _ask("sites", sheet, folds, budget, journal, float("inf"), workers, watch)


def _can_hold_out(sheet: Sheet, fold: Fold) -> bool:
    rest = np.flatnonzero(~np.isin(sheet.person, sheet.person[fold.test]))
    return len(np.unique(sheet.y[rest])) == sheet.ways and len(np.unique(sheet.y[fold.test])) > 1


def _ask(
    name: str,
    sheet: Sheet,
    folds: Sequence[Fold],
    budget: Budget,
    journal: Journal,
    deadline: float,
    workers: int | None,
    watch: Watch,
) -> tuple[list[Fold], dict[str, list[Answer]]]:
    path = lay_out(journal.work, name, sheet, list(folds))
    jobs = [
        (journal.folder, path, name, at, method, budget.inner, deadline)
        for at in range(len(folds))
        for method in sorted(budget.methods, key=lambda m: "trees" not in m)
        if journal.read(_step(name, at, method)) is None
    ]
    every = len(folds) * len(budget.methods)
    done = every - len(jobs)
    watch(f"Cross-validation over {name}", done, every)

    def count(_: int, *said: Any) -> None:
        nonlocal done
        done += 1
        watch(f"Cross-validation over {name}", done, every)

    if jobs:
        side_by_side(ask_one, jobs, count, workers)
    answers: dict[str, list[Answer]] = {method: [] for method in budget.methods}
    kept: list[Fold] = []
    whole = _whole_rounds(name, folds, budget, journal)
    for at, fold in enumerate(folds):
        if fold.round not in whole:
            continue
        kept.append(fold)
        for method in budget.methods:
            answers[method].append(Answer.model_validate(journal.read(_step(name, at, method))))
    return kept, answers


def _whole_rounds(name: str, folds: Sequence[Fold], budget: Budget, journal: Journal) -> set[str]:
    missing = {
        fold.round
        for at, fold in enumerate(folds)
        for method in budget.methods
        if journal.read(_step(name, at, method)) is None
    }
    return {fold.round for fold in folds} - missing


def ask_one(
    folder: Path, path: Path, name: str, at: int, method: str, inner: int, deadline: float, report: Any
) -> None:
    """One method on one fold, kept on disk; after the deadline only the first repeat goes on."""
    sheet, folds = read_laid(path)
    if time.time() < deadline or folds[at].round == folds[0].round:
        Journal(folder).keep(_step(name, at, method), answer(sheet, folds[at], method, inner).model_dump())
    report(method, 1, 1)


def _step(name: str, at: int, method: str) -> str:
    return f"{name}-{at:03d}-{method}"


def answered(
    name: str,
    question: Question,
    folds: Sequence[Fold],
    answers: dict[str, list[Answer]],
    budget: Budget,
    *,
    seed: int,
    command: str,
    seconds: float,
    described: DataDescription,
) -> Part:
    """What the answers come to: the winner inside the training patients, and all figures on those held out."""
    sheet, cases = question.sheet, question.cases
    validation = {
        method: float(np.average([a.validation for a in said], weights=[len(a.cases) for a in said]))
        for method, said in answers.items()
    }
    winner = min(validation, key=lambda method: validation[method])
    pooled = {method: pool(folds, said) for method, said in answers.items()}
    shots = int(np.bincount(sheet.y, minlength=sheet.ways).min() * (budget.folds - 1) / budget.folds) or 1
    rival = min((m for m in validation if m != winner), key=lambda m: validation[m], default=winner)
    verdict = score_all(pooled, sheet.y, sheet.person, cases.classes, shots, rival)
    rounds = len({fold.round for fold in folds})
    people = len(np.unique(sheet.person))
    result = EvaluationResult(
        title=f"Conditions in {described.name}",
        data=described,
        split=SplitDescription(train={}, validation={}, test=cases.counts()),
        protocol=Protocol(
            ways=sheet.ways,
            query=max(len(fold.test) for fold in folds),
            episodes=len(folds),
            seed=seed,
            mode="inductive",
            hardware=hardware(),
            date=datetime.now(UTC).date().isoformat(),
            command=command,
            seconds=round(seconds, 1),
        ),
        methods=tuple(_method(method, said, shots) for method, said in answers.items()),
        shots=(shots,),
        scores=verdict.scores,
        differences=verdict.differences,
        recommended={shots: winner},
        baseline={shots: rival},
        conditions=verdict.conditions,
        calibration=verdict.calibration,
        summary=(),
    )
    what = "sites" if name == "sites" else "patients"
    times = f", {rounds} times" if rounds > 1 else ""
    told = (
        f"Every one of {len(folds) // rounds} folds of whole {what} was held out once{times}: a method learned "
        "from all "
        f"others and was asked about these.",
        "The recommended method had the least log loss inside the training patients, before anybody held out "
        "was seen; "
        "log loss rewards both ranking and honest probabilities.",
    )
    heading = (
        f"Which of {sheet.ways} conditions does a patient have?"
        if what == "patients"
        else "How well does it carry over to another site?"
    )
    basis = f"{people:,} patients; 95 % intervals over patients (bootstrap)"
    return Part(
        name=f"{name}-apart",
        heading=heading,
        told=told,
        basis=basis,
        metric=MAIN,
        winner=TITLES[winner],
        result=result,
    )


def _method(name: str, said: Sequence[Answer], shots: int) -> Method:
    """A method with the settings that were chosen most often."""
    chosen = [tuple(sorted(a.settings.items())) for a in said]
    usual = max(set(chosen), key=lambda each: (chosen.count(each), str(each)))
    return Method(name=name, title=TITLES[name], learns_from="nothing", settings={shots: dict(usual)})
