"""`metadx diagnose`: findings for new patients."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from metadx.errors import UserError

if TYPE_CHECKING:
    from metadx.diagnosis import Diagnoser, Finding, Forecaster

EXAMPLES = """
[bold]Examples[/bold]

metadx diagnose bundle patients.csv

metadx diagnose bundle patients.csv --json > findings.json

metadx diagnose bundle smear.png

metadx diagnose bundle patients.csv --signed-by 0a1b-2c3d-4e5f-6a7b-8c9d-0e1f-2a3b-4c5d
"""


def diagnose(
    bundle: Annotated[Path, typer.Argument(help="A bundle that `metadx adapt` wrote.")],
    patients: Annotated[Path, typer.Argument(help="Cases: a CSV, a picture or scan, or a folder of them.")],
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    signed_by: Annotated[
        str | None, typer.Option(help="Fingerprint of the key that must have signed the bundle.")
    ] = None,
    units_checked: Annotated[
        bool, typer.Option("--units-checked", help="Take columns that look to be in another unit.")
    ] = False,
    task: Annotated[str | None, typer.Option(help="Which task of a MedIMeta folder.")] = None,
    label: Annotated[str | None, typer.Option(help="Which label, where a case has several.")] = None,
) -> None:
    """Say of each case how likely each of the bundle's conditions is, and which labelled cases it resembles.

    A bundle of values says the value to expect, with an interval. Where the cases have labels or values, says how
    many findings agree with them, or how far they are off.
    """
    from metadx.cases import read_observations
    from metadx.diagnosis import Forecaster, load_bundle
    from metadx.studies import refuse_odd_units

    diagnoser = load_bundle(bundle, signed_by=signed_by)
    if isinstance(diagnoser, Forecaster):
        _values(diagnoser, patients, json, units_checked)
        _say_of_bundle(bundle, signed_by)
        return
    inputs = diagnoser.fitted_.inputs
    cases = read_observations(patients, inputs, task=task, label=label)
    if not units_checked:
        refuse_odd_units(inputs, cases, patients)
    _check_labels(diagnoser, cases.label, patients)
    findings = diagnoser.diagnose(cases.x, cases.name)
    if json:
        print(json_format.dumps([f.model_dump() for f in findings], indent=2, ensure_ascii=False))
    else:
        Console().print(_table(findings))
    if cases.label is not None:
        right = sum(f.diagnosis == label for f, label in zip(findings, cases.label, strict=True))
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(
            f"{right} of {len(findings)} findings agree with the labels in {patients}.", markup=False
        )
    _say_of_bundle(bundle, signed_by)


def _values(forecaster: Forecaster, path: Path, json: bool, units_checked: bool) -> None:
    """Findings of a model of values."""
    from metadx.cases import read_values
    from metadx.cli.values import value_lines, value_table
    from metadx.studies import refuse_odd_units

    inputs, target = forecaster.fitted_.inputs, forecaster.fitted_.target
    assert target is not None
    cases = read_values(path, inputs, target.quantity)
    if not units_checked and inputs.rows:
        refuse_odd_units(inputs, cases, path)
    findings = forecaster.forecast(cases.x, cases.name)
    if json:
        print(json_format.dumps([f.model_dump() for f in findings], indent=2, ensure_ascii=False))
    else:
        Console().print(value_table(findings))
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for line in value_lines(findings, cases, path):
        console.print(line, markup=False)


def _say_of_bundle(bundle: Path, signed_by: str | None) -> None:
    """Who signed the bundle, where that is somebody else, and what it lacks."""
    from metadx.diagnosis import own_fingerprint, read_content

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    content, signer = read_content(bundle)
    if signer != own_fingerprint() and signed_by is None:
        console.print(
            f"The bundle is as it was signed, by a key that is not yours: {signer}. Ask its sender for their key's "
            "name, and give it as --signed-by.",
            markup=False,
        )
    for lost in content.lost:
        console.print(f"Made without its labelled cases: {lost}.", markup=False)


def _check_labels(diagnoser: Diagnoser, labels: tuple[str, ...] | None, path: Path) -> None:
    known = [str(name) for name in diagnoser.classes_]
    unknown = sorted(set(labels or ()) - set(known))
    if unknown:
        raise UserError(
            f"{path}: the label '{unknown[0]}' was never shown to this bundle, which knows {', '.join(known)}. It "
            "can only give diagnoses it was shown: adapt again with cases of it, or take those rows out."
        )


def _table(findings: list[Finding]) -> Table:
    table = Table("case", "most likely", "probability", "next", "most similar known case")
    for finding in findings:
        ranked = sorted(finding.probabilities.items(), key=lambda item: -item[1])
        second = f"{escape(ranked[1][0])} {ranked[1][1]:.0%}"
        like = (
            f"{finding.similar[0].case} ({finding.similar[0].diagnosis})" if finding.similar else "not kept"
        )
        table.add_row(
            escape(finding.case), escape(finding.diagnosis), f"{ranked[0][1]:.0%}", second, escape(like)
        )
    return table
