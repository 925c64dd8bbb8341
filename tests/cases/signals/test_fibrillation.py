"""Recordings made to fibrillate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metadx.cases import Cases, Provenance
from metadx.cases.signals import AAMI_CLASSES, BeatWindow, fibrillating, rhythm
from metadx.errors import UserError


def recording(beats: int = 2000) -> Cases:
    """Beats of two patients at 75 a minute, every tenth an early S."""
    seconds = np.arange(beats) * 0.8
    seconds[::10] -= 0.25
    offsets = BeatWindow().offsets
    wave = np.exp(-((offsets / 0.03) ** 2)) + 0.2 * np.exp(-(((offsets + 0.16) / 0.03) ** 2))
    steady = np.broadcast_to(rhythm(seconds)[:, :, None], (beats, 6, len(offsets)))
    x = np.concatenate([np.broadcast_to(wave, (beats, 1, len(offsets))), steady], axis=1)
    return Cases(
        x=np.concatenate([x, x]).astype(np.float32),
        y=np.tile(np.where(np.arange(beats) % 10 == 0, 1, 0), 2),
        patient=np.repeat(["a", "b"], beats),
        classes=AAMI_CLASSES,
        modality="signal",
        provenance=Provenance(source="made here"),
        time=np.tile(seconds, 2),
    )


def test_beats_fibrillate() -> None:
    cases = recording()
    found = fibrillating(cases, np.random.default_rng(0))
    assert set(found.patient) == {"a", "b"}
    assert 0.2 < len(found) / len(cases) < 0.8
    assert found.counts()["S"] == 0
    normal = cases.select(cases.y == 0)
    assert np.median(found.x[:, 6, 0]) > np.median(normal.x[:, 6, 0]) + 0.5
    assert found.x[:, 1, 0].std() > 2 * normal.x[:, 1, 0].std()
    before = BeatWindow().offsets.searchsorted(-0.16)
    peak = BeatWindow().offsets.searchsorted(0)
    assert normal.x[:, 0, before].mean() > 0.15
    assert abs(found.x[:, 0, before].mean()) < 0.05
    assert np.abs(found.x[:, 0, peak] - 1).max() < 0.1
    assert (found.x[:, 1:] == found.x[:, 1:, :1]).all()


def test_the_same_seed_gives_the_same_beats() -> None:
    one, other, third = (fibrillating(recording(300), np.random.default_rng(seed)).x for seed in (1, 1, 2))
    assert np.array_equal(one, other)
    assert one.shape != third.shape or not np.array_equal(one, third)


def test_other_cases_are_refused() -> None:
    beats = recording(20)
    for other in (replace(beats, time=None), replace(beats, x=beats.x[:, :5])):
        with pytest.raises(UserError, match="made here: only heartbeats of `read_beats`"):
            fibrillating(other, np.random.default_rng(0))
