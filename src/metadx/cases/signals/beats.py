"""Heartbeats of WFDB recordings: a window of one lead around each annotated beat, and its rhythm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metadx.cases.cases import Cases, Provenance
from metadx.cases.signals.aami import AAMI_CLASSES, beat_classes
from metadx.cases.signals.recording import Recording, read_recording, record_names
from metadx.cases.signals.rhythm import RHYTHM, rhythm
from metadx.errors import UserError

LEADS = ("MLII", "II", "ML2", "ECG1", "ECG")
_RECENT, _LEAST_RANGE = 51, 0.05


@dataclass(frozen=True)
class BeatWindow:
    """What is cut out around a beat.

    Args:
        before, after: seconds before and after the annotated peak.
        rate: samples per second that windows are brought to.
    """

    before: float = 0.35
    after: float = 0.45
    rate: float = 180.0

    @property
    def offsets(self) -> NDArray[np.float64]:
        """When each sample is taken, in seconds from the peak, shape (samples,)."""
        return np.arange(round((self.before + self.after) * self.rate)) / self.rate - self.before


def read_beats(
    folder: str | Path,
    records: Sequence[str] | None = None,
    *,
    mapping: str = "aami",
    leads: Sequence[str] = LEADS,
    window: BeatWindow | None = None,
    same_patient: Sequence[Sequence[str]] = (),
) -> Cases:
    """One case per annotated beat, in the order of the recordings and of time.

    `x` has shape (beats, 1 + rhythm, samples), float32: one lead less the window's median, in units of half the
    range that beats have lately had (see `recent_range`), and what `rhythm` says of each beat, the same throughout
    the window. `time` is in seconds from the beginning of the recording. A window is cut from its own samples
    alone: no filter sees the rest of the recording. Where a window runs past either end, the last sample is held.

    Args:
        folder: where the `.hea`, signal and `.atr` files are.
        records: names of the recordings; all of them by default.
        mapping: how annotations become classes; a name of `AAMI_MAPPINGS`.
        leads: names of leads in order of preference; the first lead where none of them is there.
        window: what is cut out.
        same_patient: groups of recordings of one person; any other recording is a patient of its own.

    Raises:
        UserError: no such recording, or one that is damaged or lacks annotations.

    Source: ANSI/AAMI EC57; de Chazal, O'Dwyer and Reilly, IEEE Trans. Biomed. Eng. 2004.
    """
    place = Path(folder)
    window = window or BeatWindow()
    symbols = beat_classes(mapping)
    names = list(records) if records is not None else record_names(place)
    patients = {name: group[0] for group in same_patient for name in group}
    parts, used = [], set[str]()
    for name in names:
        recording = read_recording(place / name, leads)
        part = _beats(recording, symbols, window)
        used.add(recording.lead)
        if len(part.y):
            parts.append((patients.get(name, name), name, part))
    if not parts:
        raise UserError(f"{place}: no annotated beats in {', '.join(names) or 'it'}. Give other recordings.")
    sampled = (
        f"{window.rate:g} samples a second, {window.before:g} s before the peak to {window.after:g} s after"
    )
    return Cases(
        x=np.concatenate([part.x for _, _, part in parts]),
        y=np.concatenate([part.y for _, _, part in parts]),
        patient=np.concatenate([np.full(len(part.y), patient) for patient, _, part in parts]),
        classes=AAMI_CLASSES,
        modality="signal",
        provenance=Provenance(
            source=str(place),
            preprocessing=(
                f"lead {', '.join(sorted(used))}, {sampled}, less the window's median",
                f"in units of half the median range of up to {_RECENT} beats",
                f"rhythm: logarithms of {', '.join(RHYTHM)}",
            ),
            notes=(f"beat classes: the mapping '{mapping}'",),
        ),
        reach=(window.before, window.after),
        time=np.concatenate([part.seconds for _, _, part in parts]),
        name=np.concatenate([np.array([f"{name}@{s:.3f}" for s in part.seconds]) for _, name, part in parts]),
    )


def recent_range(wave: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median range, highest less lowest, of each window and up to fifty before it, at least 0.05 mV.

    The contact of an electrode changes within a recording, and how large a beat is says little otherwise.

    Args:
        wave: of one recording in millivolts, shape (beats, samples).
    """
    own: NDArray[np.float64] = np.ptp(wave, axis=1)
    if not len(own):
        return own
    padded = np.concatenate([np.full(_RECENT - 1, np.nan), own])
    windows = np.lib.stride_tricks.sliding_window_view(padded, _RECENT)
    typical: NDArray[np.float64] = np.maximum(np.nanmedian(windows, axis=1), _LEAST_RANGE)
    return typical


@dataclass(frozen=True)
class _Part:
    x: NDArray[np.float32]
    y: NDArray[np.int64]
    seconds: NDArray[np.float64]


def _beats(recording: Recording, symbols: Mapping[str, str], window: BeatWindow) -> _Part:
    beat = np.array([symbol in symbols for symbol in recording.symbols], dtype=bool)
    peak = recording.at[beat]
    label = np.array(
        [AAMI_CLASSES.index(symbols[s]) for s, b in zip(recording.symbols, beat, strict=True) if b],
        dtype=np.int64,
    )
    seconds = peak / recording.rate
    ratios = rhythm(seconds)
    at = peak[:, None] + window.offsets * recording.rate
    wave = _sampled(recording.signal, at, recording.rate / window.rate)
    wave -= np.median(wave, axis=1, keepdims=True)
    wave /= recent_range(wave)[:, None] / 2
    steady = np.broadcast_to(ratios[:, :, None], (*ratios.shape, wave.shape[1]))
    return _Part(np.concatenate([wave[:, None], steady], axis=1).astype(np.float32), label, seconds)


def _sampled(signal: NDArray[np.float64], at: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """The signal around fractional positions: the mean of the samples within one step, so that nothing aliases."""
    width = max(1, round(step))
    offsets = np.arange(width) - (width - 1) / 2
    parts = [
        np.interp(np.clip(at + offset, 0, len(signal) - 1), np.arange(len(signal)), signal)
        for offset in offsets
    ]
    mean: NDArray[np.float64] = np.mean(parts, axis=0)
    return mean
