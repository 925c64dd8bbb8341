"""Which column of a table is the diagnosis, the patient, the site, the time: by name, by position, by content."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from metadx.cases.columns import is_missing, number_or_none
from metadx.cases.own.choice import Choice
from metadx.errors import UserError, nearest

_LABELS = ("label", "diagnosis", "class", "condition", "target", "disease", "outcome", "dx", "y")
_SURE_LABELS = _LABELS[:3]
_LIKE_LABEL = re.compile(
    r"diagnos|label|^class|class$|outcome|disease|target|condition|malignan|mortality|^died$|^dead$|^death|death$|"
    r"survived|status$|^result$|readmit|^event|subtype|tumou?r_?type|^num$|^group$|cell_type"
)
_SURE_PATIENT = re.compile(
    r"^((patient|subject|participant|person|individual|donor)(s|_?(id|no|nr|num|number|code|key|name))?|pid|mrn|"
    r"(case|record|hospital|chart|nhs|medical_record)_?(id|no|nr|num|number))$"
)
_LIKE_PATIENT = re.compile(r"^(id|sample_?id|sample|sample_code_number|code_number)$")
_SITE = re.compile(
    r"^(site|hospital|centre|center|clinic|institution|institute|study|cohort)(_?(id|name|no))?$"
)
_TIME = re.compile(
    r"^(time|date|timestamp|datetime|day|days|week|month|visit|visit_?(no|nr|number|date|day|time)|exam_?date|"
    r"sample_?date|admission_?date|.*_time|.*_date)$"
)
_GROUP = re.compile(r"^(gene|symbol|gene_?(symbol|name|id)|hgnc)$")
_MOST_CONDITIONS = 200
_FEW = 20
_FEWEST_PATIENTS = 8

Columns = Mapping[str, NDArray[np.object_]]


@dataclass(frozen=True)
class Asked:
    """What whoever runs a study says of the columns; None to find out.

    Args:
        label: the column to be diagnosed, or of the value to predict.
        patient: the column that says whose each row is.
        site: the column that says where each case is from.
        time: the column that says when each case was observed.
        drop: columns to leave out.
    """

    label: str | None = None
    patient: str | None = None
    site: str | None = None
    time: str | None = None
    drop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Roles:
    """What the columns of a table are; those that are named nowhere are measurements.

    Args:
        label: the column to be diagnosed or predicted.
        value: whether it is a value rather than a condition.
        patient, site, time, group, path: columns, or None where there is none.
    """

    label: str
    value: bool
    patient: str | None = None
    site: str | None = None
    time: str | None = None
    group: str | None = None
    path: str | None = None
    choices: tuple[Choice, ...] = field(default=())

    @property
    def aside(self) -> frozenset[str]:
        """Columns that are no measurements."""
        named = (self.label, self.patient, self.site, self.time, self.group, self.path)
        return frozenset(name for name in named if name is not None)


def find_roles(columns: Columns, asked: Asked, source: str) -> Roles:
    """The roles of a table's columns, with a sentence on how each was found.

    Raises:
        UserError: a column that was asked for is not there, or none can be the diagnosis.
    """
    for name in (asked.label, asked.patient, asked.site, asked.time, *asked.drop):
        if name is not None and name not in columns:
            raise UserError(
                f"{source}: no column '{name[:60]}'; {nearest(name, columns)}. Name the right one."
            )
    free = {name: cells for name, cells in columns.items() if name not in asked.drop}
    taken = {name for name in (asked.label, asked.patient, asked.site, asked.time) if name}
    patient, about_patient = _patient(free, asked, taken)
    taken |= {patient} if patient else set()
    repeats = patient is not None and len(set(free[patient])) < len(free[patient])
    site, about_site = _site(free, asked, taken)
    taken |= {site} if site else set()
    time, about_time = _time(free, asked, taken, repeats)
    taken |= {time} if time else set()
    group = next((name for name in free if _GROUP.match(plain_name(name)) and name not in taken), None)
    path = next(
        (name for name in free if plain_name(name) in ("path", "file", "image", "picture", "filename")), None
    )
    if path is not None and not _paths(free[path]):
        path = None
    taken |= {name for name in (group, path) if name}
    label, value, about_label = _label(
        free, asked, taken - {asked.label}, source, repeats and time is not None
    )
    about_group = (
        (Choice("Gene", f"'{group}' names the gene: a task can be a gene whose variants are told apart."),)
        if group
        else ()
    )
    return Roles(
        label,
        value,
        patient,
        site,
        time,
        group,
        path,
        (about_label, *about_patient, *about_site, *about_time, *about_group),
    )


def is_text(cells: NDArray[np.object_]) -> bool:
    """Whether most cells that are known are no numbers."""
    known = cells[~is_missing(cells)]
    return 2 * sum(number_or_none(cell) is None for cell in known) > len(known)


def distinct(cells: NDArray[np.object_]) -> list[str]:
    """The different values that are known."""
    return sorted({str(cell) for cell in cells[~is_missing(cells)]})


def plain_name(name: str) -> str:
    """The name of a column in small letters and digits, all else made one underscore."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _patient(columns: Columns, asked: Asked, taken: set[str]) -> tuple[str | None, tuple[Choice, ...]]:
    name, why = asked.patient, "as you said"
    if name is None:
        free = [n for n in columns if n not in taken]
        name = next(
            (n for n in free if _SURE_PATIENT.match(plain_name(n)) and len(distinct(columns[n])) > 1), None
        )
        why = "its name says so"
        if name is None:
            like = (n for n in free if _LIKE_PATIENT.match(plain_name(n)))
            name = next((n for n in like if len(distinct(columns[n])) >= _FEWEST_PATIENTS), None)
            why = "its name says so, and its values differ from row to row"
    if name is None:
        return None, (
            Choice(
                "Patients",
                "No column names the patient, so every row is taken for a different person. If people come twice, "
                "the figures are too good: name the column with --patient.",
            ),
        )
    people = len(distinct(columns[name]))
    rows = len(columns[name])
    several = "one row each" if people == rows else f"{rows:,} rows of {people:,} people"
    return name, (
        Choice(
            "Patients",
            f"'{name}' says whose each row is ({why}; {several}): nobody is on both sides of a split.",
        ),
    )


def _site(columns: Columns, asked: Asked, taken: set[str]) -> tuple[str | None, tuple[Choice, ...]]:
    name, why = asked.site, "as you said"
    if name is None:
        like = (n for n in columns if n not in taken and _SITE.match(plain_name(n)))
        rows = len(next(iter(columns.values())))
        name = next((n for n in like if 2 <= len(distinct(columns[n])) <= max(rows // 5, 2)), None)
        why = "its name says so"
    if name is None:
        return None, ()
    found = distinct(columns[name])
    return name, (
        Choice(
            "Sites",
            f"'{name}' says where each case is from ({why}; {len(found)} sites); it is no measurement.",
        ),
    )


def _time(
    columns: Columns, asked: Asked, taken: set[str], repeats: bool
) -> tuple[str | None, tuple[Choice, ...]]:
    name, why = asked.time, "as you said"
    if name is None:
        if not repeats:
            return None, ()
        like = (n for n in columns if n not in taken and _TIME.match(plain_name(n)))
        name = next((n for n in like if not is_missing(columns[n]).any()), None)
        why = "its name says so"
    if name is None:
        return None, ()
    return name, (Choice("Time", f"'{name}' says when each case was observed ({why})."),)


def _label(
    columns: Columns, asked: Asked, taken: set[str], source: str, course: bool
) -> tuple[str, bool, Choice]:
    free = [name for name in columns if name not in taken]
    name, why = asked.label, "as you said"
    if name is None:
        name, why = _by_name(columns, free, course)
    if name is None:
        name, why = _by_place(columns, free)
    if name is None:
        some = ", ".join(free[-6:])
        raise UserError(
            f"{source}: no column looks like a diagnosis (a few values that repeat; the last columns are {some}). "
            "Name it with --label."
        )
    found = distinct(columns[name])
    value = not is_text(columns[name]) and (len(found) > _FEW or _fractions(found))
    if len(found) < 2:
        only = found[0] if found else "nothing"
        raise UserError(
            f"{source}: every case has the label '{only[:60]}' in column '{name}'. A diagnosis needs cases of "
            "at least "
            "two conditions; --label names another column."
        )
    if not value and len(found) > _MOST_CONDITIONS:
        raise UserError(
            f"{source}: column '{name}' has {len(found)} different values, which are no conditions. Name the "
            "diagnosis "
            "with --label."
        )
    if value:
        said = f"'{name}' is predicted ({why}): {len(found)} different numbers are a value, not conditions."
    else:
        counts = {word: int((columns[name] == word).sum()) for word in found}
        shown = sorted(counts, key=lambda word: -counts[word])
        listed = ", ".join(f"{word} {counts[word]:,}" for word in shown[:6])
        more = f" and {len(found) - 6} more" if len(found) > 6 else ""
        said = f"'{name}' is the diagnosis ({why}), with {len(found)} conditions: {listed}{more}."
    return name, value, Choice("Diagnosis", f"{said} --label names another column.")


def _by_name(columns: Columns, free: Sequence[str], course: bool) -> tuple[str | None, str]:
    """The column whose name is that of a diagnosis; in courses over time also one of scores."""
    plain = {plain_name(name): name for name in free}
    for word in _LABELS:
        if word not in plain:
            continue
        cells = columns[plain[word]]
        one_only = len(distinct(cells)) == 1 and not is_missing(cells).all()
        if word in _SURE_LABELS or one_only or _could_be(cells, value=True):
            return plain[word], "its name says so"
    like = [
        name
        for name in free
        if _LIKE_LABEL.search(plain_name(name)) and _could_be(columns[name], value=False)
    ]
    if like:
        return like[-1], "its name says so"
    if course:
        scores = [n for n in free if re.search(r"score|updrs|scale|total|value|level", plain_name(n))]
        scores = [n for n in scores if not is_text(columns[n])]
        totals = [n for n in scores if "total" in plain_name(n)] or scores
        if totals:
            return totals[0], "its name is that of a score, and patients are followed over time"
    return None, ""


def _by_place(columns: Columns, free: Sequence[str]) -> tuple[str | None, str]:
    """The last column, or the first, if it holds few values that repeat; else the only text of that kind."""
    for name, where in ((free[-1], "last"), (free[0], "first")) if free else ():
        if _could_be(columns[name], value=False):
            return name, f"it is the {where} column and holds few values that repeat"
    words = [name for name in free if is_text(columns[name]) and _could_be(columns[name], value=False)]
    if len(words) == 1:
        return words[0], "it is the only column of words that repeat"
    return None, ""


def _could_be(cells: NDArray[np.object_], *, value: bool) -> bool:
    """Whether cells can be conditions (or, if allowed, a value to predict)."""
    found = distinct(cells)
    known = int((~is_missing(cells)).sum())
    if len(found) < 2 or 2 * known < len(cells):
        return False
    if is_text(cells):
        return len(found) <= min(_MOST_CONDITIONS, known // 2)
    return value or (len(found) <= min(_FEW, known // 2) and not _fractions(found))


def _fractions(found: Sequence[str]) -> bool:
    """Whether numbers are no whole ones."""
    numbers = [number_or_none(word) for word in found]
    return any(n is not None and n != int(n) for n in numbers if n is None or np.isfinite(n))


def _paths(cells: NDArray[np.object_]) -> bool:
    return bool(len(cells)) and all(re.search(r"\.\w{2,5}(\.gz)?$", str(cell)) for cell in cells[:20])
