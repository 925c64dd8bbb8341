"""Features that alone give the label away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc

from metadx.cases.audit.leak import Leak, find, some
from metadx.cases.cases import Cases

ALMOST = 0.95
"""The share of a condition's cases found, and of those found that are right, that gives it away."""

_BESIDE = 2
_FEWEST = 5
_MOST = 20_000_000
_LEVEL = 0.01
_EXPECTED = 3
_SERIOUS = 0.98
_IDS = ("study", "series")


class _Clue(NamedTuple):
    name: str
    conditions: tuple[int, ...]
    agreement: float
    odds: float


def give_aways(cases: Cases) -> Iterator[Leak]:
    """The features, site, details and order of rows, each of which alone tells a condition nearly without error.

    A case is told by the nearest other cases in that feature alone; its own label is not used. What chance gives
    with so many features and conditions is taken into account. Where many features do so at once, as genes may,
    it is the condition that shows, and one notice names them.
    """
    if cases.regression or len(cases) < 2 * _FEWEST or len(cases) * len(cases.classes) > _MOST:
        return
    columns = dict(_columns(cases))
    tests = max(len(columns) * len(np.unique(cases.y)), 1)
    clues = [
        clue
        for name, value in columns.items()
        for clue in _clues(name, value, cases.y, len(cases.classes), tests)
    ]
    usual = [clue for clue in clues if not clue.name.startswith("the ")]
    if len(usual) > _EXPECTED:
        clues = [clue for clue in clues if clue not in usual]
        yield _many(cases, usual)
    for clue in clues:
        yield _finding(cases, clue)


def told(value: NDArray[Any], y: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """The commonest label among the nearest other cases in one feature, shape (cases,).

    Args:
        value: the feature, shape (cases,); those missing are alike.
        y: labels, shape (cases,).
        classes: how many labels there are.
    """
    n = len(y)
    order = np.argsort(value, kind="stable")
    ranked = value[order]
    label = y[order]
    missing = np.isnan(ranked)
    counted = np.zeros((n + 1, classes), dtype=np.int32)
    np.cumsum(label[:, None] == np.arange(classes), axis=0, out=counted[1:])
    known = int((~missing).sum())
    at = np.arange(n)
    low = np.where(
        missing, known, np.maximum(np.minimum(np.searchsorted(ranked, ranked, "left"), at - _BESIDE), 0)
    )
    high = np.where(
        missing, n, np.minimum(np.maximum(np.searchsorted(ranked, ranked, "right"), at + _BESIDE + 1), known)
    )
    around = counted[high] - counted[low]
    around[at, label] -= 1
    guess = np.empty(n, dtype=np.int64)
    guess[order] = np.where(around.sum(axis=1) > 0, around.argmax(axis=1), -1)
    return guess


def _columns(cases: Cases) -> Iterator[tuple[str, NDArray[np.float64]]]:
    if cases.modality == "image":
        yield from _tones(cases.x)
    elif cases.x.ndim == 2:
        names = cases.features or tuple(f"column {number}" for number in range(1, cases.x.shape[1] + 1))
        for at, name in enumerate(names):
            yield f"'{name}'", np.asarray(cases.x[:, at], dtype=np.float64)
    if cases.modality == "table":
        yield "the order of the rows", np.arange(len(cases), dtype=np.float64)
    if cases.site is not None and len(np.unique(cases.site)) > 1:
        yield "the site", np.unique(cases.site, return_inverse=True)[1].ravel().astype(np.float64)
    for name, told in cases.details.items():
        levels, number = np.unique(told, return_inverse=True)
        if len(levels) > 1 and name not in _IDS:
            yield f"the {name}", number.ravel().astype(np.float64)


def _tones(x: NDArray[Any]) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """What a picture gives away without showing anything: its brightness, contrast, black share and corners."""
    flat = x.reshape(len(x), x.shape[1], -1)
    for channel in range(x.shape[1]):
        name = f" of channel {channel + 1}" if x.shape[1] > 1 else ""
        yield f"mean brightness{name}", flat[:, channel].mean(axis=1, dtype=np.float64)
    yield "contrast", np.asarray([float(picture.std()) for picture in flat])
    yield "share of black", (flat == 0).mean(axis=(1, 2))
    corners = x[..., [0, 0, -1, -1], [0, -1, 0, -1]].reshape(len(x), -1)
    yield "brightness of the corners", corners.mean(axis=1, dtype=np.float64)


def _clues(
    name: str, value: NDArray[np.float64], y: NDArray[Any], classes: int, tests: int
) -> Iterator[_Clue]:
    if len(np.unique(value[~np.isnan(value)])) + np.isnan(value).any() < 2:
        return
    guess = told(value, y, classes)
    right = np.bincount(y[guess == y], minlength=classes)
    size = np.bincount(y, minlength=classes)
    guessed = np.bincount(guess[guess >= 0], minlength=classes)
    recall, precision = right / np.maximum(size, 1), right / np.maximum(guessed, 1)
    odds = bdtrc(right - 1, np.maximum(guessed, 1), size / len(y)) * tests
    sure = (size >= _FEWEST) & (np.minimum(recall, precision) >= ALMOST) & (odds <= _LEVEL)
    if sure.any():
        worst = float(np.minimum(recall, precision)[sure].min())
        yield _Clue(name, tuple(np.flatnonzero(sure).tolist()), worst, float(odds[sure].max()))


def _finding(cases: Cases, clue: _Clue) -> Leak:
    every = len(clue.conditions) >= len(np.unique(cases.y)) - 1
    certain = every and clue.agreement >= _SERIOUS
    ordered = clue.name == "the order of the rows"
    names = [cases.classes[at] for at in clue.conditions]
    what = "every condition" if every else some([f"'{name}'" for name in names])
    chance = f"with odds below {max(clue.odds, 1e-9):.1g} by chance"
    mends = {
        "the order of the rows": "Nothing, if they were sorted by label; otherwise ask what else changed.",
        "the site": "Test on sites that were not learned from: a model can learn to tell the sites apart instead.",
    }
    usual = "Ask whether it is known before the diagnosis is made, and remove it if not."
    return find(
        "give-away",
        "serious" if certain and not ordered and cases.modality == "table" else "notice",
        cases,
        np.flatnonzero(np.isin(cases.y, clue.conditions)).tolist(),
        f"{clue.name[0].upper()}{clue.name[1:]} alone tells {what}: at least {clue.agreement:.0%} of their cases, "
        f"{chance}.",
        mends.get(clue.name, usual),
    )


def _many(cases: Cases, clues: list[_Clue]) -> Leak:
    conditions = sorted({at for clue in clues for at in clue.conditions})
    names = some([f"'{cases.classes[at]}'" for at in conditions])
    return find(
        "give-away",
        "notice",
        cases,
        np.flatnonzero(np.isin(cases.y, conditions)).tolist(),
        f"{len(clues):,} features each tell a condition alone ({names}): {some([clue.name for clue in clues])}.",
        "Nothing, if the conditions show so plainly; otherwise ask how the cases of each condition were gathered.",
    )
