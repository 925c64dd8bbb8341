"""Problems of patients: each is a task, their earlier cases the support set and their later ones the query set."""

from __future__ import annotations

import numpy as np

from metadx.algorithms import Dimensions
from metadx.cases import Cases, inputs_of
from metadx.cases.signals import fibrillating
from metadx.errors import UserError
from metadx.evaluation import SplitDescription
from metadx.studies.problem import (
    Problem,
    check_alike,
    describe,
    read_cases,
    scans_of,
    target_of,
    target_scale,
    together,
    transform_of,
    with_gaps,
)
from metadx.studies.recipe import PatientSettings, Recipe
from metadx.studies.sets import described, read_sets
from metadx.tasks import MetaDataset, MetaSplits, PatientSource, Split, split_by_group, split_groups

_SIDES: tuple[Split, Split, Split] = ("train", "validation", "test")


def build_patients(recipe: Recipe, settings: PatientSettings) -> Problem:
    """Tasks by patient: whole data sets on each side, or the patients of one dealt out.

    Raises:
        UserError: the data cannot be read, have no times, differ in their conditions, or are of too few patients.
    """
    if recipe.data.sets is not None:
        if settings.validation or settings.test:
            raise UserError(
                "patients.validation and patients.test name patients of one data set; `data.sets` says the sides"
            )
        read = read_sets(recipe, recipe.data.sets)
        sides = {side: [one.cases for one in those] for side, those in read.items()}
        name = ", ".join(recipe.data.sets.test)
    else:
        cases = read_cases(recipe.data)
        sides = _dealt(cases, recipe, settings)
        name = describe(cases, recipe).name
    every = [cases for side in sides.values() for cases in side]
    check_alike(every)
    known = together(sides["train"])
    transform = transform_of(known, recipe.data)
    target = target_scale(known) if known.regression else (0.0, 1.0)

    def source(cases: Cases, side: str) -> PatientSource:
        return PatientSource(cases, settings.history, transform, target, f"{cases.provenance.source}/{side}")

    def dataset(side: Split) -> MetaDataset:
        sources = [source(cases, side) for cases in sides[side]]
        if side == "train" and settings.fibrillation:
            irregular = fibrillating(known, np.random.default_rng(0))
            real = (1 - settings.fibrillation) / len(sources)
            weights = [real] * len(sources) + [settings.fibrillation]
            return MetaDataset(
                side, [*sources, source(irregular, "fibrillating")], recipe.tasks, weights=weights
            )
        return MetaDataset(side, sources, recipe.tasks)

    splits = MetaSplits(dataset("train"), dataset("validation"), dataset("test"))
    counts = {
        side: {f"patients of {c.provenance.source}": len(np.unique(c.patient)) for c in those}
        for side, those in sides.items()
    }
    return Problem(
        splits,
        Dimensions(
            transform.shape,
            len(known.classes) or 1,
            len(known.classes),
            not known.regression,
            gaps=with_gaps(transform),
        ),
        described(every, name, recipe),
        SplitDescription(**counts),
        classification=not known.regression,
        inputs=inputs_of(known, transform, recipe.data.bits, scans_of(recipe.data)),
        target=target_of(known),
        conditions=known.classes,
    )


def _dealt(cases: Cases, recipe: Recipe, settings: PatientSettings) -> dict[Split, list[Cases]]:
    """The cases of each side: patients are dealt out in proportion to `share`, or go where they are named for."""
    deal = recipe.data.split
    split = split_groups(
        cases,
        cases.patient,
        deal.seed,
        share=deal.share,
        least=0,
        validation=settings.validation,
        test=settings.test,
    )
    parts = split_by_group(cases, cases.patient, split)
    return {side: [part] for side, (part, _) in zip(_SIDES, parts, strict=True)}
