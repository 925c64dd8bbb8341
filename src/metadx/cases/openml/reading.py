"""Cases of a data set or task that lies in OpenML's cache; no network, and none of the package's pickles."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from metadx.cases.cases import Cases
from metadx.cases.clinical.arff import parse_arff
from metadx.cases.clinical.parquet import read_parquet
from metadx.cases.clinical.tables import read_arff
from metadx.cases.openml.address import parse_address
from metadx.cases.openml.cache import Held, find_data, find_task
from metadx.errors import MissingData, UserError

_NO_MEASUREMENT = ("string", "date", "relational")


def load_openml(name: str, *, patients: str | None = None) -> Cases:
    """The cases of a data set or task of OpenML that is on this machine.

    Row numbers, what the uploader says to ignore, text and dates are no features; the provenance says which were
    left out. OpenML has no patient ids.

    Args:
        name: such as `openml:100`, `openml:100#target` or `openml:task:31`.
        patients: `EVERY_CASE_ITS_OWN_PATIENT`.

    Raises:
        UserError: a wrong name, a suite, no target, a damaged file, or nobody vouches for the patients.
        MissingData: it is not here; says the command that gets it.
    """
    address = parse_address(name)
    if address.kind == "suite":
        raise UserError(
            f"{name} is a suite of data sets. Name one of them, as `metadx.cases.openml.suite_members` lists them."
        )
    number, target = address.number, address.target
    missing = f"{name} is not on this machine. Get it with `metadx data get {name}`."
    if address.kind == "task":
        found = find_task(number)
        if found is None:
            raise MissingData(missing)
        number, target = found
    held = find_data(number)
    if held is None:
        raise MissingData(missing)
    said = held.description
    target = target or said.target
    if not target:
        raise UserError(
            f"{name}: OpenML does not say which column to diagnose. Name it: openml:{number}#column."
        )
    cases, left_out = _read(held, target, patients)
    doubt = _doubt(held)
    notes = [f"Not verified: {doubt}."] if doubt else []
    if not said.active:
        notes.append("OpenML has withdrawn this data set or not checked it.")
    left = (f"left out: {', '.join(left_out)}",) if left_out else ()
    return replace(
        cases,
        provenance=replace(
            cases.provenance,
            source=f"{said.name}, version {said.version} (https://www.openml.org/d/{number})",
            licence=said.licence or "unknown",
            checksum=f"unverified: {doubt}" if doubt else f"md5:{said.md5}",
            preprocessing=(*cases.provenance.preprocessing, *left),
            notes=(*cases.provenance.notes, *notes),
        ),
    )


def _read(held: Held, target: str, patients: str | None) -> tuple[Cases, list[str]]:
    file, said = held.file, held.description
    if file.suffix == ".pq":
        drop = [name for name in said.left_out if name != target]
        return read_parquet(file, label=target, drop=drop, patients=patients), drop
    attributes = parse_arff(file).attributes
    known = [a.name for a in attributes]
    words = [a.name for a in attributes if a.kind in _NO_MEASUREMENT]
    drop = [n for n in dict.fromkeys((*said.left_out, *words)) if n in known and n != target]
    return read_arff(file, label=target, drop=drop, patients=patients), drop


def _doubt(held: Held) -> str:
    """Why a file is not verified; "" if it is.

    Raises:
        UserError: it has another checksum than OpenML says.
    """
    if held.file.suffix == ".pq":
        return "OpenML says no checksum of Parquet files"
    if not held.description.md5:
        return "OpenML says no checksum of this file"
    if _md5(held.file) != held.description.md5:
        raise UserError(
            f"{held.file}: has not the checksum that OpenML says. Remove {held.file.parent} and get it again."
        )
    return ""


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
