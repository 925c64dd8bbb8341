"""How much of a cross-validation fits into the time: repeats first give way, then folds, then trees."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metadx.algorithms import as_predictor
from metadx.studies.own.crossval import Sheet
from metadx.studies.own.folds import deal_folds, people_of_each
from metadx.studies.own.methods import own_contender, with_settings

_MOST_CASES, _MOST_WIDE = 3000, 600
_WIDE = 400
_FOLDS, _INNER = 5, 4
_TREES = ("boosted_trees", "logistic_trees")


def most_cases(columns: int) -> int:
    """Cases of so many columns that a cross-validation uses at most."""
    return _MOST_CASES if columns <= _WIDE else _MOST_WIDE


@dataclass(frozen=True)
class Budget:
    """What a cross-validation does.

    Args:
        folds, repeats: of it.
        inner: folds inside the training patients, for choosing settings.
        methods: who takes part.
        seconds: of one core that it is foreseen to take.
        said: how it was chosen, in sentences.
    """

    folds: int
    repeats: int
    inner: int
    methods: tuple[str, ...]
    seconds: float
    said: tuple[str, ...]


def find_budget(sheet: Sheet, methods: Sequence[str], seconds: float, cores: int) -> Budget:
    """The cross-validation that fits into so many seconds on so many cores, by timing one fit of every method."""
    people = people_of_each(sheet.y, sheet.person, sheet.ways)
    folds = int(max(2, min(_FOLDS, people[people > 0].min())))
    inner = min(_INNER, folds)
    wanted = 5 if len(sheet.y) <= 400 else 3 if len(sheet.y) <= 1500 else 1
    cost = {method: _seconds_per_fit(sheet, method, folds) for method in methods}
    kept = list(methods)

    def total(repeats: int) -> float:
        units = sum(cost[m] * (inner * len(own_contender(m, sheet.width, sheet.ways).grid) + 1) for m in kept)
        return folds * repeats * units

    said = []
    room = seconds * cores
    while total(1) > room and any(m in kept for m in _TREES):
        slowest = max((m for m in kept if m in _TREES), key=lambda m: cost[m])
        kept.remove(slowest)
        said.append(
            f"{own_contender(slowest, sheet.width, sheet.ways).title} was left out: it would not end in time."
        )
    if total(1) > room:
        folds, inner = min(folds, 3), min(inner, 3)
    repeats = int(np.clip(room / max(total(1), 1e-9), 1, wanted))
    rarest = int(people[people > 0].min())
    why = "the usual number" if folds == _FOLDS else f"the rarest condition has {rarest} patients"
    if total(1) > room:
        why = "more would take too long"
    times = "once" if repeats == 1 else f"{repeats} times with other folds"
    said.append(
        f"{folds}-fold cross-validation ({why}), {times}: whole patients, conditions in equal shares; settings "
        "are chosen "
        f"by {inner}-fold cross-validation inside the training patients of every fold."
    )
    if repeats < wanted:
        said.append(f"{wanted} repeats would be usual here; --minutes gives it more time.")
    return Budget(folds, repeats, inner, tuple(kept), total(repeats), tuple(said))


def _seconds_per_fit(sheet: Sheet, method: str, folds: int) -> float:
    part = deal_folds(sheet.y, sheet.person, folds, 0)
    contender = own_contender(method, sheet.width, sheet.ways)
    algorithm, params, state = with_settings(contender, contender.grid[len(contender.grid) // 2])
    task = sheet.task(np.flatnonzero(part != 0), np.flatnonzero(part == 0))
    began = time.process_time()
    as_predictor(algorithm, params, state, "loop")([task])
    return time.process_time() - began
