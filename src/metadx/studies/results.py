"""Measured figures on disk: one JSON row per figure, from which the tables of the docs are made."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from metadx.evaluation import Interval
from metadx.studies.hardware import hardware

_PROGRAM = (":/src", ":/recipes", ":/tools", ":/benchmarks")


class Row(BaseModel):
    """A figure, or a figure that was asked for and not run.

    Args:
        id: file name of the row.
        what: what was measured, in words.
        metric: of the value, with its unit.
        value, low, high: the estimate and its 95 % interval; None where it was not run or has no interval.
        n: episodes, patients or runs behind it.
        target: what it should reach; None where nothing was asked.
        better: whether higher or lower values are better.
        command: what measures it again.
        why: why it was not run.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    what: str
    metric: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int
    target: float | None = None
    better: Literal["higher", "lower"] = "higher"
    command: str
    why: str = ""
    commit: str = ""
    hardware: str = ""
    date: str = ""


def interval_row(
    id: str, what: str, metric: str, found: Interval, command: str, *, scale: float = 1.0, **rest: object
) -> Row:
    """A row of an estimate with its interval, both multiplied by `scale`."""
    value, low, high = (x * scale if x == x else None for x in found[:3])
    row = {"id": id, "what": what, "metric": metric, "value": value, "low": low, "high": high, "n": found.n}
    return Row.model_validate(row | {"command": command} | rest)


def write_row(folder: Path, row: Row) -> None:
    """Writes `folder/<id>.json` with the commit, hardware and date of now."""
    now = datetime.now(UTC).date().isoformat()
    full = row.model_copy(update={"commit": _commit(), "hardware": hardware(), "date": now})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{row.id}.json").write_text(full.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _commit() -> str:
    """The commit measured, marked where the program differs from it; rows just written make no difference."""
    try:
        commit = _git("describe", "--always")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", *_PROGRAM)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit}-dirty" if changed else commit


def _git(*words: str) -> str:
    root = Path(__file__).parent
    return subprocess.run(
        ["git", *words], capture_output=True, text=True, check=True, cwd=root
    ).stdout.strip()
