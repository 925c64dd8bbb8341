"""Time series of one's own: a CSV of patient, time and values, or a folder of one CSV per recording."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metadx.cases.cases import Cases, Provenance
from metadx.cases.columns import is_missing, numbers
from metadx.cases.labels import number_classes
from metadx.cases.signals.grid import LONGEST, on_grid
from metadx.cases.tables import Columns, inside_folder, parse_table
from metadx.cases.textfile import sha256_of
from metadx.errors import UserError

LABELS = "labels.csv"
"""The table of a folder: columns `file`, `label` or `target`, `patient`, perhaps `site`."""

_ROLES = ("patient", "time", "label", "target", "site", "recording")
_TOLD = ("patient", "label", "target", "site")
_LARGEST = 3e38
"""What 32 bits hold."""


class Recording(NamedTuple):
    """One recording.

    Args:
        name: its file, or what the column `recording` calls it.
        told: patient, label or target, and site, as text.
        time: ascending, shape (rows,); in minutes where times are dates.
        values: by channel, NaN where missing, each of shape (rows,).
        dated: whether times are dates.
        moved: rows that were not in the order of time.
    """

    name: str
    told: dict[str, str]
    time: NDArray[np.float64]
    values: dict[str, NDArray[np.float64]]
    dated: bool
    moved: int


def read_series(
    path: str | Path,
    *,
    step: float,
    duration: float,
    how: Literal["mean", "line"] = "mean",
    gap: float | None = None,
) -> Cases:
    """One case per recording, on a grid of `step` from its first row; NaN where nothing was measured.

    `x` has shape (cases, channels, steps), float32. Every column that is not `patient`, `time`, `recording`,
    `label`, `target` or `site` is a channel, in the unit of the file; name it with its unit, as in
    `heart rate [1/min]`.

    Args:
        path: a CSV with the columns `patient`, `time`, `label` (or a number, `target`), perhaps `recording` and
            `site`, and the channels, all rows of a recording saying the same label; or a folder with a CSV per
            recording, columns `time` and the channels, and `labels.csv`, which says of each `file` its `label` and
            `patient`.
        step: of the grid, in the unit of `time`; in minutes where times are dates.
        duration: how much of each recording is looked at, from its first row, in the same unit.
        how: "mean" averages the rows of each step; "line" reads values off the line between neighbouring rows, for
            signals sampled more or less evenly, no more than twice as finely as the grid.
        gap: with "line", how far apart rows may lie to be joined; three steps by default.

    Raises:
        UserError: a file, a column, a time or a value cannot be used; recordings of other channels; or a grid that
            is too coarse for "line", too fine or too long.
    """
    if not (0 < step <= duration < np.inf) or duration / step > LONGEST:
        raise UserError(
            f"step={step:g}, duration={duration:g}: give a step up to the duration, and at most {LONGEST:,} steps."
        )
    place = Path(path)
    recordings = _folder(place) if place.is_dir() else _long(place)
    channels = list(recordings[0].values)
    for one in recordings:
        if list(one.values) != channels:
            raise UserError(
                f"{one.name}: channels {', '.join(one.values)[:80]}, but {recordings[0].name} has "
                f"{', '.join(channels)[:80]}. Give all recordings the same columns."
            )
    _check_together(recordings)
    found = [on_grid(r.name, r.time, list(r.values.values()), step, duration, how, gap) for r in recordings]
    kept = [at for at, grid in enumerate(found) if np.isfinite(grid).any()]
    if not kept:
        raise UserError(
            f"{place}: no recording has a value in its first {duration:g}. Check step and duration."
        )
    used = [recordings[at] for at in kept]
    y, classes = _outcome([r.told for r in used], place)
    unit = "minutes" if used[0].dated else "units of time"
    moved, without = sum(r.moved for r in recordings), len(recordings) - len(kept)
    notes = (
        (moved, f"{moved:,} rows were not in the order of time, and were put there."),
        (without, f"{without:,} recordings were left out: no value in the time looked at."),
    )
    read = {"mean": "means", "line": "values off the line between rows"}[how]
    return Cases(
        x=np.stack([found[at] for at in kept]).astype(np.float32),
        y=y,
        patient=np.array([r.told["patient"] for r in used]),
        classes=classes,
        modality="signal",
        provenance=Provenance(
            source=str(place),
            checksum=sha256_of(place / LABELS if place.is_dir() else place),
            preprocessing=(
                f"{read} of {step:g} {unit} over the first {duration:g}; NaN where nothing was measured",
                "channels: " + ", ".join(channels),
            ),
            notes=tuple(words for count, words in notes if count),
        ),
        site=np.array([r.told["site"] for r in used]) if "site" in used[0].told else None,
        name=np.array([r.name for r in used]),
    )


def holds_series(folder: Path) -> bool:
    """Whether a folder has the `labels.csv` of recordings."""
    file = folder / LABELS
    if not file.is_file():
        return False
    try:
        columns = parse_table(file)
    except UserError:
        return False
    return "file" in columns and "patient" in columns


def _folder(place: Path) -> list[Recording]:
    if not (place / LABELS).is_file():
        raise UserError(f"{place}: no {LABELS}, which says the label and patient of each file. Write one.")
    table = parse_table(place / LABELS)
    _need(table, ("file", "patient"), place / LABELS)
    told = {name: table[name] for name in _TOLD if name in table}
    _filled(told | {"file": table["file"]}, place / LABELS)
    found = []
    for row, cell in enumerate(table["file"], start=1):
        file = inside_folder(place / LABELS, str(cell), row)
        columns = parse_table(file)
        _need(columns, ("time",), file)
        found.append(_recording(str(cell), {k: str(v[row - 1]) for k, v in told.items()}, columns, file))
    twice = next((r.name for r in found if [q.name for q in found].count(r.name) > 1), None)
    if twice is not None:
        raise UserError(f"{place / LABELS}: file '{twice[:60]}' is named twice. Remove one.")
    return found


def _long(place: Path) -> list[Recording]:
    table = parse_table(place)
    _need(table, ("patient", "time"), place)
    _one_outcome([name for name in ("label", "target") if name in table], place)
    own = {name: table[name] for name in (*_TOLD, "recording") if name in table}
    _filled(own, place)
    key = own.get("recording", own["patient"])
    found = []
    for name in dict.fromkeys(key.tolist()):
        rows = key == name
        told: dict[str, str] = {}
        for column in _TOLD:
            if column in own:
                said = sorted({str(cell) for cell in own[column][rows]})
                if len(said) > 1:
                    raise UserError(
                        f"{place}: recording '{str(name)[:60]}' has {len(said)} values of '{column}' "
                        f"({said[0][:20]}, {said[1][:20]}). Give every recording one, or tell recordings apart "
                        "by a column 'recording'."
                    )
                told[column] = said[0]
        found.append(_recording(str(name), told, {k: v[rows] for k, v in table.items()}, place))
    return found


def _recording(name: str, told: dict[str, str], columns: Columns, file: Path) -> Recording:
    channels = [column for column in columns if column not in _ROLES]
    if not channels:
        raise UserError(f"{file}: no column of values beside {', '.join(columns)}. Add the measurements.")
    time, dated = _times(columns["time"], file)
    order = np.argsort(time, kind="stable")
    values = {c: numbers(columns[c], f"{file}: column '{c}'")[order] for c in channels}
    large = next((c for c, value in values.items() if (np.abs(value) > _LARGEST).any()), None)
    if large is not None:
        raise UserError(
            f"{file}: column '{large[:60]}' of '{name[:60]}' holds a number above {_LARGEST:.0e}."
        )
    moved = int((np.diff(time) < 0).sum())
    return Recording(name, told, time[order], values, dated, moved)


def _times(cells: NDArray[np.object_], file: Path) -> tuple[NDArray[np.float64], bool]:
    """Times as numbers, and whether they are dates, which become minutes since the first."""
    missing = np.flatnonzero(is_missing(cells))
    if len(missing):
        raise UserError(f"{file}: column 'time' is missing in row {missing[0] + 1}. Fill it in.")
    try:
        plain = cells.astype(np.float64)
    except ValueError:
        moments = [_moment(str(cell), row, file) for row, cell in enumerate(cells, start=1)]
        first = min(moments)
        return np.array([(moment - first).total_seconds() / 60 for moment in moments]), True
    if not np.isfinite(plain).all():
        raise UserError(f"{file}: column 'time' holds an infinite value. Mend it.")
    return plain, False


def _moment(cell: str, row: int, file: Path) -> datetime:
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError:
        raise UserError(
            f"{file}: column 'time', row {row}: '{cell[:40]}' is neither a number nor a date such as "
            "2024-05-31 13:45. Mend it."
        ) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _need(columns: Columns, names: tuple[str, ...], file: Path) -> None:
    for name in names:
        if name not in columns:
            raise UserError(f"{file}: no column '{name}' (found {', '.join(columns)[:100]}). Name it so.")


def _filled(columns: Columns, file: Path) -> None:
    for name, cells in columns.items():
        missing = np.flatnonzero(is_missing(cells))
        if len(missing):
            raise UserError(f"{file}: column '{name}' is missing in row {missing[0] + 1}. Fill it in.")


def _check_together(recordings: list[Recording]) -> None:
    if len({r.dated for r in recordings}) > 1:
        other = next(r for r in recordings if r.dated != recordings[0].dated)
        raise UserError(
            f"{other.name}: some recordings have dates as times, others numbers. Write them alike."
        )


def _one_outcome(names: list[str], place: Path) -> str:
    if len(names) != 1:
        raise UserError(
            f"{place}: needs a column 'label' for conditions or 'target' for values, and not both."
        )
    return names[0]


def _outcome(told: list[dict[str, str]], place: Path) -> tuple[NDArray[np.generic], tuple[str, ...]]:
    name = _one_outcome([name for name in ("label", "target") if name in told[0]], place)
    cells = [one[name] for one in told]
    if name == "label":
        return number_classes(cells, str(place))
    return numbers(np.asarray(cells, dtype=object), f"{place}: column 'target'"), ()
