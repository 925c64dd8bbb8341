"""The folder of a study while it is made: every step that is done is kept, so that the same command goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from metadx.durable import write_durably
from metadx.errors import UserError
from metadx.studies.lock import LOCK, only_process

WORK, BEGUN, RESULT, REPORT = "work", "begun.json", "study.json", "report.html"


class Journal:
    """The steps of a study on disk, by name.

    Args:
        folder: of the study.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / WORK
        self.work.mkdir(parents=True, exist_ok=True)

    def read(self, step: str) -> Any:
        """What was kept of a step, or None."""
        path = self.work / f"{step}.json"
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def keep(self, step: str, content: Any) -> None:
        """Keeps a step; at no moment does half of it stand on disk."""
        write_durably(self.work / f"{step}.json", (json.dumps(content) + "\n").encode())

    @property
    def begun(self) -> bool:
        """Whether a step is kept."""
        return any(path.name != BEGUN for path in self.work.glob("*.json"))

    def close(self) -> None:
        """Removes the steps of a study that is finished."""
        shutil.rmtree(self.work, ignore_errors=True)


@contextmanager
def study_folder(out: Path, asked: dict[str, Any]) -> Iterator[tuple[Journal, bool]]:
    """A folder for a study, held for this process, and whether it goes on with one that was interrupted.

    If the block fails before a step is kept, nothing is left behind.

    Args:
        out: the folder.
        asked: data and options; an unfinished study goes on only if they are the same.

    Raises:
        UserError: `out` is not empty, holds another study, or another process is at work there.
    """
    _refuse_occupied(out, asked)
    made = [folder for folder in (out, *out.absolute().parents) if not folder.exists()]
    out.mkdir(parents=True, exist_ok=True)
    try:
        with _held(out, asked) as found:
            yield found
    except BaseException:
        if not (out / WORK).exists():
            for folder in made:
                _remove_if_empty(folder)
        raise


@contextmanager
def _held(out: Path, asked: dict[str, Any]) -> Iterator[tuple[Journal, bool]]:
    with only_process(out):
        going_on = (out / WORK / BEGUN).is_file()
        journal = Journal(out)
        if not going_on:
            journal.keep(BEGUN.removesuffix(".json"), asked)
        try:
            yield journal, going_on
        except BaseException:
            if not journal.begun:
                _clear(out)
            raise
        journal.close()


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _refuse_occupied(out: Path, asked: dict[str, Any]) -> None:
    blocked = next((p for p in (out, *out.absolute().parents) if p.exists() and not p.is_dir()), None)
    if blocked is not None:
        raise UserError(f"{blocked}: is a file, not a folder. Choose another --out.")
    if not out.exists() or {path.name for path in out.iterdir()} <= {LOCK}:
        return
    if (out / RESULT).is_file():
        raise UserError(
            f"{out}: holds a finished study; read {out / REPORT}. Choose another --out, or remove it first."
        )
    begun = out / WORK / BEGUN
    if not begun.is_file():
        raise UserError(f"{out}: already exists. Choose another --out, or remove it first.")
    try:
        before = json.loads(begun.read_text(encoding="utf-8"))
    except ValueError:
        before = {}
    other = [name for name in {**before, **asked} if before.get(name) != asked.get(name)]
    if other:
        raise UserError(
            f"{out}: holds an unfinished study of other data or with other options "
            f"({', '.join(sorted(other))}). Choose "
            "another --out, or remove it first."
        )
