"""What watches a training run: a progress bar, a metrics file, TensorBoard."""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from metadx.durable import NO_ROOM, DiskFull
from metadx.errors import Interrupted, UserError
from metadx.training.standing import Record
from metadx.training.trainer import Listener

_PATIENCE = 5.0  # seconds


@contextmanager
def progress_bar(
    title: str, iterations: int, console: Console | None = None, *, done: int = 0
) -> Iterator[Listener]:
    """A bar with tasks per second, loss, the last validation score and the time left; begins after `done` steps."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console or Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=iterations, completed=done, note="")
        validation = ""

        def listen(record: Record) -> None:
            nonlocal validation
            if "validation" in record:
                validation = f" · validation {record['validation']:.3f}"
            loss = f" · loss {record['loss']:.3f}" if "loss" in record else ""
            note = f"{record['tasks_per_second']:.0f} tasks/s{loss}{validation}"
            bar.update(task, completed=int(record["step"]), note=note)

        yield listen


@contextmanager
def metrics_file(path: Path, *, done: int = 0) -> Iterator[Listener]:
    """One JSON line per step, null for what is not finite; wall-clock speed is left out, so that equal runs write
    equal files.

    Args:
        path: the file.
        done: steps whose lines are kept, where a run is resumed; what follows them is cut off.

    Raises:
        UserError: the file has not as many lines.
    """
    path.touch()
    os.truncate(path, _end_of_line(path, done))
    with path.open("a", encoding="utf-8", buffering=1) as stream:

        def listen(record: Record) -> None:
            kept = {
                name: value if math.isfinite(value) else None
                for name, value in record.items()
                if name != "tasks_per_second"
            }
            stream.write(json.dumps(kept) + "\n")

        yield listen


def _end_of_line(path: Path, number: int) -> int:
    """Where the line of that number ends, counted in bytes."""
    with path.open("rb") as stream:
        for _ in range(number):
            if not stream.readline().endswith(b"\n"):
                raise UserError(f"{path}: lacks lines of the {number} steps that were done. Train again.")
        return stream.tell()


@contextmanager
def _quiet_when_full() -> Iterator[None]:
    """TensorBoard's thread prints no traceback for a full disk, which the next scalar raises here too."""
    before = threading.excepthook

    def quietly(said: threading.ExceptHookArgs) -> None:
        if getattr(said.exc_value, "errno", None) not in NO_ROOM:
            before(said)

    threading.excepthook = quietly
    try:
        yield
    finally:
        threading.excepthook = before


@contextmanager
def tensorboard(folder: Path, *, done: int | None = None) -> Iterator[Listener]:
    """Scalars for TensorBoard; does nothing where the `tensorboard` extra is not installed.

    Args:
        folder: of the event files.
        done: steps whose scalars are kept, where a run is resumed; None where it begins.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        yield lambda record: None
        return
    writer = SummaryWriter(str(folder), purge_step=None if done is None else done + 1)

    def listen(record: Record) -> None:
        for name, value in record.items():
            if name != "step":
                writer.add_scalar(name, value, int(record["step"]))

    with _quiet_when_full():
        try:
            yield listen
        except (
            OSError,
            DiskFull,
        ):  # its queue may wait for ever for room, and its thread must not fail later
            closing = threading.Thread(target=writer.close, daemon=True)
            closing.start()
            closing.join(_PATIENCE)
            raise
        except (Exception, Interrupted):
            writer.close()
            raise
        writer.close()  # not after a signal that nobody noted
