"""`metadx data`: the public data sets, which of them are here, and getting them."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from metadx.cases import EVERY_CASE_ITS_OWN_PATIENT, DataSet, Holding, entries, entry, find, get, load
from metadx.errors import MissingData

app = typer.Typer(
    name="data",
    no_args_is_help=True,
    help="Public data sets: list them, get one, check a copy.",
    epilog="Examples: metadx data list · metadx data get omniglot · metadx data check thyroid --json",
)

Name = Annotated[str, typer.Argument(help="The data set's name, as `metadx data list` shows it.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]


@app.command("list", epilog="Examples: metadx data list · metadx data list --json")
def list_data_sets(as_json: Json = False) -> None:
    """Every data set that metadx reads, and whether it is on this machine."""
    rows = [(data_set, _state(find(data_set))) for data_set in entries().values() if not data_set.size_of]
    if as_json:
        _print_json([{**_facts(data_set), "here": state} for data_set, state in rows])
        return
    table = Table("name", "what", "cases", "classes", "licence", "here")
    table.columns[0].no_wrap = True
    for data_set, state in rows:
        counts = (f"{data_set.cases:,}", str(data_set.classes))
        table.add_row(data_set.name, data_set.title, *counts, data_set.licence, state)
    Console().print(table)


@app.command(epilog="Examples: metadx data info thyroid · metadx data info herlev --json")
def info(name: Name, as_json: Json = False) -> None:
    """Source, licence, patients, checksum and citation of one data set."""
    facts = _facts(entry(name))
    if as_json:
        _print_json(facts)
    else:
        _print_facts(facts)


@app.command("get", epilog="Examples: metadx data get omniglot · metadx data get chula --allow-unverified")
def get_data_set(
    name: Name,
    allow_unverified: Annotated[
        bool, typer.Option("--allow-unverified", help="Take a copy that is not the official one.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Find a data set on this machine or download it, verify it, and print where it lies."""
    path = get(name, allow_unverified=allow_unverified)
    if as_json:
        _print_json({"name": name, "path": str(path)})
    else:
        typer.echo(str(path))


@app.command(epilog="Examples: metadx data check thyroid · metadx data check pneumoniamnist --json")
def check(name: Name, as_json: Json = False) -> None:
    """Verify the copy on this machine and read all of it; an error if it is not the official one."""
    data_set = entry(name)
    holding = find(data_set)
    if holding is None:
        raise MissingData(f"{name} is not on this machine. Get it with `metadx data get {name}`.")
    words = None if data_set.patient_ids else EVERY_CASE_ITS_OWN_PATIENT
    cases = load(name, allow_unverified=True, patients=words)
    facts: dict[str, object] = {
        "name": name,
        "path": str(holding.path),
        "verified": not holding.doubt,
        "verified_by": data_set.verified_by,
        "doubt": holding.doubt,
        "cases": len(cases),
        "patients": len(set(cases.patient.tolist())) if data_set.patient_ids else None,
        "shape": list(cases.x.shape[1:]),
        "classes": len(cases.classes),
    }
    smallest = sorted(cases.counts().items(), key=lambda item: item[1])
    facts["fewest"] = f"{smallest[0][1]} of {smallest[0][0]}"
    facts["most"] = f"{smallest[-1][1]} of {smallest[-1][0]}"
    if as_json:
        _print_json({**facts, "counts": cases.counts()})
    else:
        _print_facts(facts)
    if holding.doubt:
        get(name)


def _state(holding: Holding | None) -> str:
    if holding is None:
        return "no"
    return "altered" if holding.doubt else holding.place


def _facts(data_set: DataSet) -> dict[str, object]:
    return {**data_set.model_dump(exclude={"options"}), "verified_by": data_set.verified_by}


def _print_facts(facts: dict[str, object]) -> None:
    table = Table(show_header=False)
    for key, value in facts.items():
        if value not in (None, "", [], ()):
            table.add_row(key.replace("_", " "), _words(value))
    Console().print(table)


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(item)}" for key, item in value.items() if item is not None)
    if isinstance(value, list | tuple):
        return "; ".join(_words(item) for item in value)
    return str(value)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
