"""What a study needs to know of its data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadx.algorithms import ANY_COLUMNS, Dimensions
from metadx.cases import (
    Cases,
    GapTransform,
    Inputs,
    PictureTransform,
    Reading,
    Room,
    Scans,
    Transform,
    entries,
    entry,
    find,
    fit_transform,
    fit_whitening,
    in_memory,
    load,
    read_files,
    rotations,
    through_store,
)
from metadx.cases.own import Asked, Own, Pictures, read_own
from metadx.cases.signals import read_series, read_visits
from metadx.diagnosis import Target
from metadx.errors import UserError
from metadx.evaluation import DataDescription, SplitDescription
from metadx.learners import BACKBONES
from metadx.studies.recipe import Augmented, AugmentSettings, DataSettings, Recipe
from metadx.tasks import (
    Augments,
    ConditionSource,
    GroupSource,
    MetaDataset,
    MetaSplits,
    Shape,
    augmentations,
)
from metadx.tasks.source import bounds

_SIDE = 64


@dataclass(frozen=True)
class Problem:
    """Everything a study needs to know of its data.

    Args:
        splits: meta-train, meta-validation, meta-test.
        dimensions: what a network must fit.
        data, split: for the report.
        inputs: the observations that a model of it takes; None where tasks are functions.
        classification: whether tasks are about conditions.
        target: what is predicted, where tasks are about values of data.
        conditions: where they are the same in every task, in the order of the outputs.
    """

    splits: MetaSplits
    dimensions: Dimensions
    data: DataDescription
    split: SplitDescription
    classification: bool = True
    inputs: Inputs | None = None
    target: Target | None = None
    conditions: tuple[str, ...] = ()


def read_cases(data: DataSettings) -> Cases:
    """The cases a recipe names; their pictures on disk where it names a store."""
    place = None if data.store is None else _place(data)
    if data.store is None or place is None:
        return _turned(data, in_memory)
    told = data.model_dump(mode="json", exclude={"store", "split", "augment", "backbone", "whiten"})
    return through_store(
        data.store, place, json.dumps(told, sort_keys=True), lambda room: _turned(data, room)
    )


def _place(data: DataSettings) -> Path | None:
    """Where the cases lie; None where they are not here, which their reader says better."""
    own = data.csv or data.folder or data.own
    if own is not None or data.name is None or data.name not in entries():
        return own
    holding = find(entry(data.name))
    return None if holding is None or (holding.doubt and not data.allow_unverified) else holding.path


def _turned(data: DataSettings, room: Room) -> Cases:
    cases = _read(data, room)
    return rotations(cases) if data.rotations else cases


def _read(data: DataSettings, room: Room) -> Cases:
    if data.own is not None:
        return read_whatever(data).cases
    own = data.csv or data.folder
    if data.series is not None:
        if own is None:
            raise UserError(
                "data.series says how a `csv` or `folder` of time series is read; give one of them"
            )
        return read_series(own, **data.series.model_dump())
    if data.visits is not None:
        if data.csv is None:
            raise UserError("data.visits says how a `csv` of visits is read; give one")
        return read_visits(data.csv, **data.visits.model_dump())
    if own is not None:
        how = Reading(
            patients=data.patients,
            patient_pattern=data.patient_pattern,
            size=data.size,
            channels=data.channels,
            bits=data.bits,
            task=data.task,
            label=data.label,
            scans=scans_of(data),
            room=room,
        )
        return read_files(own, how)
    assert data.name is not None
    return load(
        data.name,
        allow_unverified=data.allow_unverified,
        patients=data.patients,
        size=data.size,
        channels=data.channels,
        label=data.label,
    )


def scans_of(data: DataSettings) -> Scans | None:
    """What of scans becomes cases, if the recipe says so."""
    return None if data.scans is None else data.scans.scans()


def read_whatever(data: DataSettings) -> Own:
    """The cases of a file or folder of one's own, and what was found out about them."""
    assert data.own is not None
    size = data.size[0] if isinstance(data.size, tuple) else data.size
    pictures = Pictures(size or _SIDE, data.channels, data.patient_pattern)
    return read_own(data.own, Asked(**data.columns.model_dump()), pictures)


def transform_of(cases: Cases, data: DataSettings, sets: Sequence[Cases] = ()) -> Transform:
    """What turns the cases into inputs: the backbone the recipe names, or what suits them, fitted on them alone.

    Args:
        sets: the meta-training cases set by set, where there are several; whitening is fitted on all of them.
    """
    if data.backbone is None:
        if data.whiten is not None:
            raise UserError("data.whiten is for the features of a backbone: name one with data.backbone")
        return fit_transform(cases)
    if cases.modality != "image" or cases.x.ndim != 4:
        what = "volumes" if cases.modality == "image" else f"{cases.modality} cases"
        raise UserError(f"data.backbone embeds pictures, not {what}")
    backbone: PictureTransform = BACKBONES[data.backbone](cases.x.shape[1:])
    if data.whiten is None:
        return backbone
    return fit_whitening(backbone, [(c.x, c.y) for c in sets or [cases]], data.whiten)


def augments_of(setting: Augmented, shape: Sequence[int]) -> Augments | None:
    """The changes a recipe names: one list for support and query sets, or one for each."""
    if isinstance(setting, AugmentSettings):
        return augmentations(setting.support, setting.query, shape)
    return augmentations(setting, setting, shape)


def takes_any_columns(recipe: Recipe, cases: Cases) -> bool:
    """Whether the recipe's algorithm is to see the columns of these cases as they are."""
    return recipe.algorithm.name in ANY_COLUMNS and bool(cases.features)


def with_gaps(transform: Transform) -> bool:
    """Whether a transform's inputs say what was observed, which some networks need to know."""
    return isinstance(transform, GapTransform)


def check_alike(every: Sequence[Cases]) -> None:
    """Raises `UserError` unless all have the same classes, as tasks by patient or by group need."""
    first = every[0]
    other = next((cases for cases in every if cases.classes != first.classes), None)
    if other is not None:
        raise UserError(
            f"{other.provenance.source}: its classes are {list(other.classes)[:6]}, those of "
            f"{first.provenance.source} {list(first.classes)[:6]}. Tasks by patient or by group need the same "
            "in all; leave `patients` and `groups` out of the recipe for tasks by condition."
        )


def together(parts: Sequence[Cases]) -> Cases:
    """All meta-training cases as one, for what is fitted on them."""
    first = parts[0]
    return Cases(
        x=first.x if len(parts) == 1 else np.concatenate([c.x for c in parts]),
        y=np.concatenate([c.y for c in parts]),
        patient=np.concatenate([c.patient.astype(str) for c in parts]),
        classes=first.classes,
        modality=first.modality,
        provenance=first.provenance,
        features=first.features,
        time=_times([c.time for c in parts]),
        reach=first.reach,
        quantity=first.quantity,
        unit=first.unit,
        reader=first.reader,
    )


def _times(times: Sequence[NDArray[Any] | None]) -> NDArray[Any] | None:
    """The times of all parts; None where a part has none, or theirs are of different kinds."""
    known = [time for time in times if time is not None]
    if len(known) < len(times) or len({time.dtype.kind for time in known}) > 1:
        return None
    return np.concatenate(known)


def target_of(known: Cases) -> Target | None:
    """What is predicted of meta-training cases; None where they have conditions."""
    if not known.regression:
        return None
    centre, spread = target_scale(known)
    return Target(centre=centre, spread=spread, quantity=known.quantity, unit=known.unit)


def target_scale(known: Cases) -> tuple[float, float]:
    """Centre and spread of the target: those of the signal where it is forecast, so that both are on one scale."""
    values = known.x if known.modality == "signal" else known.y
    spread = float(np.std(values, dtype=np.float64))
    return float(np.mean(values, dtype=np.float64)), spread if spread > 0 else 1.0


def feasible(dataset: MetaDataset, shape: Shape) -> Shape:
    """The shape with its ways and shots lowered to what the split's conditions can give."""
    by_group = [s for s in dataset.sources() if isinstance(s, GroupSource)]
    if by_group:
        least = bounds(shape.shots)[0]
        able = next((k for k in range(least, 1, -1) if any(s.eligible(k) for s in by_group)), 1)
        return shape if able == least else shape.model_copy(update={"shots": able})
    sources = [s for s in dataset.sources() if isinstance(s, ConditionSource)]
    if not sources:
        return shape
    shots = bounds(shape.shots)[0]
    while shots > 1 and max(len(s.eligible(shots)) for s in sources) < 2:
        shots -= 1
    ways = min(bounds(shape.ways)[0], max(len(s.eligible(shots)) for s in sources))
    return shape.model_copy(update={"ways": max(ways, 2), "shots": shots})


def describe(cases: Cases, recipe: Recipe) -> DataDescription:
    """The data of a recipe in the report's words."""
    return describe_as(
        cases, recipe.data.name or str(recipe.data.csv or recipe.data.folder or recipe.data.own)
    )


def describe_as(cases: Cases, name: str) -> DataDescription:
    """Cases of this name as reports and cards tell of them."""
    origin = cases.provenance
    return DataDescription(
        name=name,
        source=origin.source,
        licence=origin.licence,
        cases=len(cases),
        patients=len(np.unique(cases.patient)),
        modality=cases.modality,
        preprocessing=origin.preprocessing,
        notes=origin.notes,
    )
