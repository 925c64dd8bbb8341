"""Along which axis data can be meta-learned from, and whether there is enough of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from metadx.cases import Audit, Cases
from metadx.studies.own.bases import base
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
    if kind == "beats":
        people = len(np.unique(cases.patient))
        return Proposal(
            "none",
            f"The classes of heartbeats are told apart by tuned baselines, with whole patients of the {people} "
            "held out. "
            "A study does not adapt to each patient's first minutes, nor does a base bundle of heartbeats "
            "ship: a recipe "
            "with `patients` does that.",
        )
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
    for axis, column in (("genes", cases.group), ("sites", cases.site)):
        able = _able(cases, column)
        if able >= FEWEST_TASKS:
            return Proposal(
                "genes" if axis == "genes" else "sites",
                f"{able} {axis} have enough cases of two conditions: each is a task of its own, and some are "
                "held out "
                "altogether to see how well one that was never seen is adapted to from a few of its cases.",
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


def _able(cases: Cases, column: NDArray[np.str_] | None) -> int:
    """How many groups have enough cases of two conditions each."""
    if column is None:
        return 0
    names, of = np.unique(column, return_inverse=True)
    counts = np.zeros((len(names), len(cases.classes)), dtype=np.int64)
    np.add.at(counts, (of.ravel(), cases.y), 1)
    return int((((counts >= ENOUGH_PEOPLE).sum(1) >= 2) & (names != "")).sum())


def _patients(kind: str, cases: Cases) -> Proposal:
    people = len(np.unique(cases.patient))
    if people >= FEWEST_TASKS:
        return Proposal(
            "patients",
            f"{people} people are followed over time: every person is a task, what was observed first is "
            "learned from, and "
            "what came later is predicted.",
        )
    few = f"{people} people followed over time are fewer than the {FEWEST_TASKS} that meta-learning takes"
    ships = base(kind)
    if ships is not None:
        return Proposal("none", f"{few}, so the study starts from a base bundle.", ships.said)
    return Proposal("none", f"Meta-learning does not apply: {few}. The best baseline is delivered.")
