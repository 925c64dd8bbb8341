"""Methods compared on the data of a study: over patients, over tasks, or over a handful of people; and what the
winner becomes."""

from __future__ import annotations

import os

from pydantic import TypeAdapter

from metadx.algorithms import TITLES
from metadx.cases import Audit, Cases
from metadx.durable import write_text
from metadx.errors import UserError
from metadx.evaluation import Part, Written
from metadx.studies.own.bases import base
from metadx.studies.own.budget import Budget, find_budget
from metadx.studies.own.context import StudyContext
from metadx.studies.own.crossval import Answer, Fold
from metadx.studies.own.deliver import deliver, run_card, train_final
from metadx.studies.own.few import adapt_to_few
from metadx.studies.own.meta import compare_tasks, told
from metadx.studies.own.methods import methods_for
from metadx.studies.own.patients import Question, across_sites, answered, cross_validate, pose
from metadx.studies.own.preparing import embeds
from metadx.studies.own.proposal import Proposal
from metadx.studies.own.settings import data_settings
from metadx.studies.own.tasks import Course, course_of
from metadx.studies.problem import describe_as

Found = tuple[list[Part], list[Written]]
"""What a comparison came to, and what it wrote."""

BUNDLE, MODEL, CARD = "bundle", "model", "card.md"
_BACKBONE = "efficientnet-lite0"
_QUICK = 6.0  # seconds, for which several processes are not worth their start
_FORESEES = Written(path=CARD, what="the model card: what it foresees, and how well")
_BUDGET: TypeAdapter[Budget] = TypeAdapter(Budget)


def over_patients(study: StudyContext, cases: Cases, audit: Audit, share: float) -> Found:
    """The cross-validation over patients, and over sites where there are some, and the bundle of its winner.

    Args:
        share: of the time that is left, for the cross-validation.
    """
    settings, journal, watch = study.settings, study.journal, study.watch
    watch("Preparing cases", 0, 1)
    embed = embeds(cases)
    question = pose(cases, audit, settings.seed, embed)
    for choice in question.choices:
        study.say(choice.topic, choice.sentence)
    budget = _budget(study, question, share)
    for sentence in budget.said:
        study.say("Budget", sentence)
    workers = 1 if budget.seconds < _QUICK else settings.workers
    folds, answers = cross_validate(
        question,
        budget,
        journal,
        seed=settings.seed,
        deadline=study.deadline - 20,
        workers=workers,
        watch=watch,
    )
    part = _answered(study, "patients", question, folds, answers, budget)
    parts = [part]
    sites = across_sites(question, budget, journal, workers=workers, watch=watch)
    if sites is not None:
        parts.append(_answered(study, "sites", question, *sites, budget))
    watch("Writing the bundle", 0, 1)
    bundle = journal.folder / BUNDLE
    if not bundle.exists():
        deliver(
            question, part, budget.inner, bundle, embed=embed, support=settings.support, source=study.name
        )
    write_text(journal.folder / CARD, (bundle / CARD).read_text(encoding="utf-8"))
    holds = "holds the labelled cases" if settings.support else "holds no labelled cases"
    return parts, [
        Written(
            path=BUNDLE, what=f"the diagnoser, signed by your key ({holds}): metadx diagnose {bundle} NEW.csv"
        ),
        Written(path=CARD, what="its model card: what it tells apart, and how well"),
    ]


def over_tasks(study: StudyContext, kind: str, cases: Cases, proposal: Proposal) -> Found:
    """The comparison of meta-learned methods and baselines over folds of tasks, and the model of the winner."""
    settings, journal = study.settings, study.journal
    data = data_settings(settings)
    if embeds(cases):
        data = data.model_copy(update={"backbone": _BACKBONE})
    minutes = min(max(study.left() / 60, 0.1), settings.minutes / 2)
    course = course_of(proposal.axis, kind, cases, data, minutes=minutes, seed=settings.seed)
    shots = ", ".join(map(str, course.plan.shots))
    study.say(
        "Budget",
        f"{len(course.recipes)} folds of {course.what}; {shots} labelled cases"
        f"{'' if cases.regression else ' of each condition'} to adapt to; "
        f"{', '.join(TITLES[name].lower() for name in (*course.learned, *course.baselines))}.",
    )
    outcomes = compare_tasks(course, journal, workers=settings.workers, watch=study.watch)
    part = told(course, outcomes, command=study.command, seconds=study.spent())
    winner = part.result.recommended[max(part.result.shots)]
    written = []
    if winner in course.learned:
        written.append(_model(study, course, winner, cases))
    if cases.regression:
        write_text(journal.folder / CARD, run_card(part, describe_as(cases, study.name)))
        written.append(_FORESEES)
    return [part], written


def over_few(study: StudyContext, kind: str, cases: Cases) -> Found:
    """What a base that ships, or baselines alone, foresee of a handful of people.

    Raises:
        UserError: nobody has enough cases.
    """
    study.watch("Adapting to each person", 0, 1)
    study.say("Budget", "Nothing is meta-trained: every person is adapted to from their own first cases.")
    described = describe_as(cases, study.name)
    part = adapt_to_few(cases, base(kind), described, command=study.command, seconds=study.spent())
    if part is None:
        raise UserError(f"{study.settings.data}: nobody has enough cases to try a forecast on. Collect more.")
    write_text(study.journal.folder / CARD, run_card(part, described))
    return [part], [_FORESEES]


def _budget(study: StudyContext, question: Question, share: float) -> Budget:
    kept = study.journal.read("budget")
    if kept is not None:
        return _BUDGET.validate_python(kept)
    cores = study.settings.workers or len(os.sched_getaffinity(0))
    room = share * max(study.left(), 1.0)
    budget = find_budget(question.sheet, methods_for(question.sheet.width), room, cores)
    study.journal.keep("budget", _BUDGET.dump_python(budget, mode="json"))
    return budget


def _answered(
    study: StudyContext,
    name: str,
    question: Question,
    folds: list[Fold],
    answers: dict[str, list[Answer]],
    budget: Budget,
) -> Part:
    study.watch("Scoring", 0, 1)
    return answered(
        name,
        question,
        folds,
        answers,
        budget,
        seed=study.settings.seed,
        command=study.command,
        seconds=study.spent(),
        described=describe_as(question.cases, study.name),
    )


def _model(study: StudyContext, course: Course, winner: str, cases: Cases) -> Written:
    """Trains the winner on nearly all of the data."""
    study.watch("Training the model", 0, 1)
    folder = study.journal.folder / MODEL
    train_final(course, winner, folder)
    uses = f"metadx adapt {folder} --support FEW.csv --out BUNDLE"
    if cases.regression:
        uses = f"metadx adapt {folder} --support ONE-PERSON.csv --out BUNDLE foresees one person"
    return Written(path=MODEL, what=f"what was meta-learned, from all but a few of the {course.what}: {uses}")
