"""Progress bars of evaluations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from metadx.studies import Progress as Report
    from metadx.studies import Trial, Watch
    from metadx.training import Record


@contextmanager
def evaluation_bar(console: Console) -> Iterator[Report]:
    """A bar over tuning and test episodes, with the time left."""
    columns = (
        TextColumn("Evaluating · {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("episodes"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("")

        def report(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        yield report


@contextmanager
def replay_bar(console: Console) -> Iterator[Callable[[int, int], None]]:
    """A bar over the replays of a forecast, with the time left."""
    columns = (TextColumn("Replaying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def methods_bar(console: Console, methods: int) -> Iterator[Callable[[str, str, int, int], None]]:
    """One bar for each method at work, and one for how many are done."""
    from metadx.studies.exam import DONE

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        every = bar.add_task("Methods", total=methods)
        rows: dict[str, TaskID] = {}

        def report(title: str, what: str, done: int, total: int) -> None:
            if title not in rows:
                rows[title] = bar.add_task("")
            bar.update(rows[title], description=f"{title} · {what}", completed=done, total=total)
            if what == DONE:
                bar.update(rows[title], visible=False)
                bar.advance(every)

        yield report


@contextmanager
def study_bar(console: Console, quiet: bool) -> Iterator[Callable[[str, float, float], None]]:
    """A bar over the stage at hand, with the time left in it and the time since the study began."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        TextColumn("left ·"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=quiet) as bar:
        rows: dict[str, TaskID] = {}

        def report(what: str, done: float, total: float) -> None:
            if what not in rows:
                for row in rows.values():
                    bar.update(row, visible=False)
                rows[what] = bar.add_task(what, total=total)
            bar.update(rows[what], completed=done, total=total)

        yield report


@contextmanager
def tuning_bar(console: Console, trials: int) -> Iterator[Watch]:
    """A bar over the trials of a search, with the best score so far and the step of the trial at hand."""
    columns = (
        TextColumn("Tuning"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("trials{task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        row = bar.add_task("", total=trials, note="")

        def watch(ended: Sequence[Trial], record: Record) -> None:
            best = max((trial.score for trial in ended if trial.outcome == "complete"), default=None)
            note = "" if best is None else f" · best {best:.3f}"
            bar.update(row, completed=len(ended), note=f"{note} · step {record['step']}")

        yield watch
