"""Signals as rows of a table: what each channel did over the window, for methods that take tables."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from metadx.cases.cases import Cases
from metadx.errors import UserError

SUMMARIES = ("first", "last", "least", "most", "mean", "spread", "observed")
"""Of each channel: first and last value, least, most, mean, standard deviation, and the share of steps observed."""


def summarise(cases: Cases, channels: Sequence[str] = ()) -> Cases:
    """The same cases as a table with `SUMMARIES` of every channel, NaN where a channel was never observed.

    A channel's summary that is the same in every case, such as the spread of one that is measured once, is left
    out. Nothing is fitted.

    Args:
        cases: signals, shape (cases, channels, samples), NaN where not observed.
        channels: names of the channels; "channel 1", ... by default.

    Raises:
        UserError: the cases are no signals, or there are not as many names as channels.
    """
    if cases.modality != "signal" or cases.x.ndim != 3:
        raise UserError(
            f"{cases.provenance.source}: only signals can be summarised, not {cases.modality} cases"
        )
    count = cases.x.shape[1]
    names = list(channels) or [f"channel {number}" for number in range(1, count + 1)]
    if len(names) != count:
        raise UserError(
            f"{cases.provenance.source}: {len(names)} names for {count} channels. Name each once."
        )
    x = np.asarray(cases.x, dtype=np.float64)
    seen = np.isfinite(x)
    ever = seen.any(-1)
    samples = x.shape[-1]
    first = np.take_along_axis(x, seen.argmax(-1)[..., None], -1)[..., 0]
    last = np.take_along_axis(x, samples - 1 - seen[..., ::-1].argmax(-1)[..., None], -1)[..., 0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of channels without a value
        parts = [first, last, np.nanmin(x, -1), np.nanmax(x, -1), np.nanmean(x, -1), np.nanstd(x, -1)]
    table = np.stack([*(np.where(ever, part, np.nan) for part in parts), seen.mean(-1)], axis=-1)
    rows = table.reshape(len(x), -1)
    features = [f"{name} {what}" for name in names for what in SUMMARIES]
    filled = np.where(np.isfinite(rows), rows, np.inf)
    told = np.flatnonzero((filled != filled[:1]).any(0))
    if not len(told):
        raise UserError(f"{cases.provenance.source}: every case has the same signal. Give others.")
    done = f"each channel summarised: {', '.join(SUMMARIES)}"
    return replace(
        cases,
        x=rows[:, told],
        features=tuple(features[at] for at in told),
        modality="table",
        provenance=replace(cases.provenance, preprocessing=(*cases.provenance.preprocessing, done)),
    )
