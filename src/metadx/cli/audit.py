"""`metadx audit`: what in the data would make measured numbers better than the truth."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from metadx.cases import EVERY_CASE_ITS_OWN_PATIENT, Cases, Reading, Scans, entry, load, read_files
from metadx.errors import UserError

if TYPE_CHECKING:
    from metadx.cases.audit import Audit, Leak
    from metadx.cases.audit.links import Progress as Report

EXAMPLES = """
[bold]Examples[/bold]

metadx audit patients.csv

metadx audit pictures --patient-pattern '^(p[0-9]+)_' --strict

metadx audit thyroid --json
"""

_SHOWN = 12
_PATIENCE = 2.0
_SOMETHING_SERIOUS = 1


def audit(
    data: Annotated[str, typer.Argument(help="A CSV, a folder, an .npz archive, or a catalogue name.")],
    patient_pattern: Annotated[
        str | None,
        typer.Option(help="Finds the patient in a picture's name: a regular expression with one group."),
    ] = None,
    size: Annotated[
        int, typer.Option(min=8, max=1024, help="Pixels a side at which pictures of any size are compared.")
    ] = 64,
    channels: Annotated[int | None, typer.Option(help="1 or 3, to compare all in grey or in colour.")] = None,
    bits: Annotated[int | None, typer.Option(help="How many bits of 16-bit pictures hold values.")] = None,
    task: Annotated[str | None, typer.Option(help="Which task of a MedIMeta folder.")] = None,
    label: Annotated[str | None, typer.Option(help="Which label, where a case has several.")] = None,
    slices: Annotated[
        int | None,
        typer.Option(min=1, help="Compare so many axial slices of each DICOM series or NIfTI file."),
    ] = None,
    allow_unverified: Annotated[
        bool, typer.Option("--allow-unverified", help="Take a copy that is not the official one.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with exit code 1 if anything serious is found.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every leak as JSON.")] = False,
) -> None:
    """Look for copies, patients under two ids, contradictory labels and features that give the label away.

    Changes nothing. Data without patient ids are audited as they are; what could not be checked is said.
    """
    from metadx.cases.audit import audit_cases

    cases = _read(data, patient_pattern, size, channels, bits, allow_unverified, task, label, slices)
    with _bar(Console(stderr=True)) as report:
        found = audit_cases(cases, progress=report)
    if as_json:
        typer.echo(
            json.dumps({**dataclasses.asdict(found), "serious": found.serious}, indent=2, ensure_ascii=False)
        )
    else:
        _print(found, Console())
    if strict and found.serious:
        raise typer.Exit(_SOMETHING_SERIOUS)


def _read(
    data: str,
    pattern: str | None,
    size: int,
    channels: int | None,
    bits: int | None,
    unverified: bool,
    task: str | None,
    label: str | None,
    slices: int | None,
) -> Cases:
    """The cases of a folder, a CSV or a data set; where they have no patient ids the audit says so itself."""
    path, words = Path(data), EVERY_CASE_ITS_OWN_PATIENT
    if path.exists():
        how = Reading(
            patients=words if pattern is None else None,
            patient_pattern=pattern,
            size=size,
            channels=channels,
            bits=bits,
            task=task,
            label=label,
            scans=None if slices is None else Scans(slices=slices),
        )
        return read_files(path, how)
    if path.suffix or len(path.parts) != 1:
        raise UserError(f"{data}: no such file or folder. Mend the path.")
    vouched = None if entry(data).patient_ids else words
    return load(data, allow_unverified=unverified, patients=vouched, label=label)


@contextmanager
def _bar(console: Console) -> Iterator[Report]:
    """A bar with the time left, once it is clear that this takes a while."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    began = time.monotonic()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", visible=False)

        def report(what: str, done: int, total: int) -> None:
            late = time.monotonic() - began > _PATIENCE
            bar.update(task, description=what.capitalize(), completed=done, total=total, visible=late)

        yield report


def _print(found: Audit, console: Console) -> None:
    whose = "" if found.patients is None else f" of {found.patients:,} patients"
    console.print(
        f"{found.source}: {found.cases:,} cases{whose}.", highlight=False, markup=False, soft_wrap=True
    )
    for (severity, kind), group in groupby(found.leaks, key=lambda f: (f.severity, f.kind)):
        _print_kind(list(group), f"{kind} ({severity})", console)
    serious = sum(leak.severity == "serious" for leak in found.leaks)
    rest = len(found.leaks) - serious
    verdict = f"{serious:,} serious, {rest:,} to know of." if found.leaks else "Nothing was found."
    console.print(verdict, style="bold" if serious else None, highlight=False)
    for sentence in found.unchecked:
        console.print(f"Not checked: {sentence}", highlight=False, markup=False, soft_wrap=True)


def _print_kind(leaks: list[Leak], title: str, console: Console) -> None:
    mends = list(dict.fromkeys(leak.mend for leak in leaks))
    each = ("mend",) if len(mends) > 1 else ()
    table = Table("cases", "what", *each, title=title, title_justify="left", caption_justify="left")
    for leak in leaks[:_SHOWN]:
        names = ", ".join(name[-40:] for name in leak.names[:3])
        more = f" and {len(leak.names) - 3:,} more" if len(leak.names) > 3 else ""
        table.add_row(escape(names + more), escape(leak.sentence), *(escape(leak.mend) for _ in each))
    left = len(leaks) - _SHOWN
    unseen = (f"And {left:,} more; --json lists them all.",) if left > 0 else ()
    table.caption = escape(" ".join((*unseen, *(mends if len(mends) == 1 else ()))))
    console.print(table)
