"""Intensive care stays of PhysioNet's Challenge 2012: irregular measurements over two days, and who died."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metadx.cases.cases import Cases, Provenance
from metadx.cases.signals.icu_files import StayFile, find_sets, stays
from metadx.cases.signals.icu_variables import DESCRIPTORS, ICU_TYPES, NUMBER, VARIABLES
from metadx.cases.textfile import text_lines
from metadx.errors import UserError

CLASSES = ("survived", "died in hospital")
_DAYS = 48
_HEADER = b"Time,Parameter,Value"
_LEAST = np.array([v.least for v in VARIABLES])
_MOST = np.array([v.most for v in VARIABLES])
_SERIES = np.array([v.name not in DESCRIPTORS for v in VARIABLES])


class Stay(NamedTuple):
    """One stay.

    Args:
        record: its number.
        unit: what kind of ICU, one of `ICU_TYPES`.
        minutes: of each measurement since admission, shape (measurements,).
        variable: which of `VARIABLES`, shape (measurements,).
        value: in the variable's unit, NaN where missing, shape (measurements,).
        unnamed: rows without a known variable.
    """

    record: str
    unit: int
    minutes: NDArray[np.float64]
    variable: NDArray[np.int64]
    value: NDArray[np.float64]
    unnamed: int


def read_icu(path: str | Path, *, hours: int = 48, step: float = 1.0) -> Cases:
    """One case per stay: 40 variables in bins of `step` hours, NaN where nothing was measured; who died.

    `x` has shape (stays, 40, bins), float32, the mean of a bin's measurements in the units of `VARIABLES`. Age,
    sex and height stand in the first bin. `group` and `site` are the kind of ICU; it is no feature.

    Args:
        path: the folder of `set-a.tar.gz` and `Outcomes-a.txt`, the archive itself, or a folder unpacked from it;
            sets b and c that lie beside it are read too.
        hours: how much of the stay is looked at, from admission; 48 at most.
        step: hours of one bin.

    Raises:
        UserError: files that are absent or damaged, a row that cannot be read, or one outcome for all.

    Source: Silva, Moody, Scott, Celi, Mark, "Predicting In-Hospital Mortality of ICU Patients", Computing in
    Cardiology 2012; PhysioNet, doi:10.13026/F3VM. Stays that measured nothing over time are left out, values that
    no living patient has are missing; both are counted in the notes.
    """
    if not 1 <= hours <= _DAYS or not 0 < step <= hours:
        raise UserError(f"hours={hours}, step={step:g}: give 1 to {_DAYS} hours in bins of up to as many.")
    place = Path(path)
    died: dict[str, int] = {}
    read: list[Stay] = []
    digest = hashlib.sha256()
    for one in find_sets(place):
        died |= read_outcomes(one.outcomes)
        for file in stays(one.stays):
            digest.update(file.content)
            read.append(parse_stay(file))
    twice = next((record for record, n in Counter(s.record for s in read).items() if n > 1), None)
    if twice is not None:
        raise UserError(f"{place}: stay {twice} comes twice. Remove one.")
    series = [bool(_SERIES[s.variable[np.isfinite(s.value)]].any()) for s in read]
    kept = [s for s, known in zip(read, series, strict=True) if known and s.record in died]
    y = np.array([died[s.record] for s in kept], dtype=np.int64)
    if len(np.unique(y)) < 2:
        raise UserError(f"{place}: {len(kept)} stays, all of one outcome. Give more stays.")
    x, strange = _binned(kept, hours, step)
    unit = np.array([ICU_TYPES[s.unit] for s in kept])
    counted = (
        (len(read) - sum(series), "stays were left out: nothing was measured over time"),
        (sum(series) - len(kept), "stays were left out: their outcome is not known"),
        (strange, "measurements that no living patient has were made missing"),
        (sum(s.unnamed for s in kept), "rows were left out: they name no variable of the challenge"),
    )
    return Cases(
        x=x,
        y=y,
        patient=np.array([s.record for s in kept]),
        classes=CLASSES,
        modality="signal",
        provenance=Provenance(
            source=str(place),
            checksum=f"sha256:{digest.hexdigest()}",
            preprocessing=(
                f"mean of each {step:g} h over the first {hours} h; NaN where nothing was measured",
                "channels: " + ", ".join(f"{v.name} ({v.unit})" if v.unit else v.name for v in VARIABLES),
            ),
            notes=tuple(f"{n:,} {words}." for n, words in counted if n),
        ),
        site=unit,
        group=unit.copy(),
    )


def read_outcomes(path: Path) -> dict[str, int]:
    """In-hospital death, 0 or 1, by the number of the stay; stays whose outcome is not known are not in it.

    Raises:
        UserError: no such file or column, or a value other than 0, 1 or -1.
    """
    with text_lines(path) as lines:
        try:
            rows = [[cell.strip() for cell in row] for row in csv.reader(lines, strict=True) if row]
        except csv.Error as why:
            raise UserError(f"{path}: not a sound table ({why}). Get it again.") from why
    header = rows[0] if rows else []
    for name in ("RecordID", "In-hospital_death"):
        if name not in header:
            raise UserError(f"{path}: no column '{name}'. Get the file again.")
    record, death = header.index("RecordID"), header.index("In-hospital_death")
    found: dict[str, int] = {}
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header) or row[death] not in ("0", "1", "-1") or row[record] in found:
            raise UserError(
                f"{path}: row {number} is cut, comes twice or has no outcome 0 or 1. Get it again."
            )
        if row[death] != "-1":
            found[row[record]] = int(row[death])
    return found


def parse_stay(file: StayFile) -> Stay:
    """One stay from its text; -1 is missing.

    Raises:
        UserError: not that text, of another stay, of no known ICU, or a row that cannot be read; says which.
    """
    lines = file.content.split(b"\n")
    if lines[0].strip() != _HEADER:
        raise UserError(f"{file.what}: does not begin with {_HEADER.decode()}. Get the set again.")
    minutes: list[int] = []
    variable: list[int] = []
    value: list[float] = []
    said: dict[bytes, float] = {}
    unnamed = 0
    for number, line in enumerate(lines[1:], start=2):
        row = line.strip()
        if not row:
            continue
        try:
            clock, name, text = row.split(b",")
            at, amount = _minutes(clock), float(text)
            if amount - amount != 0 or b"_" in text:
                raise ValueError
        except ValueError:
            shown = row[:40].decode("utf-8", "replace")
            raise UserError(f"{file.what}: line {number} ('{shown}') cannot be read. Get it again.") from None
        known = _CODES.get(name)
        if known is not None:
            minutes.append(at)
            variable.append(known)
            value.append(np.nan if amount == -1 else amount)
        elif name in (b"RecordID", b"ICUType"):
            said[name] = amount
        else:
            unnamed += 1
    if said.get(b"RecordID") != float(file.record):
        raise UserError(
            f"{file.what}: says it is stay {said.get(b'RecordID')}, not {file.record}. Get it again."
        )
    if said.get(b"ICUType") not in ICU_TYPES:
        raise UserError(f"{file.what}: ICUType is {said.get(b'ICUType')}, not 1 to 4. Get it again.")
    return Stay(
        file.record,
        int(said[b"ICUType"]),
        np.array(minutes, dtype=np.float64),
        np.array(variable, dtype=np.int64),
        np.array(value, dtype=np.float64),
        unnamed,
    )


_CODES = {name.encode(): at for name, at in NUMBER.items()}


def _minutes(clock: bytes) -> int:
    """Minutes of a time such as 07:37, at most 48:00."""
    hours, minutes = clock.split(b":")
    if len(hours) != 2 or len(minutes) != 2 or not (hours + minutes).isdigit():
        raise ValueError
    at = 60 * int(hours) + int(minutes)
    if int(minutes) > 59 or at > 60 * _DAYS:
        raise ValueError
    return at


def _binned(kept: list[Stay], hours: int, step: float) -> tuple[NDArray[np.float32], int]:
    """Means of bins, shape (stays, variables, bins), and how many values were impossible."""
    bins = int(np.ceil(hours / step))
    shape = (len(kept), len(VARIABLES), bins)
    lengths = [len(s.value) for s in kept]
    stay = np.repeat(np.arange(len(kept)), lengths)
    minutes = np.concatenate([s.minutes for s in kept])
    variable = np.concatenate([s.variable for s in kept])
    value = np.concatenate([s.value for s in kept])
    with np.errstate(invalid="ignore"):
        possible = (value >= _LEAST[variable]) & (value <= _MOST[variable])
    strange = int((np.isfinite(value) & ~possible).sum())
    used = possible & (minutes <= 60 * hours)
    at = np.minimum((minutes[used] / (60 * step)).astype(np.int64), bins - 1)
    cell = np.ravel_multi_index((stay[used], variable[used], at), shape)
    size = int(np.prod(shape))
    count = np.bincount(cell, minlength=size)
    total = np.bincount(cell, value[used], minlength=size)
    with np.errstate(invalid="ignore"):
        mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean.reshape(shape).astype(np.float32), strange
