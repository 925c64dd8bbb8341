"""Tasks made from unlabelled cases: each way is a neighbourhood of an unusual patient.

What a diagnosis looks like is a group of patients who are alike, and unlike most, in a few measurements. Such
groups can be drawn from any table without a label, and a model that learns to tell them apart from a handful of
cases learns which differences a handful of cases can be trusted on.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from metadx.cases import Cases, TableTransform
from metadx.errors import UserError
from metadx.tasks.conditions import ConditionEpisode, ConditionSource
from metadx.tasks.source import Shape
from metadx.tasks.task import Task

_SMALLEST, _LARGEST = 30, 200
_ATTEMPTS = 10


class RegionEpisode(ConditionEpisode):
    """An episode within one of the region sets."""

    region_set: int


class RegionSource:
    """Tasks that tell neighbourhoods of unusual patients apart.

    A region set picks one to three raw columns, with random weights, and as many unusual anchor patients as
    there are ways; every case belongs to the nearest anchor, and an anchor's 30 to 200 nearest are its way.

    Args:
        cases: a table; its labels are not looked at.
        transform: maps rows to inputs, fitted on meta-training cases.
        ways: regions of each set.
        sets: number of region sets that tasks are drawn from, at most.
        seed: of the region sets.

    Raises:
        UserError: there are too few cases to find such neighbourhoods.
    """

    classification = True

    def __init__(
        self, cases: Cases, transform: TableTransform, ways: int = 5, sets: int = 400, seed: int = 0
    ) -> None:
        self.name = "regions"
        self._x = transform(cases.x)
        self._columns = [c for c in transform.columns if np.ptp(self._x[:, list(c.inputs)], axis=0).max() > 0]
        rng = np.random.default_rng(seed)
        enough = len(cases) >= ways * _SMALLEST
        drawn = (self._draw_set(rng, ways) for _ in range(sets * _ATTEMPTS if enough else 0))
        found = list(itertools.islice((regions for regions in drawn if regions is not None), sets))
        if not found:
            raise UserError(
                f"{cases.provenance.source}: {len(cases)} cases are too few to make {ways} neighbourhoods of at "
                f"least {_SMALLEST}. Leave the region tasks out."
            )
        self._sources = [_source(cases, regions, transform) for regions in found]
        self._patients = frozenset(cases.patient.tolist())

    def patients(self) -> frozenset[str]:
        return self._patients

    def conditions(self) -> frozenset[str]:
        return frozenset()

    def draw(self, rng: np.random.Generator, shape: Shape) -> RegionEpisode:
        chosen = int(rng.integers(len(self._sources)))
        episode = self._sources[chosen].draw(rng, shape)
        return RegionEpisode(region_set=chosen, **episode.model_dump())

    def task(self, episode: RegionEpisode) -> Task:
        return self._sources[episode.region_set].task(episode)

    def _draw_set(self, rng: np.random.Generator, ways: int) -> list[NDArray[np.int64]] | None:
        """The cases of each region of a set, or None where one of them would be too small."""
        weight = np.array([3.0 if c.continuous else 1.0 for c in self._columns])
        few = min(int(rng.integers(1, 4)), len(self._columns))
        chosen = rng.choice(len(weight), few, replace=False, p=weight / weight.sum())
        inputs = [i for c in chosen for i in self._columns[c].inputs]
        z = self._x[:, inputs] * np.exp(0.5 * rng.normal(size=len(inputs)))
        unusual = (z**2).sum(1) + 0.3
        anchors = rng.choice(len(z), ways, replace=False, p=unusual / unusual.sum())
        distance = ((z[:, None] - z[anchors]) ** 2).sum(-1) + 1e-6 * rng.random((len(z), ways))
        nearest = distance.argmin(1)
        if np.bincount(nearest, minlength=ways).min() < _SMALLEST:
            return None
        regions = []
        for way in range(ways):
            own = np.flatnonzero(nearest == way)
            size = rng.integers(_SMALLEST, _LARGEST)
            regions.append(own[np.argsort(distance[own, way])[:size]])
        return regions


def _source(cases: Cases, regions: list[NDArray[np.int64]], transform: TableTransform) -> ConditionSource:
    label = np.repeat(np.arange(len(regions)), [len(r) for r in regions])
    names = tuple(f"region {i}" for i in range(len(regions)))
    return ConditionSource(replace(cases.select(np.concatenate(regions)), y=label, classes=names), transform)
