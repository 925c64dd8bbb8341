"""The folder of a run while it is made: it stays if there is something to resume, and else nothing is left."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from metadx.errors import UserError
from metadx.studies.lock import LOCK, only_process
from metadx.studies.runs import MODEL, RECIPE
from metadx.training import has_checkpoint, remove_checkpoints


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder for a run that begins, held for this process.

    If the block fails before there is a checkpoint, nothing is left behind.

    Raises:
        UserError: `out` is not empty, lies below a file, or another process is at work there.
    """
    if (out / LOCK).is_file():
        with only_process(out):
            pass
    _refuse_occupied(out)
    made = [folder for folder in (out, *out.absolute().parents) if not folder.exists()]
    out.mkdir(parents=True, exist_ok=True)
    try:
        with only_process(out):
            _refuse_occupied(out)
            try:
                yield out
            except BaseException:
                if not has_checkpoint(out):
                    _clear(out)
                raise
    except BaseException:
        with contextlib.suppress(OSError):  # there is something to resume, or another run has moved in
            for folder in made:
                folder.rmdir()
        raise


@contextmanager
def unfinished_folder(folder: Path) -> Iterator[Path]:
    """The folder of a run that was interrupted, held for this process; whatever happens, it stays.

    Raises:
        UserError: there is no run to resume, it is finished, or another process is at work on it.
    """
    if not (folder / RECIPE).is_file():
        raise UserError(f"{folder}: no run to resume. Begin one with `metadx train RECIPE --out {folder}`.")
    with only_process(folder):
        if (folder / MODEL).is_file():
            remove_checkpoints(folder)
            raise UserError(f"{folder}: this run is finished. Score it with `metadx evaluate {folder}`.")
        yield folder


def is_unfinished(folder: Path) -> bool:
    """Whether it holds a run that can be gone on with."""
    return (folder / RECIPE).is_file() and not (folder / MODEL).is_file()


def _refuse_occupied(out: Path) -> None:
    blocked = next((p for p in out.absolute().parents if p.exists() and not p.is_dir()), None)
    if blocked is not None:
        raise UserError(f"{blocked}: is a file, not a folder. Choose another --out.")
    if not out.exists() or (out.is_dir() and {p.name for p in out.iterdir()} <= {LOCK}):
        return
    if is_unfinished(out):
        raise UserError(
            f"{out}: holds a run that is not finished. Go on with `metadx train --resume {out}`, or choose another "
            "--out."
        )
    raise UserError(f"{out}: already exists. Choose another --out, or remove it first.")


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name == LOCK:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
