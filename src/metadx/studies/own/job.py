"""`metadx study`: from a file or folder to a report, a bundle and its card, in one go that can be interrupted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from metadx.errors import Interrupted
from metadx.evaluation import Part, StudyResult, Written
from metadx.studies.own.comparing import over_few, over_patients, over_tasks
from metadx.studies.own.context import StudyContext
from metadx.studies.own.journal import study_folder
from metadx.studies.own.patients import Watch
from metadx.studies.own.preparing import audit, read
from metadx.studies.own.proposal import propose
from metadx.studies.own.settings import StudySettings
from metadx.studies.own.writing import write


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
        settings: what to do.
        out: the folder.
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
            return _run(StudyContext(settings, journal, command, watch or _silent, say or _mute))
    except KeyboardInterrupt as stopped:
        if isinstance(stopped, Interrupted):
            raise
        kept = (out / "work").is_dir()
        ahead = "what is done is kept; the same command goes on" if kept else "nothing was kept"
        raise Interrupted(f"stopped: {ahead}", 2) from stopped


def _run(study: StudyContext) -> StudyResult:
    kind, cases = read(study)
    audited = audit(study, cases)
    proposal = propose(kind, cases, audited)
    study.say("Tasks", proposal.why)
    meta = proposal.axis != "none"
    parts: list[Part] = []
    written: list[Written] = []
    if not cases.regression:
        found, made = over_patients(study, cases, audited, 0.4 if meta else 0.5)
        parts, written = parts + found, written + made
    if meta or cases.regression:
        found, made = over_tasks(study, kind, cases, proposal) if meta else over_few(study, kind, cases)
        parts, written = parts + found, written + made
    return write(study, kind, cases, audited, proposal, parts, written)


def _silent(what: str, done: float, total: float) -> None:
    """Tells nobody."""


def _mute(topic: str, sentence: str) -> None:
    """Tells nobody."""
