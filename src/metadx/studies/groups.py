"""Problems of groups, such as genes or hospitals: each is a task, and the classes are the same in all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metadx.algorithms import Dimensions
from metadx.cases import Cases, inputs_of
from metadx.errors import UserError
from metadx.evaluation import SplitDescription
from metadx.studies.problem import (
    Problem,
    augments_of,
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
from metadx.studies.recipe import GroupSettings, Recipe, SetsSettings
from metadx.studies.sets import described, read_sets
from metadx.tasks import (
    GroupSource,
    MetaDataset,
    MetaSplits,
    Split,
    group_names,
    split_by_group,
    split_groups,
)

_SIDES: tuple[Split, Split, Split] = ("train", "validation", "test")


class _Part(NamedTuple):
    """Cases of one source on one side, and the group of each."""

    cases: Cases
    group: NDArray[np.str_]


def build_groups(recipe: Recipe, settings: GroupSettings) -> Problem:
    """Tasks by group: the groups of one data set dealt out, or whole data sets on each side.

    Raises:
        UserError: the data cannot be read, do not say their groups, have too few of them, or differ in classes.
    """
    if recipe.auxiliary.regions or recipe.auxiliary.permuted:
        raise UserError("auxiliary: regions and permuted tasks are made for tasks by condition, not by group")
    left_out: dict[str, str] = {}
    if recipe.data.sets is not None:
        sides = _of_sets(recipe, recipe.data.sets, settings)
        name = ", ".join(recipe.data.sets.test)
    else:
        sides, left_out = _dealt(recipe, settings)
        name = describe(sides["test"][0].cases, recipe).name
    every = [part.cases for side in _SIDES for part in sides[side]]
    check_alike(every)
    known = together([part.cases for part in sides["train"]])
    transform = transform_of(known, recipe.data)
    target = target_scale(known) if known.regression else (0.0, 1.0)
    augment = augments_of(recipe.data.augment, transform.shape)

    def dataset(side: Split) -> MetaDataset:
        sources = [
            GroupSource(
                part.cases,
                part.group,
                settings.drawn,
                transform,
                target,
                f"{part.cases.provenance.source}/{side}",
            )
            for part in sides[side]
        ]
        weights = [len(source.groups) for source in sources]
        return MetaDataset(
            side, sources, recipe.tasks, weights=weights, augment=augment if side == "train" else None
        )

    splits = MetaSplits(dataset("train"), dataset("validation"), dataset("test"))
    return Problem(
        splits,
        Dimensions(
            transform.shape,
            len(known.classes) or 1,
            len(known.classes),
            not known.regression,
            with_gaps(transform),
        ),
        described(every, name, recipe),
        SplitDescription(**{side: _counts(sides[side]) for side in _SIDES}, left_out=left_out),
        classification=not known.regression,
        inputs=inputs_of(known, transform, recipe.data.bits, scans_of(recipe.data)),
        target=target_of(known),
        conditions=known.classes,
    )


def _dealt(recipe: Recipe, settings: GroupSettings) -> tuple[Mapping[Split, Sequence[_Part]], dict[str, str]]:
    """The groups of one data set on each side, and those on none with the reason."""
    cases = read_cases(recipe.data)
    group = group_names(cases, settings.axis)
    deal = recipe.data.split
    split = split_groups(
        cases,
        group,
        deal.seed,
        share=deal.share,
        least=deal.least,
        validation=settings.validation,
        test=settings.test,
    )
    parts = split_by_group(cases, group, split)
    return {side: [_Part(*part)] for side, part in zip(_SIDES, parts, strict=True)}, split.left_out


def _of_sets(recipe: Recipe, sets: SetsSettings, settings: GroupSettings) -> Mapping[Split, Sequence[_Part]]:
    """Whole data sets on each side, their groups named after them."""
    if settings.validation or settings.test:
        raise UserError(
            "groups.validation and groups.test name groups of one data set; `data.sets` says the sides"
        )
    sides: dict[Split, list[_Part]] = {}
    for side, read in read_sets(recipe, sets).items():
        sides[side] = []
        for one in read:
            if settings.axis == "study":
                group = np.full(len(one.cases), one.short)
            else:
                names = group_names(one.cases, settings.axis)
                group = np.where(names == "", "", np.char.add(f"{one.short}: ", names))
            sides[side].append(_Part(one.cases, group))
    return sides


def _counts(parts: Sequence[_Part]) -> dict[str, int]:
    """Cases of each group of a side."""
    counts: dict[str, int] = {}
    for _, group in parts:
        names, number = np.unique(group[group != ""], return_counts=True)
        counts |= dict(zip(names.tolist(), number.tolist(), strict=True))
    return counts
