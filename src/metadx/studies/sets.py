"""Problems of several data sets: whole ones on each side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from metadx.algorithms import Dimensions
from metadx.cases import Cases, Inputs, OwnColumns, Transform, entries, fit_own_columns, fit_table
from metadx.errors import UserError
from metadx.evaluation import DataDescription, SplitDescription
from metadx.studies.problem import (
    Problem,
    augments_of,
    describe,
    read_cases,
    scans_of,
    takes_any_columns,
    transform_of,
    with_gaps,
)
from metadx.studies.recipe import DataSettings, Recipe, SetsSettings
from metadx.studies.rules import rules_for
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
    read = {
        side: [(s.name, _of_conditions(s, recipe.data)) for s in those]
        for side, those in read_sets(recipe, sets).items()
    }
    _, first = read["train"][0]
    width = max(cases.x.shape[-1] for pairs in read.values() for _, cases in pairs)
    own = takes_any_columns(recipe, first)
    transform: Transform = (
        OwnColumns(np.zeros(0), width) if own else _common(recipe, [c for _, c in read["train"]])
    )
    features = () if own else first.features
    augment = augments_of(recipe.data.augment, transform.shape)

    def dataset(side: Split) -> MetaDataset:
        sources = [
            ConditionSource(cases, fit_own_columns(cases.x, width) if own else transform, f"{name}/{side}")
            for name, cases in read[side]
        ]
        weights = [len(s.cases.classes) for s in sources]
        return MetaDataset(
            side, sources, recipe.tasks, weights=weights, augment=augment if side == "train" else None
        )

    splits = MetaSplits(dataset("train"), dataset("validation"), dataset("test"))
    counts = {
        side: {k: n for _, cases in pairs for k, n in cases.counts().items()} for side, pairs in read.items()
    }
    return Problem(
        splits,
        Dimensions(
            transform.shape,
            bounds(recipe.tasks.ways)[1],
            pooled_classes(splits.train),
            gaps=with_gaps(transform),
        ),
        described([cases for pairs in read.values() for _, cases in pairs], ", ".join(sets.test), recipe),
        SplitDescription(**counts),
        inputs=Inputs(first.modality, features, transform, recipe.data.bits, scans_of(recipe.data)),
    )


def _common(recipe: Recipe, known: Sequence[Cases]) -> Transform:
    """One transform for all data sets, fitted on those of meta-training."""
    first = known[0]
    if first.modality == "table" or first.features:
        return fit_table(np.concatenate([cases.x for cases in known]))
    return transform_of(first, recipe.data, known)


class ReadSet(NamedTuple):
    """A data set of a recipe: its name there, the short name of its patients and conditions, and its cases."""

    name: str
    short: str
    cases: Cases


def read_sets(recipe: Recipe, sets: SetsSettings) -> dict[Split, list[ReadSet]]:
    """The data sets of each side, their patients named after them.

    Raises:
        UserError: a data set cannot be read, or its cases are not of one kind with the others.
    """
    sides: Mapping[Split, tuple[str, ...]] = {
        "train": sets.train,
        "validation": sets.validation,
        "test": sets.test,
    }
    short = _short_names([name for names in sides.values() for name in names])
    read = {
        side: [ReadSet(name, short[name], _read(name, short[name], recipe.data)) for name in names]
        for side, names in sides.items()
    }
    first_name, _, first = read["train"][0]
    for name, _, cases in (one for those in read.values() for one in those):
        if _kind(cases) != _kind(first) and not _own_columns(recipe, cases, first):
            raise UserError(
                f"{name}: {cases.modality} cases of shape {cases.x.shape[1:]}, but {first_name} has "
                f"{first.modality} cases of {first.x.shape[1:]}. Give pictures one data.size and data.channels, "
                "and tables the same columns; only gram_ridge takes tables of others."
            )
    return read


def _own_columns(recipe: Recipe, cases: Cases, first: Cases) -> bool:
    """Whether data sets may differ in their columns: tables of one modality, by an algorithm that takes any."""
    return (
        cases.modality == first.modality
        and takes_any_columns(recipe, cases)
        and bool(first.features)
        and recipe.groups is None
    )


def _kind(cases: Cases) -> tuple[object, ...]:
    return cases.modality, cases.x.shape[1:], cases.features


def _short_names(names: Sequence[str]) -> dict[str, str]:
    """The shortest ends of paths that tell the sets apart: `a/scans` and `b/scans` keep their folder."""
    parts = {name: Path(name).with_suffix("").parts for name in names}
    for kept in range(1, max(map(len, parts.values()))):
        short = {name: "/".join(these[-kept:]) for name, these in parts.items()}
        if len(set(short.values())) == len(names):
            return short
    return {name: name for name in names}


def _place(name: str) -> dict[str, Any]:
    """A set's place as `DataSettings` holds it: a CSV or an archive, a folder, or a catalogue name."""
    place, *chosen = name.split("#")
    path = Path(place)
    told = {key: one for key, one in zip(("task", "label"), chosen, strict=False) if one}
    return told | _kind_of_place(place, path)


def _kind_of_place(name: str, path: Path) -> dict[str, Any]:
    if name in entries():
        return {"name": name}
    if path.suffix.lower() in (".csv", ".npz"):
        return {"csv": path}
    return {"folder": path} if path.is_dir() else {"name": name}


def _read(name: str, short: str, data: DataSettings) -> Cases:
    """The cases of a catalogue name or a path, their patients named after it."""
    cases = read_cases(_own(name, data))
    return replace(cases, patient=np.char.add(f"{short}:", cases.patient.astype(str)))


def _own(name: str, data: DataSettings) -> DataSettings:
    return data.model_copy(update={"sets": None, **_place(name)})


def _of_conditions(one: ReadSet, data: DataSettings) -> Cases:
    """The cases without labels that are no condition, the others named after their set."""
    controls = rules_for(_own(one.name, data), one.cases).controls
    kept = one.cases.of_conditions([label for label in one.cases.classes if label not in controls])
    return replace(kept, classes=tuple(f"{one.short}: {label}" for label in kept.classes))


def described(every: Sequence[Cases], name: str, recipe: Recipe) -> DataDescription:
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
