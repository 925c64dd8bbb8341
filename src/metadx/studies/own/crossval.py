"""Cross-validation within one's own patients: settings are chosen inside the training patients of every fold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from metadx.algorithms import as_predictor
from metadx.cases import Cases, fit_table
from metadx.cases.preprocess import fit_signal
from metadx.evaluation.metrics import log_loss
from metadx.studies.contenders import Settings
from metadx.studies.own.folds import deal_folds
from metadx.studies.own.methods import own_contender, with_settings
from metadx.tasks import Task, make_examples

_INNER_SEED = 7


@dataclass(frozen=True)
class Sheet:
    """What folds are made of.

    Args:
        x: observations, shape (cases, features), NaN where missing; or embeddings.
        y: conditions, shape (cases,).
        person: whose each case is, shape (cases,).
        ways: number of conditions.
        raw: whether columns are still to be standardised, by the training patients of each fold.
        channels: of signals, which are standardised by the same patients; 0 where there are none.
    """

    x: NDArray[Any]
    y: NDArray[np.int64]
    person: NDArray[np.int64]
    ways: int
    raw: bool
    channels: int = 0

    def task(self, train: NDArray[np.int64], test: NDArray[np.int64]) -> Task:
        """Training cases as support set, test cases as query set; the transform sees the former alone."""
        if self.channels:
            shaped = self.x.reshape(len(self.x), self.channels, -1)
            signal = fit_signal(shaped[train])
            known, asked = (signal(shaped[at]).reshape(len(at), -1) for at in (train, test))
        elif self.raw:
            transform = fit_table(self.x[train])
            known, asked = transform(self.x[train]), transform(self.x[test])
        else:
            known, asked = self.x[train].astype(np.float32), self.x[test].astype(np.float32)
        return Task(
            *(
                make_examples(torch.from_numpy(x), torch.from_numpy(self.y[at]), self.ways)
                for x, at in ((known, train), (asked, test))
            )
        )

    @property
    def width(self) -> int:
        """Features of a case as methods see it."""
        return int(fit_table(self.x).shape[0]) if self.raw else int(self.x.shape[1])


@dataclass(frozen=True)
class Fold:
    """One part that is held out.

    Args:
        name: which, such as "repeat 1, fold 2" or "site Basel".
        round: folds of one round hold out every case once.
        test: the cases held out, shape (cases,).
    """

    name: str
    round: str
    test: NDArray[np.int64]


class Answer(BaseModel):
    """What one method said of one fold.

    Args:
        settings: those that did best inside the training patients.
        validation: their log loss there.
        cases: those held out.
        probability: of every condition, one row per case held out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    settings: dict[str, float | int | str | None]
    validation: float
    cases: list[int]
    probability: list[list[float]]


def folds_of(sheet: Sheet, folds: int, repeats: int, seed: int) -> list[Fold]:
    """The folds of a repeated cross-validation."""
    found = []
    for repeat in range(repeats):
        part = deal_folds(sheet.y, sheet.person, folds, [seed, repeat])
        found += [
            Fold(f"repeat {repeat + 1}, fold {k + 1}", f"repeat {repeat + 1}", np.flatnonzero(part == k))
            for k in range(folds)
        ]
    return [fold for fold in found if len(fold.test)]


def site_folds(cases: Cases) -> list[Fold]:
    """One fold for each site, held out as a whole."""
    assert cases.site is not None
    return [
        Fold(f"site {name}", "sites", np.flatnonzero(cases.site == name)) for name in np.unique(cases.site)
    ]


def answer(sheet: Sheet, fold: Fold, method: str, inner: int) -> Answer:
    """Chooses a method's settings inside the patients who are not held out, fits it to them, and asks it."""
    train = np.flatnonzero(~np.isin(sheet.person, sheet.person[fold.test]))
    settings, score = choose(sheet, train, method, inner)
    contender = own_contender(method, sheet.width, sheet.ways)
    algorithm, params, state = with_settings(contender, settings)
    probability = as_predictor(algorithm, params, state, "loop")([sheet.task(train, fold.test)])[0]
    return Answer(
        settings=settings,
        validation=score,
        cases=fold.test.tolist(),
        probability=np.round(_proper(probability), 6).tolist(),
    )


def choose(sheet: Sheet, train: NDArray[np.int64], method: str, inner: int) -> tuple[Settings, float]:
    """The settings of a method with the least log loss in a cross-validation of some patients, and that loss."""
    contender = own_contender(method, sheet.width, sheet.ways)
    tasks = list(_inner(sheet, train, inner))
    if not tasks:  # too few people of each condition to hold any out: the middle of the grid
        return contender.grid[len(contender.grid) // 2], float(np.log(sheet.ways))
    tried = []
    for settings in contender.grid:
        algorithm, params, state = with_settings(contender, settings)
        outputs = as_predictor(algorithm, params, state, "loop")(tasks)
        losses = [
            (log_loss(_proper(out), task.query.y.argmax(-1).numpy()), len(out))
            for out, task in zip(outputs, tasks, strict=True)
        ]
        tried.append((sum(loss * n for loss, n in losses) / sum(n for _, n in losses), settings))
    score, settings = min(tried, key=lambda pair: pair[0])
    return settings, float(score)


def _inner(sheet: Sheet, train: NDArray[np.int64], inner: int) -> Iterator[Task]:
    part = deal_folds(sheet.y[train], sheet.person[train], inner, [_INNER_SEED, len(train)])
    for k in range(inner):
        held, kept = train[part == k], train[part != k]
        if len(held) and len(np.unique(sheet.y[kept])) > 1:
            yield sheet.task(kept, held)


def _proper(probability: NDArray[Any]) -> NDArray[np.float64]:
    """Probabilities, alike where a method gave none."""
    out = np.asarray(probability, dtype=np.float64)
    return np.where(np.isfinite(out).all(1, keepdims=True), out, 1 / out.shape[1])
