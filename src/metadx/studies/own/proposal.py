"""Along which axis data can be meta-learned from, and whether there is enough of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from metadx.cases import Audit, Cases
from metadx.studies.own.folds import linked_patients, people_of_each

FEWEST_TASKS = 8
"""Conditions, sites, genes or patients as tasks below which there is nothing to meta-train on."""

ENOUGH_PEOPLE = 6
Axis = Literal["conditions", "patients", "sites", "genes", "none"]


@dataclass(frozen=True)
class Proposal:
    """What is to be meta-learned from.

    Args:
        axis: what tasks are about; "none" where there is nothing to meta-train on.
        why: in a sentence.
        base: the base bundle that is started from, with its licence; empty where none is.
    """

    axis: Axis
    why: str
    base: str = ""


def propose(kind: str, cases: Cases, audit: Audit) -> Proposal:
    """The natural axis of the data, if it is long enough."""
    if kind in ("glucose", "visits"):
        return _patients(kind, cases)
    person = linked_patients(cases, audit)
    enough = int((people_of_each(cases.y, person, len(cases.classes)) >= ENOUGH_PEOPLE).sum())
    if enough >= FEWEST_TASKS:
        return Proposal(
            "conditions",
            f"{enough} conditions have at least {ENOUGH_PEOPLE} patients: tasks are small problems of telling "
            "a few of "
            "them apart, and some conditions are held out altogether to see how well an unseen one is learned "
            "from a few "
            "patients.",
        )
    sites = 0 if cases.site is None else len(np.unique(cases.site))
    what = f"{enough} conditions have at least {ENOUGH_PEOPLE} patients"
    if sites:
        what += f" and there are {sites} sites"
    return Proposal(
        "none",
        f"Meta-learning does not apply: {what}, and it takes {FEWEST_TASKS} to learn from. The best tuned "
        "baseline is "
        "delivered, which is the right method here.",
    )


def _patients(kind: str, cases: Cases) -> Proposal:
    people = len(np.unique(cases.patient))
    if people >= FEWEST_TASKS:
        return Proposal(
            "patients",
            f"{people} people are followed over time: every person is a task, what was observed first is "
            "learned from, and "
            "what came later is predicted.",
        )
    return Proposal(
        "none",
        f"Meta-learning does not apply: {people} people are fewer than the {FEWEST_TASKS} that it takes.",
    )
