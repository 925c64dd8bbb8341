"""Problems of several data sets: whole ones on each side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from metadx.algorithms import Dimensions
from metadx.cases import Cases, Inputs, fit_table
from metadx.errors import UserError
from metadx.evaluation import DataDescription, SplitDescription
from metadx.studies.problem import Problem, describe, read_cases, transform_of
from metadx.studies.recipe import DataSettings, Recipe, SetsSettings
from metadx.tasks import ConditionSource, MetaDataset, MetaSplits, Split
from metadx.tasks.source import bounds
from metadx.training import pooled_classes


def build_sets(recipe: Recipe, sets: SetsSettings) -> Problem:
    """Whole data sets on each side; their patients and conditions are named after them, so that none is shared.

    Raises:
        UserError: a data set cannot be read, or its cases are not of one kind with the others.
    """
    if recipe.auxiliary.regions or recipe.auxiliary.permuted:
        raise UserError(
            "auxiliary: regions and permuted tasks are made from one table, not from several data sets"
        )
    sides: Mapping[Split, tuple[str, ...]] = {
        "train": sets.train,
        "validation": sets.validation,
        "test": sets.test,
    }
    read = {side: [(name, _named(name, recipe.data)) for name in names] for side, names in sides.items()}
    first_name, first = read["train"][0]
    for name, cases in (pair for pairs in read.values() for pair in pairs):
        if (cases.modality, cases.x.shape[1:], cases.features) != (
            first.modality,
            first.x.shape[1:],
            first.features,
        ):
            raise UserError(
                f"{name}: {cases.modality} cases of shape {cases.x.shape[1:]}, but {first_name} has "
                f"{first.modality} cases of {first.x.shape[1:]}. Give pictures one data.size and data.channels, "
                "and tables the same columns."
            )
    observed = (
        np.concatenate([cases.x for _, cases in read["train"]]) if first.modality == "table" else first.x
    )
    transform = fit_table(observed) if first.modality == "table" else transform_of(first, recipe.data)

    def dataset(side: Split) -> MetaDataset:
        sources = [ConditionSource(cases, transform, f"{name}/{side}") for name, cases in read[side]]
        return MetaDataset(side, sources, recipe.tasks, weights=[len(s.cases.classes) for s in sources])

    splits = MetaSplits(dataset("train"), dataset("validation"), dataset("test"))
    counts = {
        side: {k: n for _, cases in pairs for k, n in cases.counts().items()} for side, pairs in read.items()
    }
    return Problem(
        splits,
        Dimensions(transform.shape, bounds(recipe.tasks.ways)[1], pooled_classes(splits.train)),
        _described([cases for pairs in read.values() for _, cases in pairs], ", ".join(sets.test), recipe),
        SplitDescription(**counts),
        inputs=Inputs(first.modality, first.features, transform, recipe.data.bits),
    )


def _named(name: str, data: DataSettings) -> Cases:
    """The cases of a catalogue name or a path, their patients and conditions named after it."""
    path = Path(name)
    place: dict[str, Any] = {"name": name}
    if path.suffix.lower() == ".csv" or path.is_dir():
        place = {"folder": path} if path.is_dir() else {"csv": path}
    cases = read_cases(data.model_copy(update={"sets": None} | place))
    short = path.stem
    return replace(
        cases,
        patient=np.char.add(f"{short}:", cases.patient.astype(str)),
        classes=tuple(f"{short}: {label}" for label in cases.classes),
    )


def _described(every: Sequence[Cases], name: str, recipe: Recipe) -> DataDescription:
    """All data sets of a study in the report's words."""
    parts = [describe(cases, recipe) for cases in every]

    def joined(texts: Iterable[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(texts))

    return parts[0].model_copy(
        update={
            "name": name,
            "source": "; ".join(joined(p.source for p in parts)),
            "licence": "; ".join(joined(p.licence for p in parts)),
            "cases": sum(p.cases for p in parts),
            "patients": sum(p.patients for p in parts),
            "preprocessing": joined(text for p in parts for text in p.preprocessing),
            "notes": joined(text for p in parts for text in p.notes),
        }
    )
