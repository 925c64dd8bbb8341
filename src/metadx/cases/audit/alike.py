"""Findings about cases that are alike: copies, one patient under two ids, two labels for one case."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from metadx.cases.audit.leak import Leak, case_name, declared, find, label, some
from metadx.cases.audit.links import Link, groups
from metadx.cases.cases import Cases

_ONE_ID = "If they are one patient, give all of their cases one id; otherwise leave all but one out."
_LEAVE_OUT = (
    "Leave all but one of them out, or give them one patient id, so that no split or task parts them."
)
_HARMLESS = "Nothing, if they were measured apart; otherwise leave all but one out."
_RELABEL = "Find out which label is right, or leave the case out."


def alike(cases: Cases, links: Iterable[Link]) -> Iterator[Leak]:
    """What the links between cases say of each group that they join."""
    links = list(links)
    known = declared(cases)
    for members, among in groups(links):
        exact = all(link.exact for link in among)
        rare = any(link.rare for link in among)
        sure = any(link.rare and link.expected < 1 for link in among)
        patients = {str(cases.patient[at]) for at in members}
        sentence = _sentence(cases, members, among)
        if known and len(patients) > 1 and rare:
            said = f"Patients {some(sorted(patients))} may be one: {sentence}"
            yield find("two ids", "serious" if sure else "notice", cases, members, said, _ONE_ID)
        else:
            shared = known and len(patients) == 1
            serious = sure and not shared
            mend = _LEAVE_OUT if serious or shared else _HARMLESS
            yield find(
                "duplicate" if exact else "near-duplicate",
                "serious" if serious else "notice",
                cases,
                members,
                sentence,
                mend,
            )
        yield from _conflict(cases, members, among)


def _conflict(cases: Cases, members: list[int], among: list[Link]) -> Iterator[Leak]:
    """Two labels in one group; of tables, whose rows change from visit to visit, only for equal rows."""
    told = [link for link in among if link.exact or (cases.modality == "image" and not cases.regression)]
    apart = [link for link in told if cases.y[link.cases[0]] != cases.y[link.cases[1]]]
    if not apart:
        return
    named = list(dict.fromkeys(label(cases, at) for at in members))
    sentence = _sentence(cases, members, apart)
    serious = any(link.rare for link in apart)
    yield find(
        "label conflict",
        "serious" if serious else "notice",
        cases,
        [at for link in apart for at in link.cases],
        f"{sentence[:-1]}, but they are labelled {some(named)}.",
        _RELABEL,
    )


def _sentence(cases: Cases, members: list[int], among: list[Link]) -> str:
    first, second = among[0].cases
    said = f"{case_name(cases, first)} and {case_name(cases, second)} {among[0].words}"
    more = f", and {len(members) - 2:,} more like them" if len(members) > 2 else ""
    return f"{said}{more}."
