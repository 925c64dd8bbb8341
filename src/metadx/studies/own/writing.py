"""The report of a study, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from metadx.cases import Audit, Cases
from metadx.durable import write_text
from metadx.evaluation import Part, StudyResult, Warned, Written
from metadx.studies.hardware import hardware
from metadx.studies.own.context import StudyContext
from metadx.studies.own.journal import REPORT, RESULT
from metadx.studies.own.proposal import Proposal
from metadx.studies.own.words import lead_sentences, next_steps


def write(
    study: StudyContext,
    kind: str,
    cases: Cases,
    audit: Audit,
    proposal: Proposal,
    parts: Sequence[Part],
    written: Sequence[Written],
) -> StudyResult:
    """Writes what a study found into its folder.

    Args:
        kind: of the data.
        parts: what comparisons came to.
        written: what is in the folder already.
    """
    from metadx.reports import write_study

    study.watch("Writing the report", 0, 1)
    folder = study.journal.folder
    result = StudyResult(
        title=f"A study of {study.name}",
        source=study.name,
        kind=kind,
        cases=len(cases),
        patients=len(np.unique(cases.patient)),
        lead=lead_sentences(parts, audit, proposal),
        choices=tuple(study.choices),
        audit=tuple(_warned(audit)),
        unchecked=audit.unchecked,
        meta=proposal.why,
        base=proposal.base,
        parts=tuple(parts),
        written=(
            Written(path=REPORT, what="this study, for people"),
            *written,
            Written(path=RESULT, what="the same, for programs"),
        ),
        next=next_steps(parts, audit, proposal, cases, folder),
        date=datetime.now(UTC).date().isoformat(),
        hardware=hardware(),
        command=study.command,
        seconds=round(study.spent(), 1),
    )
    write_study(result, folder / REPORT)
    write_text(folder / RESULT, result.model_dump_json(indent=2) + "\n")
    return result


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
