"""What watches a training run: a progress bar, a metrics file, TensorBoard."""

from __future__ import annotations

import json
import math
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

from metadx.training.trainer import Listener, Record


@contextmanager
def progress_bar(title: str, iterations: int, console: Console | None = None) -> Iterator[Listener]:
    """A bar with tasks per second, loss, the last validation score and the time left."""
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
        task = bar.add_task(title, total=iterations, note="")
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
def metrics_file(path: Path) -> Iterator[Listener]:
    """One JSON line per step, null for what is not finite; wall-clock speed is left out, so that equal runs write
    equal files."""
    with path.open("w", encoding="utf-8", buffering=1) as stream:

        def listen(record: Record) -> None:
            kept = {
                name: value if math.isfinite(value) else None
                for name, value in record.items()
                if name != "tasks_per_second"
            }
            stream.write(json.dumps(kept) + "\n")

        yield listen


@contextmanager
def tensorboard(folder: Path) -> Iterator[Listener]:
    """Scalars for TensorBoard; does nothing where the `tensorboard` extra is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        yield lambda record: None
        return
    writer = SummaryWriter(str(folder))

    def listen(record: Record) -> None:
        for name, value in record.items():
            if name != "step":
                writer.add_scalar(name, value, int(record["step"]))

    yield listen
    writer.close()  # not after an interruption: its queue, caught half-way, may wait for itself for ever
