"""Recordings as they might look in atrial fibrillation, to train on where few or no patients have it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from metadx.cases.cases import Cases
from metadx.cases.signals.beats import BeatWindow
from metadx.cases.signals.rhythm import RHYTHM, rhythm
from metadx.errors import UserError

_STRETCH = (50, 400)
_SPREAD, _RATE, _LEAST = (0.1, 0.3), (0.7, 1.1), 0.27
_P_WAVE = (-0.24, -0.07)
_SIZE, _PHASE, _PACE = (0.0, 0.08), (0.0, 2 * np.pi), (4.0, 9.0)


def fibrillating(cases: Cases, rng: np.random.Generator) -> Cases:
    """Beats of `read_beats` in simulated atrial fibrillation: intervals at random, no P wave, fine waves instead.

    Random stretches of every recording fibrillate, and their beats are returned under the ids of their patients,
    at the times they really had. Premature atrial beats are left out: where every interval is irregular, none is.

    Args:
        cases: with the channels and times of `read_beats`.
        rng: decides on stretches, intervals and waves.

    Raises:
        UserError: the cases are no such beats.
    """
    like = (1 + len(RHYTHM), len(BeatWindow().offsets))
    if cases.time is None or "S" not in cases.classes or cases.x.shape[1:] != like:
        raise UserError(
            f"{cases.provenance.source}: only heartbeats of `read_beats`, with its window, can fibrillate"
        )
    rows, ratios = [], []
    for patient in np.unique(cases.patient):
        mine = np.flatnonzero(cases.patient == patient)
        seconds, chosen = _irregular(np.asarray(cases.time[mine], dtype=np.float64), rng)
        chosen &= cases.y[mine] != cases.classes.index("S")
        rows.append(mine[chosen])
        ratios.append(rhythm(seconds)[chosen])
    some = cases.select(np.concatenate(rows))
    x = some.x.copy()
    x[:, 0] = _without_p_wave(x[:, 0], rng)
    x[:, 1:] = np.concatenate(ratios)[:, :, None]
    return replace(some, x=x)


def _irregular(
    seconds: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Times of the beats with stretches of log-normal intervals, and which beats those are."""
    interval, chosen, at = np.diff(seconds), np.zeros(len(seconds), dtype=bool), 0
    while at < len(interval):
        stretch = slice(at, at + int(rng.integers(*_STRETCH)))
        if rng.random() < 0.5:
            typical = np.median(interval[stretch]) * rng.uniform(*_RATE)
            noise = rng.uniform(*_SPREAD) * rng.standard_normal(len(interval[stretch]))
            interval[stretch] = np.maximum(typical * np.exp(noise), _LEAST)
            chosen[1:][stretch] = True
        at = stretch.stop
    return np.cumsum(np.r_[seconds[:1], interval]), chosen


def _without_p_wave(wave: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A straight line where the P wave is, and fine waves everywhere; shape (beats, samples)."""
    offsets = BeatWindow().offsets
    first, last = np.searchsorted(offsets, _P_WAVE)
    flat = wave.copy()
    flat[:, first:last] = np.linspace(wave[:, first], wave[:, last], last - first, axis=1)
    size, phase, pace = (rng.uniform(low, high, (len(wave), 1)) for low, high in (_SIZE, _PHASE, _PACE))
    fine: NDArray[np.float32] = (flat + size * np.sin(2 * np.pi * pace * offsets + phase)).astype(np.float32)
    return fine
