"""Courses over time of one's own: glucose, heartbeats, visits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from metadx.cases.cases import Cases
from metadx.cases.own.choice import Choice
from metadx.cases.own.roles import Roles
from metadx.cases.signals import read_beats, read_glucose
from metadx.errors import UserError

_SAME = "your own data"
_COMMON = {"total", "score", "value", "level", "scale"}


def glucose(folders: Sequence[Path]) -> tuple[Cases, Literal["glucose"], tuple[Choice, ...]]:
    """Cases from one folder of glucose readings, or several, each a cohort."""
    parts = [read_glucose(folder) for folder in folders]
    cases = _joined(parts)
    people = len(np.unique(cases.patient))
    choices = [
        Choice("Diagnosis", "The glucose value 30 minutes ahead is predicted from the two hours before."),
        Choice(
            "Patients",
            f"One file is one person: {people} people, {len(cases):,} readings with two hours before them.",
        ),
    ]
    if len(parts) > 1:
        choices.append(Choice("Sites", f"Each of the {len(parts)} folders is a cohort."))
    return cases, "glucose", tuple(choices)


def beats(folder: Path) -> tuple[Cases, Literal["beats"], tuple[Choice, ...]]:
    """Cases from a folder of WFDB recordings."""
    cases = replace((read := read_beats(folder)), provenance=replace(read.provenance, licence=_SAME))
    people = len(np.unique(cases.patient))
    counts = ", ".join(f"{name} {count:,}" for name, count in cases.counts().items() if count)
    return (
        cases,
        "beats",
        (
            Choice("Diagnosis", f"Every annotated heartbeat is a case, by its AAMI class: {counts}."),
            Choice("Patients", f"One recording is one person: {people} people."),
        ),
    )


def visits(cases: Cases, roles: Roles) -> tuple[Cases, tuple[Choice, ...]]:
    """Cases of visits: rows of one patient and whole unit of time averaged, the time a measurement too."""
    assert cases.time is not None
    time = _numbers(cases)
    visit = list(zip(cases.patient.tolist(), np.floor(time).tolist(), strict=True))
    places = {key: at for at, key in enumerate(sorted(set(visit)))}
    of = np.asarray([places[key] for key in visit])
    kept, left = _without_scores(cases.features, roles.label)
    with_time = np.column_stack([time, cases.x[:, kept]])

    def mean(column: NDArray[np.float64]) -> NDArray[np.float64]:
        known = np.isfinite(column)
        total = np.bincount(of, np.where(known, column, 0.0), len(places))
        seen = np.bincount(of, known, len(places))
        return np.where(seen > 0, total / np.maximum(seen, 1), np.nan)

    x = np.column_stack([mean(column) for column in with_time.T])
    patient = np.asarray([who for who, _ in sorted(set(visit))])
    rows, days = len(cases), len(places)
    said = [
        Choice(
            "Tasks",
            f"'{roles.label}' is followed over time: a patient's earlier visits are learned from, later ones "
            "predicted.",
        )
    ]
    if days < rows:
        said.append(
            Choice("Read", f"{rows:,} rows of the same patient and day were averaged to {days:,} visits.")
        )
    if left:
        others = ", ".join(f"'{name}'" for name in left)
        said.append(
            Choice(
                "Left out", f"{others}: other scores of the same visit, known only with the one predicted."
            )
        )
    _, several = np.unique(patient, return_counts=True)
    if several.max() < 2:
        raise UserError(
            f"{cases.provenance.source}: no patient has two visits, so nothing can be followed over time."
        )
    return (
        replace(
            cases,
            x=x,
            y=mean(np.asarray(cases.y, dtype=np.float64)),
            patient=patient,
            features=(roles.time or "time", *(cases.features[at] for at in kept)),
            time=mean(time),
            site=None,
            name=None,
            provenance=replace(
                cases.provenance,
                preprocessing=(*cases.provenance.preprocessing, f"{rows:,} rows, {days:,} visits"),
            ),
        ),
        tuple(said),
    )


def _without_scores(features: Sequence[str], label: str) -> tuple[list[int], list[str]]:
    """Numbers of the features that share no word with the label's name, and the names of those that do."""
    words = {word for word in re.split(r"[^a-z]+", label.lower()) if len(word) >= 4} - _COMMON
    other = [name for name in features if words & {*re.split(r"[^a-z]+", name.lower())}]
    return [at for at, name in enumerate(features) if name not in other], other


def _numbers(cases: Cases) -> NDArray[np.float64]:
    """Times as numbers; dates in days from the first."""
    time = np.asarray(cases.time)
    if time.dtype.kind == "M":
        days: NDArray[np.float64] = (time - time.min()) / np.timedelta64(1, "D")
        return days
    return time.astype(np.float64)


def _joined(parts: Sequence[Cases]) -> Cases:
    first = parts[0]
    if len(parts) == 1:
        return replace(first, provenance=replace(first.provenance, licence=_SAME))
    notes = tuple(dict.fromkeys(note for part in parts for note in part.provenance.notes))
    return replace(
        first,
        x=np.concatenate([part.x for part in parts]),
        y=np.concatenate([part.y for part in parts]),
        patient=np.concatenate([part.patient for part in parts]),
        site=np.concatenate([np.asarray(part.site) for part in parts]),
        time=np.concatenate([np.asarray(part.time) for part in parts]),
        provenance=replace(
            first.provenance, source=str(Path(first.provenance.source).parent), licence=_SAME, notes=notes
        ),
    )
