"""Problems of patients: each is a task, their earlier cases the support set and their later ones the query set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from metadx.algorithms import Dimensions
from metadx.cases import Cases, Inputs, Transform
from metadx.errors import UserError
from metadx.evaluation import SplitDescription
from metadx.studies.problem import (
    Problem,
    describe,
    read_cases,
    scans_of,
    target_scale,
    together,
    transform_of,
    with_gaps,
)
from metadx.studies.recipe import PatientSettings, Recipe, SplitSettings
from metadx.studies.sets import described, read_sets
from metadx.tasks import MetaDataset, MetaSplits, PatientSource, Split

_SIDES: tuple[Split, Split, Split] = ("train", "validation", "test")


def build_patients(recipe: Recipe, settings: PatientSettings) -> Problem:
    """Tasks by patient: whole data sets on each side, or the patients of one dealt out.

    Raises:
        UserError: the data cannot be read, have no times, are of conditions, or of too few patients.
    """
    if recipe.data.sets is not None:
        read = read_sets(recipe, recipe.data.sets)
        sides = {side: [one.cases for one in those] for side, those in read.items()}
        name = ", ".join(recipe.data.sets.test)
    else:
        cases = read_cases(recipe.data)
        sides = dict(zip(_SIDES, ([part] for part in _dealt(cases, recipe.data.split)), strict=True))
        name = describe(cases, recipe).name
    every = [cases for side in sides.values() for cases in side]
    classes = next((cases for cases in every if not cases.regression), None)
    if classes is not None:
        raise UserError(
            f"{classes.provenance.source}: tasks by patient predict values so far, and these cases have "
            "conditions. Leave `patients` out of the recipe for tasks by condition."
        )
    known = together(sides["train"])
    transform = transform_of(known, recipe.data)
    target = target_scale(known)

    def dataset(side: Split) -> MetaDataset:
        return MetaDataset(side, list(_sources(sides[side], side, settings, transform, target)), recipe.tasks)

    splits = MetaSplits(dataset("train"), dataset("validation"), dataset("test"))
    counts = {
        side: {f"patients of {c.provenance.source}": len(np.unique(c.patient)) for c in those}
        for side, those in sides.items()
    }
    return Problem(
        splits,
        Dimensions(transform.shape, 1, 0, classification=False, gaps=with_gaps(transform)),
        described(every, name, recipe),
        SplitDescription(**counts),
        classification=False,
        inputs=Inputs(known.modality, known.features, transform, recipe.data.bits, scans_of(recipe.data)),
    )


def _sources(
    side: Sequence[Cases],
    name: Split,
    settings: PatientSettings,
    transform: Transform,
    target: tuple[float, float],
) -> Iterable[PatientSource]:
    for cases in side:
        yield PatientSource(cases, settings.history, transform, target, f"{cases.provenance.source}/{name}")


def _dealt(cases: Cases, split: SplitSettings) -> list[Cases]:
    """The cases of each side; patients are dealt out in proportion to `share`."""
    people = np.unique(cases.patient)
    if len(people) < 3:
        raise UserError(f"{cases.provenance.source}: {len(people)} patients; three sides need three or more.")
    order = np.random.default_rng(split.seed).permutation(people)
    ends = np.round(np.cumsum(split.share) / sum(split.share) * len(people)).astype(int)
    ends = np.clip(ends, [1, 2, 3], [len(people) - 2, len(people) - 1, len(people)])
    return [cases.select(np.isin(cases.patient, part)) for part in np.split(order, ends[:2])]
