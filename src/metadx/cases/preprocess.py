"""Turning observations into network inputs, with everything fitted on meta-training cases only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from metadx.cases.cases import Cases
from metadx.cases.gaps import fit_gaps

_MANY_VALUES = 10
_CLIP = 8.0


class Transform(Protocol):
    """Maps raw observations, shape (cases, ...), to float32 inputs with no missing values."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one transformed case."""

    def __call__(self, x: NDArray[Any]) -> NDArray[np.float32]: ...


@runtime_checkable
class PictureTransform(Transform, Protocol):
    """A transform of pictures that is known by its name and the pictures it takes, and by nothing else.

    `pictures` is (channels, height, width) of one of them.
    """

    name: ClassVar[str]
    pictures: tuple[int, ...]


@dataclass(frozen=True)
class Pixels:
    """Scales uint8 pixels to 0..1; other dtypes only change to float32."""

    name: ClassVar[str] = "pixels"

    pictures: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.pictures

    def __call__(self, x: NDArray[Any]) -> NDArray[np.float32]:
        scale = np.float32(255.0) if x.dtype == np.uint8 else np.float32(1.0)
        return x.astype(np.float32) / scale


@dataclass(frozen=True)
class SignalTransform:
    """Standardises every channel of signals by one mean and one deviation over all samples.

    Args:
        mean, std: of each channel, shape (channels,).
        shape: (channels, samples).
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    shape: tuple[int, ...]

    def __call__(self, x: NDArray[Any]) -> NDArray[np.float32]:
        scaled: NDArray[np.float32] = ((x - self.mean[:, None]) / self.std[:, None]).astype(np.float32)
        return scaled


class Column(NamedTuple):
    """What one raw column became.

    Args:
        value: input columns that rise and fall with its value.
        missing: the input column that says it is missing, or none.
        continuous: whether it has many values, rather than being a flag.
    """

    value: tuple[int, ...]
    missing: tuple[int, ...]
    continuous: bool

    @property
    def inputs(self) -> tuple[int, ...]:
        """All of its input columns."""
        return self.value + self.missing


@dataclass(frozen=True)
class TableTransform:
    """Each raw column becomes its standardised value, and where it applies its normal score and a flag.

    A value takes the signed log first where that makes it less skewed. The normal score of a column with many
    values is the standard normal quantile of its rank among the fitted cases. A missing value is the mean, 0,
    in both, and 1 in the flag of its column before standardising. A column that was never observed in the fitted
    cases is 0 throughout: nothing could be learned of it.

    Args:
        log: raw columns that take the signed log, shape (raw columns,), bool.
        mean, std: of the value of each raw column, shape (raw columns,).
        ranked: numbers of the raw columns with a normal score.
        sorted: fitted values of each of them, ascending.
        flagged: numbers of the raw columns with a flag.
        rate: how often each of them was missing.
    """

    log: NDArray[np.bool_]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    ranked: NDArray[np.int64]
    sorted: tuple[NDArray[np.float64], ...]
    flagged: NDArray[np.int64]
    rate: NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.mean) + len(self.ranked) + len(self.flagged),)

    @property
    def columns(self) -> tuple[Column, ...]:
        """What each raw column became, in order."""
        raw = len(self.mean)
        score = {int(c): raw + i for i, c in enumerate(self.ranked)}
        flag = {int(c): raw + len(self.ranked) + i for i, c in enumerate(self.flagged)}
        return tuple(
            Column((c, score[c]) if c in score else (c,), (flag[c],) if c in flag else (), c in score)
            for c in range(raw)
        )

    def __call__(self, x: NDArray[Any]) -> NDArray[np.float32]:
        raw = np.asarray(x, dtype=np.float64)
        missing = ~np.isfinite(raw)
        value = (np.where(self.log, _signed_log(raw), raw) - self.mean) / self.std
        scores = [_normal_score(raw[:, c], known) for c, known in zip(self.ranked, self.sorted, strict=True)]
        parts = [np.where(missing, 0.0, value), *(s[:, None] for s in scores)]
        parts.append((missing[:, self.flagged] - self.rate) / np.sqrt(self.rate * (1 - self.rate)))
        inputs: NDArray[np.float32] = np.clip(np.concatenate(parts, axis=1), -_CLIP, _CLIP).astype(np.float32)
        return inputs


def fit_transform(cases: Cases) -> Transform:
    """The transform that suits the cases, fitted on them alone.

    A table's wherever the columns have names; for signals with gaps (NaN) one that says what was observed.
    """
    if cases.modality == "table" or cases.features:
        time = cases.time_column
        return fit_table(cases.x, () if time is None else (time,))
    if cases.modality == "signal":
        return fit_signal(cases.x) if np.isfinite(cases.x).all() else fit_gaps(cases.x)
    return Pixels(cases.x.shape[1:])


def fit_signal(x: NDArray[Any]) -> SignalTransform:
    """Fits a `SignalTransform` on signals `x`, shape (cases, channels, samples); a constant channel becomes 0."""
    mean, std = x.mean((0, 2), dtype=np.float64), x.std((0, 2), dtype=np.float64)
    return SignalTransform(mean, np.where(std > 1e-12, std, np.inf), x.shape[1:])


def fit_table(x: NDArray[Any], straight: Sequence[int] = ()) -> TableTransform:
    """Fits a `TableTransform` on rows `x`, shape (cases, columns), NaN where missing.

    Args:
        straight: columns that take no log, such as a time, in which a course is a line.
    """
    raw = np.asarray(x, dtype=np.float64)
    raw = np.where(np.isfinite(raw), raw, np.nan)
    seen = np.isfinite(raw)
    count = np.maximum(seen.sum(0), 1)
    logged = _signed_log(raw)
    log = np.asarray(_skewness(logged) < _skewness(raw))
    log[list(straight)] = False
    value = np.where(log, logged, raw)
    mean = np.where(seen, value, 0.0).sum(0) / count
    std = np.sqrt(np.where(seen, (value - mean) ** 2, 0.0).sum(0) / count)
    known = [np.sort(raw[seen[:, c], c]) for c in range(raw.shape[1])]
    ranked = np.array([c for c, k in enumerate(known) if len(np.unique(k)) > _MANY_VALUES], dtype=np.int64)
    rate = 1 - seen.mean(0)
    flagged = np.flatnonzero((rate > 0) & (rate < 1))
    return TableTransform(
        log=log,
        mean=mean,
        std=np.where(seen.any(0), np.where(std > 1e-12, std, 1.0), np.inf),
        ranked=ranked,
        sorted=tuple(known[c] for c in ranked),
        flagged=flagged,
        rate=rate[flagged],
    )


def _normal_score(value: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.float64]:
    rank = (np.searchsorted(known, value, "left") + np.searchsorted(known, value, "right")) / 2
    score: NDArray[np.float64] = ndtri((rank + 0.5) / (len(known) + 1))
    return np.where(np.isfinite(value), score, 0.0)


def _signed_log(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sign(x) * np.log1p(np.abs(x))


def _skewness(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The absolute skewness of each column."""
    seen = np.isfinite(x)
    count = np.maximum(seen.sum(0), 1)
    centred = np.where(seen, x - np.where(seen, x, 0.0).sum(0) / count, 0.0)
    variance = (centred**2).sum(0) / count
    return np.asarray(np.abs((centred**3).sum(0) / count) / np.maximum(variance, 1e-12) ** 1.5)
