"""From a recipe's data to task sources: read, split, and fit the transform on meta-training cases."""

from __future__ import annotations

import numpy as np

from metadx.algorithms import Dimensions
from metadx.cases import Cases, Inputs, OwnColumns, TableTransform, Transform, fit_own_columns
from metadx.errors import UserError
from metadx.evaluation import DataDescription, SplitDescription
from metadx.studies.groups import build_groups
from metadx.studies.patients import build_patients
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
from metadx.studies.recipe import Recipe
from metadx.studies.rules import rules_for
from metadx.studies.sets import build_sets
from metadx.tasks import (
    ConditionSource,
    MetaDataset,
    MetaSplits,
    PermutedSource,
    RegionSource,
    SinusoidSource,
    Split,
    TaskSource,
    split_by_name,
    split_cases,
    split_conditions,
)
from metadx.tasks.source import bounds
from metadx.training import pooled_classes


def build_problem(recipe: Recipe) -> Problem:
    """Reads the recipe's data and splits them by condition.

    Raises:
        UserError: the data cannot be read, or cannot be split or drawn as the recipe asks.
    """
    if recipe.data.function is not None:
        return _functions(recipe)
    if recipe.patients is not None:
        return build_patients(recipe, recipe.patients)
    if recipe.groups is not None:
        return build_groups(recipe, recipe.groups)
    if recipe.data.sets is not None:
        return build_sets(recipe, recipe.data.sets)
    cases = read_cases(recipe.data)
    parts, controls = rules_for(recipe.data, cases)
    counts = {name: n for name, n in cases.counts().items() if name not in controls}
    s = recipe.data.split
    if s.test:
        split = split_by_name(counts, s.validation, s.test, least=s.least)
    else:
        split = split_conditions(counts, s.seed, parts=parts, share=s.share, large=s.large, least=s.least)
    sides = split_cases(cases, split)
    background = _background(cases, (*split.train, *controls), sides)
    own = takes_any_columns(recipe, background)
    transform: Transform = fit_own_columns(background.x) if own else transform_of(background, recipe.data)
    name = recipe.data.name or "data"

    def source(split: Split, side: Cases) -> ConditionSource:
        return ConditionSource(side, transform, f"{name}/{split}")

    augment = augments_of(recipe.data.augment, transform.shape)
    train = source("train", sides[0])
    sources, weights = _with_auxiliary(train, background, recipe)
    splits = MetaSplits(
        MetaDataset("train", sources, recipe.tasks, weights=weights, augment=augment),
        MetaDataset("validation", [source("validation", sides[1])], recipe.tasks),
        MetaDataset("test", [source("test", sides[2])], recipe.tasks),
    )
    left_out = split.left_out | dict.fromkeys(controls, "not a condition")
    counted = [side.counts() for side in sides]
    shared = sum(counts[name] for side in counted for name in side) - sum(map(len, sides))
    if shared:
        left_out[f"{shared} cases"] = "their patients have cases on another side too"
    return Problem(
        splits,
        Dimensions(
            transform.shape,
            bounds(recipe.tasks.ways)[1],
            pooled_classes(splits.train),
            gaps=with_gaps(transform),
        ),
        describe(cases, recipe),
        SplitDescription(train=counted[0], validation=counted[1], test=counted[2], left_out=left_out),
        inputs=Inputs(
            cases.modality,
            () if own else cases.features,
            OwnColumns(np.zeros(0), transform.shape[0]) if own else transform,
            recipe.data.bits,
            scans_of(recipe.data),
        ),
    )


def _background(cases: Cases, names: tuple[str, ...], sides: tuple[Cases, Cases, Cases]) -> Cases:
    """Meta-training cases and those of no condition: what transforms and unlabelled tasks may look at."""
    elsewhere = {*sides[1].patient.tolist(), *sides[2].patient.tolist()}
    background = cases.of_conditions(names)
    return background.select(~np.isin(background.patient, sorted(elsewhere)))


def _with_auxiliary(
    train: ConditionSource, background: Cases, recipe: Recipe
) -> tuple[list[TaskSource], list[float]]:
    """The sources of meta-training tasks and how often each is drawn from."""
    shares = recipe.auxiliary
    sources: list[TaskSource] = [train]
    weights = [1 - shares.regions - shares.permuted]
    if not isinstance(train.transform, TableTransform):
        if shares.regions or shares.permuted:
            raise UserError("auxiliary: regions and permuted tasks are made from the columns of a table only")
        return sources, weights
    if shares.regions:
        ways, seed = bounds(recipe.tasks.ways)[1], recipe.training.seed
        sources.append(RegionSource(background, train.transform, ways, seed=seed))
        weights.append(shares.regions)
    if shares.permuted:
        sources.append(PermutedSource(train))
        weights.append(shares.permuted)
    return sources, weights


def _functions(recipe: Recipe) -> Problem:
    source = SinusoidSource()
    train, validation, test = (
        MetaDataset(split, [source], recipe.tasks) for split in ("train", "validation", "test")
    )
    return Problem(
        MetaSplits(train, validation, test),
        Dimensions(source.input_shape, 1, 0, classification=False),
        DataDescription(
            name="sinusoid",
            source="sine waves, Finn et al. 2017, section 5.1",
            licence="none needed",
            cases=0,
            patients=0,
            modality="function",
        ),
        SplitDescription(train={}, validation={}, test={}),
        classification=False,
    )
