"""Continuous glucose monitoring: what the last hours say of the value some time ahead."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metadx.cases.cases import Cases, Provenance
from metadx.cases.inside import children
from metadx.errors import UserError

TIME_COLUMN = "timestamp"
_SAID = frozenset(("", "na", "nan", "null", "lo", "low", "hi", "high"))
VALUE_COLUMNS = {"glucose_value_mg_dl": 1.0, "glucose_value_mmol_l": 18.016}
"""Names of the value column, and what multiplies it to mg/dL."""

READER = "glucose"
"""What models of these cases call the reader of one more person."""

_SUFFIXES = (".csv", ".csv.gz")
_MOST_BYTES = 200_000_000
_LEAST, _MOST = 35.0, 1000.0  # mg/dL: sensors end at 40, and below 35 it may be a value in mmol/L
_MMOL = 35.0  # above it no value in mmol/L is a living person's, below it none in mg/dL
_FEW = 0.02  # the share of readings that may be in what looks like another unit, or later than they say
_STEP = 5.0  # minutes
_GAP = 20.0  # minutes that values may lie apart to be joined by a line
_HALF_DAY = 720.0


class Course(NamedTuple):
    """One person's readings.

    Args:
        person: id.
        minutes: since the first reading, ascending, shape (readings,).
        value: mg/dL, shape (readings,).
        left_out: readings that were not used.
        undated: whether the file has times of day only, so that midnights were counted.
        written: each reading's time as the file writes it.
    """

    person: str
    minutes: NDArray[np.float64]
    value: NDArray[np.float64]
    left_out: int
    undated: bool
    written: tuple[str, ...]


class Histories(NamedTuple):
    """One person's readings as a model takes them, in the order of time.

    Args:
        x: values before and at each reading, mg/dL, shape (readings, 1, samples).
        y: the value later, mg/dL, NaN where it is not known yet, shape (readings,).
        minutes: since the first reading, shape (readings,).
        written: each reading's time as the file writes it.
    """

    x: NDArray[np.float32]
    y: NDArray[np.float64]
    minutes: NDArray[np.float64]
    written: tuple[str, ...]


def read_glucose(
    folder: str | Path,
    *,
    horizon: float = 30,
    history: float = 120,
    unit: Literal["mg/dL", "mmol/L"] | None = None,
    cohort: str | None = None,
) -> Cases:
    """One case per reading of one file per person, with columns `timestamp` and `glucose_value_mg_dl`.

    `x` has shape (cases, 1, samples), float32: mg/dL every five minutes from `history` before the reading to the
    reading, read off the line through readings at most 20 minutes apart; nothing later than the reading is looked
    at. `y` is the value `horizon` later, mg/dL, off the same line. `time` is in minutes since the person's first
    reading; `site` is the cohort. Readings before or after longer gaps are no cases.

    Args:
        folder: with a `.csv` or `.csv.gz` per person; files with `metadata` in their name are passed over.
        horizon: minutes ahead.
        history: minutes back.
        unit: of the values; by the column's name if None.
        cohort: name of the site; the folder's by default.

    Raises:
        UserError: no such files, times that cannot be read, or values in another unit.
    """
    place = Path(folder)
    if not place.is_dir():
        raise UserError(f"{place}: no such folder. Give the folder of one CSV file per person.")
    files = _files(place)
    if not files:
        raise UserError(f"{place}: no .csv or .csv.gz file. Give the folder of one file per person.")
    courses = [read_course(path, unit) for path in files]
    site = cohort or place.name
    parts = [(course.person, *_windows(course, horizon, history)) for course in courses]
    parts = [part for part in parts if len(part[2])]
    if not parts:
        raise UserError(
            f"{place}: nobody has {history:g} minutes of readings and one {horizon:g} minutes later without a gap "
            f"above {_GAP:g} minutes."
        )
    people = [f"{site}/{person}" for person, _, _, _ in parts]
    lengths = [len(y) for _, _, y, _ in parts]
    return Cases(
        x=np.concatenate([x for _, x, _, _ in parts])[:, None].astype(np.float32),
        y=np.concatenate([y for _, _, y, _ in parts]),
        patient=np.repeat(people, lengths),
        classes=(),
        modality="signal",
        provenance=Provenance(
            source=str(place),
            preprocessing=(
                f"mg/dL every {_STEP:g} minutes over {history:g} minutes; the value {horizon:g} minutes on",
            ),
            notes=_notes(courses, len(courses) - len(parts)),
        ),
        site=np.full(sum(lengths), site),
        reach=(history, horizon),
        time=np.concatenate([t for _, _, _, t in parts]),
        quantity=f"glucose {horizon:g} minutes later",
        unit="mg/dL",
        reader=READER,
    )


def holds_glucose(folder: Path) -> bool:
    """Whether a folder's first file of values has the columns that `read_glucose` takes."""
    files = _files(folder) if folder.is_dir() else []
    if not files:
        return False
    try:
        columns = next(iter(_rows(files[0])), {})
    except UserError:
        return False
    return TIME_COLUMN in columns and any(name in columns for name in VALUE_COLUMNS)


def _files(folder: Path) -> list[Path]:
    return [p for p in children(folder) if p.name.endswith(_SUFFIXES) and "metadata" not in p.name.lower()]


def _notes(courses: Sequence[Course], without: int) -> tuple[str, ...]:
    undated = sum(course.undated for course in courses)
    left_out = sum(course.left_out for course in courses)
    said = (
        (
            left_out,
            f"{left_out} readings were left out: no number, beyond any sensor, or not later than the last",
        ),
        (
            undated,
            f"{undated} people's files have times of day without dates: every midnight was taken for the next",
        ),
        (without, f"{without} people were left out: no stretch of readings is long enough"),
    )
    return tuple(words for number, words in said if number)


def read_course(path: Path, unit: str | None = None) -> Course:
    """One person's file.

    Raises:
        UserError: no such file, no such columns, times that cannot be read or run backwards, or another unit.
    """
    rows = _rows(path)
    column = next((name for name in VALUE_COLUMNS if rows and name in rows[0]), None)
    if column is None or TIME_COLUMN not in rows[0]:
        raise UserError(
            f"{path}: needs the columns '{TIME_COLUMN}' and '{next(iter(VALUE_COLUMNS))}', and a reading or more."
        )
    minutes, undated = _minutes([row[TIME_COLUMN] for row in rows], path)
    scale = VALUE_COLUMNS["glucose_value_mmol_l"] if unit == "mmol/L" else VALUE_COLUMNS[column]
    value = np.array([_number(row[column]) for row in rows]) * (1.0 if unit == "mg/dL" else scale)
    sound = np.isfinite(value) & (value > 0)
    most = _MMOL * scale if scale != 1.0 and unit != "mg/dL" else _MOST
    _check_unit(value[sound], most, path)
    later = np.maximum.accumulate(np.r_[-np.inf, minutes[:-1]])
    _check_words([row[column] for row in rows], path)
    kept = sound & (minutes > later) & (value >= _LEAST) & (value <= most)
    if (minutes[1:] < minutes[:-1]).sum() > 0.05 * len(minutes):
        raise UserError(
            f"{path}: times run backwards {(np.diff(minutes) < 0).sum()} times. Sort its rows by time."
        )
    _check_jumps(minutes, minutes < later, path)
    name = path.name.removesuffix(".gz").removesuffix(".csv")
    first = minutes[kept][0] if kept.any() else 0.0
    written = tuple(row[TIME_COLUMN].strip() for row, use in zip(rows, kept, strict=True) if use)
    return Course(name, minutes[kept] - first, value[kept], int((~kept).sum()), undated, written)


def read_histories(path: str | Path, *, horizon: float, history: float, samples: int) -> Histories:
    """The readings of one person's file that have a history without a long gap, also those whose future is unknown.

    Args:
        path: as `read_glucose` takes in a folder.
        horizon, history: minutes ahead and back.
        samples: of a history.

    Raises:
        UserError: as `read_course`; or no reading has such a history, or a model has another number of samples.
    """
    file = Path(path)
    if samples != round(history / _STEP) + 1:
        raise UserError(
            f"{file}: the model takes {samples} values, which is not {history:g} minutes of them."
        )
    course = read_course(file)
    at, x = _histories(course, history)
    if not len(at):
        raise UserError(
            f"{file}: no reading has {history:g} minutes of others before it without a gap above {_GAP:g} minutes."
        )
    y = np.full(len(at), np.nan)
    known, ahead = _ahead(course, at, horizon)
    y[known] = ahead
    written = tuple(course.written[i] for i in at)
    return Histories(x[:, None].astype(np.float32), y, course.minutes[at], written)


def _check_jumps(minutes: NDArray[np.float64], early: NDArray[np.bool_], path: Path) -> None:
    """Refuses a few times so late, by a slip, that most others would count as out of order."""
    if early.sum() <= 0.2 * len(minutes):
        return
    ahead = np.flatnonzero(minutes > minutes[early].max())
    if len(ahead) <= max(3, _FEW * len(minutes)):
        raise UserError(
            f"{path}: {early.sum()} of {len(minutes)} readings are earlier than row {ahead[0] + 1}, which stands "
            "before them: its time looks wrong. Mend it, or sort the rows."
        )


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise UserError(f"{path}: more than {_MOST_BYTES:,} bytes for one person. Cut the file.")
        table = csv.DictReader(
            io.StringIO(content.decode("utf-8-sig"), newline=""), restval="", restkey="", strict=True
        )
        rows = list(table)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: byte {error.start} is not UTF-8. Save the file as UTF-8.") from error
    except (OSError, EOFError, zlib.error, csv.Error) as error:
        raise UserError(f"{path}: cannot be read ({' '.join(str(error).split())[:120]}).") from error
    names = list(table.fieldnames or ())
    if len(set(names)) < len(names):
        raise UserError(f"{path}: two columns have the same name. Name every column once.")
    long = next((number for number, row in enumerate(rows, start=1) if "" in row), None)
    if long is not None and "" not in names:
        raise UserError(
            f"{path}: row {long} has more cells than the header. Write 7.1, not 7,1, or mend that row."
        )
    return rows


def _number(text: str | None) -> float:
    try:
        return float(text) if text and "_" not in text else np.nan
    except ValueError:
        return np.nan


def _check_words(cells: Sequence[str], path: Path) -> None:
    """Refuses values that are no numbers, unless they are few or what sensors say beyond their range."""
    odd = [
        i
        for i, cell in enumerate(cells)
        if cell.strip().lower() not in _SAID and _number(cell) != _number(cell)
    ]
    if len(odd) > _FEW * len(cells):
        raise UserError(
            f"{path}: row {odd[0] + 1}: '{cells[odd[0]][:40]}' is no number, and so are {len(odd)} of {len(cells)} "
            "values. Write 7.1, not 7,1."
        )


def _minutes(texts: Sequence[str], path: Path) -> tuple[NDArray[np.float64], bool]:
    """Minutes since some moment, and whether the times had no dates."""
    dated = [_dated(text) for text in texts]
    if all(d is not None for d in dated):
        moments = [d for d in dated if d is not None]
        first = moments[0]
        if len({d.tzinfo is None for d in moments}) > 1:
            raise UserError(f"{path}: some times have a zone and some have none. Write them alike.")
        return np.array([(d - first).total_seconds() / 60 for d in moments]), False
    clock = [_of_day(text) for text in texts]
    bad = next(
        (i for i, (d, c) in enumerate(zip(dated, clock, strict=True)) if d is None and c is None), None
    )
    if bad is not None:
        raise UserError(f"{path}: row {bad + 1}: '{texts[bad][:40]}' is no time. Write 2024-05-31 13:45:00.")
    if any(c is None for c in clock):
        raise UserError(f"{path}: some times have a date and some have none. Write them alike.")
    minutes = np.array([c for c in clock if c is not None])
    midnights = np.r_[0, np.cumsum(np.diff(minutes) < -_HALF_DAY)]
    return minutes + 24 * 60 * midnights, True


def _dated(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        return None


def _of_day(text: str) -> float | None:
    parts = text.strip().split(":")
    if len(parts) not in (2, 3) or not all(part.isdigit() for part in parts):
        return None
    hours, minutes, seconds = (*map(int, parts), 0)[:3]
    return hours * 60 + minutes + seconds / 60 if hours < 24 and minutes < 60 and seconds < 60 else None


def _check_unit(value: NDArray[np.float64], most: float, path: Path) -> None:
    """Refuses values that look like another unit, all of them or some; `most` is what this one could mean."""
    if not len(value):
        return
    middle = float(np.median(value))
    if middle < _MMOL:
        raise UserError(
            f"{path}: a median of {middle:.3g} mg/dL is no living person's; it looks like mmol/L. Name the column "
            "glucose_value_mmol_l, or say unit='mmol/L'."
        )
    low = int((value < _MMOL).sum())
    high = int((value > most).sum())
    if most < _MOST * 0.99 and high > _FEW * len(value):
        raise UserError(
            f"{path}: {high} of {len(value)} values are above {_MMOL:g} mmol/L, which no living person has: units "
            "look mixed, or all are mg/dL. Convert mg/dL by 1 / 18.016."
        )
    if low > _FEW * len(value):
        raise UserError(
            f"{path}: {low} of {len(value)} values are below {_MMOL:g} mg/dL beside a median of {middle:.0f}: "
            "units look mixed. Convert mmol/L by 18.016."
        )


def _windows(
    course: Course, horizon: float, history: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Histories, values ahead and times of the readings that have both without a long gap."""
    at, x = _histories(course, history)
    known, ahead = _ahead(course, at, horizon)
    return x[known], ahead, course.minutes[at[known]]


def _histories(course: Course, history: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Numbers of the readings with a history without a long gap, and their histories."""
    minutes, value = course.minutes, course.value
    steps = round(history / _STEP)
    if len(minutes) < 2:
        return np.zeros(0, dtype=np.int64), np.zeros((0, steps + 1))
    broken = _stretches(minutes)
    first = np.searchsorted(minutes, minutes - history, "right") - 1
    at = np.flatnonzero(first >= 0)
    at = at[broken[first[at]] == broken[at]]
    back = np.arange(-steps, 1) * _STEP
    return at, np.interp(minutes[at, None] + back, minutes, value)


def _ahead(
    course: Course, at: NDArray[np.int64], horizon: float
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which readings have a value later without a long gap, and that value."""
    minutes, value = course.minutes, course.value
    if not len(at):
        return np.zeros(0, dtype=bool), np.zeros(0)
    broken = _stretches(minutes)
    later = np.searchsorted(minutes, minutes[at] + horizon, "left")
    known = later < len(minutes)
    known[known] = broken[later[known]] == broken[at[known]]
    return known, np.interp(minutes[at[known]] + horizon, minutes, value)


def _stretches(minutes: NDArray[np.float64]) -> NDArray[np.int64]:
    """The number of the stretch without a long gap that each reading is in."""
    stretch: NDArray[np.int64] = np.r_[0, np.cumsum(np.diff(minutes) > _GAP)]
    return stretch
