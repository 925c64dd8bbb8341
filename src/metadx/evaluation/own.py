"""What a study of one's own data found, as plain data: its report and its JSON are the same numbers."""

from __future__ import annotations

from typing import Literal

from metadx.evaluation.result import EvaluationResult, Plain


class Chosen(Plain):
    """Something that was found out rather than asked: what it is about, and a sentence."""

    topic: str
    sentence: str


class Warned(Plain):
    """A finding of the audit; see `metadx.cases.Leak`."""

    severity: Literal["serious", "notice"]
    kind: str
    sentence: str
    mend: str
    cases: tuple[str, ...] = ()


class Part(Plain):
    """One question that was put to the data.

    Args:
        name: identifier, such as "patients".
        heading: the question, as people read it.
        told: how it was answered, in sentences.
        basis: what intervals are over, for captions.
        metric: the metric of the pictures.
        winner: the recommended method's title.
        result: all figures.
    """

    name: str
    heading: str
    told: tuple[str, ...]
    basis: str
    metric: str
    winner: str
    result: EvaluationResult


class Written(Plain):
    """A file or folder that a study wrote, and what it is for."""

    path: str
    what: str


class StudyResult(Plain):
    """Everything a study found.

    Args:
        title: of the study.
        source: the file or folder, by its name alone.
        kind: of data.
        cases, patients: how many there are.
        lead: the findings in sentences, the most important first.
        choices: what was found out about the data and chosen, in the order in which it was.
        audit: what the audit found, the serious first.
        unchecked: what it could not check.
        meta: whether meta-learning applied, and why or why not, in a sentence.
        base: the base bundle that was started from, with its licence; empty where none.
        parts: questions and answers.
        written: files.
        next: what to do now, in sentences.
        date, hardware, command, seconds: of the study.
    """

    title: str
    source: str
    kind: str
    cases: int
    patients: int
    lead: tuple[str, ...]
    choices: tuple[Chosen, ...]
    audit: tuple[Warned, ...]
    unchecked: tuple[str, ...]
    meta: str
    base: str = ""
    parts: tuple[Part, ...]
    written: tuple[Written, ...]
    next: tuple[str, ...]
    date: str
    hardware: str
    command: str
    seconds: float
