"""One WFDB recording: a lead in millivolts, and its beat annotations."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadx.cases.inside import children
from metadx.errors import UserError

_MOST_SAMPLES = 1 << 28
_MICRO = {"uv": 1e-3, "µv": 1e-3, "mv": 1.0, "v": 1e3}


@dataclass(frozen=True)
class Recording:
    """A lead and its annotations.

    Args:
        name: of the record.
        lead: name of the lead.
        signal: in millivolts, shape (samples,).
        rate: samples per second.
        at: sample of each annotation, ascending, shape (annotations,).
        symbols: WFDB symbol of each annotation.
    """

    name: str
    lead: str
    signal: NDArray[np.float64]
    rate: float
    at: NDArray[np.int64]
    symbols: tuple[str, ...]


def holds_recordings(folder: Path) -> bool:
    """Whether a folder holds a WFDB recording with annotations."""
    return folder.is_dir() and bool(_annotated(folder))


def _annotated(folder: Path) -> list[str]:
    headers = [path for path in children(folder) if path.suffix == ".hea"]
    return [path.stem for path in headers if path.with_suffix(".atr").is_file()]


def record_names(folder: Path) -> list[str]:
    """Names of the recordings of a folder that have annotations.

    Raises:
        UserError: there are none.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder. Give the folder of the .hea, signal and .atr files.")
    names = _annotated(folder)
    if not names:
        raise UserError(f"{folder}: no recordings: no .hea file with an .atr file beside it.")
    return names


def read_recording(path: Path, leads: Sequence[str]) -> Recording:
    """Reads a record of one segment with its `.atr` annotations.

    Args:
        path: of the record, without suffix.
        leads: names of leads in order of preference; the first lead where none of them is there.

    Raises:
        UserError: a file is missing or damaged, annotations lie outside the signal, or samples are missing.
    """
    for suffix in (".hea", ".atr"):
        if not path.with_suffix(suffix).is_file():
            raise UserError(
                f"{path}{suffix}: no such file. A recording needs its header and its annotations."
            )
    wfdb = _wfdb()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the library about pandas, and of numpy about damaged numbers
            header = wfdb.rdheader(str(path))
            channel, rate, length = _chosen(header, leads, path)
            record = wfdb.rdrecord(str(path), channels=[channel], physical=False)
            annotation = wfdb.rdann(str(path), "atr")
        _check_sums(record, path)
        signal = np.asarray(record.dac(), dtype=np.float64)[:, 0]
        at = np.asarray(annotation.sample, dtype=np.int64)
        symbols = tuple(annotation.symbol)
    except UserError:
        raise
    except Exception as error:  # a damaged file breaks the reader in ways that it does not name
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{path}: the recording is damaged ({why}). Get it again.") from error
    unit = str(record.units[0]).strip().lower()
    if unit not in _MICRO:
        raise UserError(
            f"{path}: lead {record.sig_name[0]} is in '{record.units[0]}', not volts. Choose another lead."
        )
    _check(path, signal, at, len(symbols), length)
    return Recording(path.name, str(record.sig_name[0]), signal * _MICRO[unit], rate, at, symbols)


def _chosen(header: Any, leads: Sequence[str], path: Path) -> tuple[int, float, int]:
    """The number of the lead, samples per second, and samples, as the header says."""
    if getattr(header, "seg_name", None):
        raise UserError(f"{path}: a record of several segments. Read its segments one by one.")
    names = list(header.sig_name or [])
    if not names:
        raise UserError(f"{path}: the header names no signal. Get it again.")
    rate, length = float(header.fs or 0), int(header.sig_len or 0)
    if not 1 <= rate <= 100_000:
        raise UserError(f"{path}: {rate:g} samples a second cannot be an ECG. Get the header again.")
    if length > _MOST_SAMPLES:
        raise UserError(f"{path}: {length:,} samples are more than can be read at once. Cut the recording.")
    for file in {str(name) for name in header.file_name or []}:
        if not re.fullmatch(r"[\w.-]+", file) or not (path.parent / file).is_file():
            raise UserError(f"{path}: its signal file '{file[:60]}' is not beside it. Get it too.")
    held = sum((path.parent / str(file)).stat().st_size for file in set(header.file_name))
    if length * len(names) > 2 * held + 64:
        raise UserError(
            f"{path}: the header promises {length:,} samples, more than its files hold. Get them again."
        )
    wanted = [name for name in leads if name in names]
    return (names.index(wanted[0]) if wanted else 0), rate, length


def _check_sums(record: Any, path: Path) -> None:
    """Refuses samples that are not those that the header was written for, by its checksum and first value."""
    if (record.samps_per_frame or [1])[0] != 1:
        return
    values = record.d_signal[:, 0]
    told, first = record.checksum[0], record.init_value[0]
    if told is not None and (int(told) - int(values.sum(dtype=np.int64))) % 65536:
        raise UserError(f"{path}: the samples do not have the checksum of the header. Get the files again.")
    if first is not None and len(values) and int(first) != int(values[0]):
        raise UserError(
            f"{path}: the first sample is {values[0]}, by the header {first}. Get the files again."
        )


def _check(path: Path, signal: NDArray[np.float64], at: NDArray[np.int64], symbols: int, length: int) -> None:
    if len(at) != symbols or len(signal) != length:
        raise UserError(f"{path}: the files do not fit together. Get them again.")
    if len(at) and (at.min() < 0 or at.max() >= len(signal)):
        raise UserError(
            f"{path}: annotations up to sample {at.max():,} of {len(signal):,}. Get the files again."
        )
    if (np.diff(at) < 0).any():
        raise UserError(f"{path}: annotations are not in order of time. Get the .atr file again.")
    missing = int((~np.isfinite(signal)).sum())
    if missing:
        raise UserError(f"{path}: {missing:,} samples of the lead are missing. Choose another lead.")


def _wfdb() -> Any:
    try:
        import wfdb
    except ImportError:
        raise UserError("reading WFDB recordings needs `pip install 'metadx[signals]'`") from None
    return wfdb
