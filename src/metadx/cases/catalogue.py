"""The public data sets that metadx knows by name: getting one, and loading its cases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from metadx.cases.cases import Cases
from metadx.cases.clinical import read_arff, read_heart_disease
from metadx.cases.dataset import DataSet, entries, entry
from metadx.cases.folders import read_folders
from metadx.cases.genomics import read_anndata, read_clinvar_conflicting, read_expression, read_windows
from metadx.cases.holdings import Holding, cache_folder, find
from metadx.cases.medmnist import read_medmnist
from metadx.cases.omniglot import read_omniglot
from metadx.cases.openml import get_openml, is_openml, load_openml
from metadx.cases.packed import read_packed
from metadx.cases.pictures import AnySize
from metadx.cases.resize import resize_cases
from metadx.cases.signals import read_beats, read_glucose, read_icu, read_ucr, read_visits
from metadx.cases.thyroid import read_thyroid
from metadx.errors import MissingData, UserError

__all__ = ["entries", "entry", "get", "load"]


def get(name: str, *, allow_unverified: bool = False) -> Path:
    """Where a data set lies on this machine, after downloading it if it is not here.

    Looked for among the installed packages, in the folder METADX_DATA, in the cache; else it is downloaded from
    its official source into the cache. Nothing else in metadx downloads.

    Args:
        name: its name in the catalogue, or one of OpenML's such as `openml:100`.
        allow_unverified: take a copy that is not the official one.

    Raises:
        UserError: an unknown name, a copy that is not the official one, or a failed download.
        MissingData: it is not here and cannot be downloaded; says where to get it.
    """
    if is_openml(name):
        return get_openml(name)
    data_set = entry(name)
    holding = find(data_set)
    if holding is None:
        holding = _download(data_set)
    return _accepted(data_set, holding, allow_unverified).path


def load(
    name: str,
    *,
    allow_unverified: bool = False,
    patients: str | None = None,
    size: AnySize | None = None,
    channels: int | None = None,
    label: str | None = None,
) -> Cases:
    """The cases of a data set that is on this machine; downloads nothing.

    Args:
        name: its name in the catalogue, or one of OpenML's such as `openml:100`.
        allow_unverified: take a copy that is not the official one; the provenance then says so.
        patients: `EVERY_CASE_ITS_OWN_PATIENT`, for a data set without patient ids; the provenance repeats it.
        size, channels: what pictures are brought to; as they are by default.
        label: which label, where a case has several, as in `read_medmnist`.

    Raises:
        UserError: an unknown name, a copy that is not the official one, a damaged one, or one without patient
            ids for which nobody vouched.
        MissingData: it is not here; says the command that gets it.
    """
    if is_openml(name):
        return load_openml(name, patients=patients)
    data_set = entry(name)
    holding = find(data_set)
    if holding is None:
        raise MissingData(f"{name} is not on this machine. Get it with `metadx data get {name}`.")
    path = _accepted(data_set, holding, allow_unverified).path
    cases = resize_cases(_read(data_set, path, patients, size, label), size, channels)
    doubt = (f"Not the official file of {name}: {holding.doubt}.",) if holding.doubt else ()
    rule = () if data_set.patient_ids else (f"Patients of {name}: {data_set.patients}.",)
    official = ", ".join(file.checksum for file in data_set.files) or cases.provenance.checksum
    return replace(
        cases,
        provenance=replace(
            cases.provenance,
            source=f"{data_set.title} ({data_set.source})",
            licence=data_set.licence,
            checksum=f"unverified: {holding.doubt}" if holding.doubt else official,
            notes=(*cases.provenance.notes, *rule, *doubt),
        ),
    )


def _accepted(data_set: DataSet, holding: Holding, allow_unverified: bool) -> Holding:
    if holding.doubt and not allow_unverified:
        raise UserError(
            f"{data_set.name}: the copy at {holding.path} is not the official one: {holding.doubt}. Allow it with "
            "--allow-unverified (allow_unverified=True), or move it away and get the official one."
        )
    return holding


def _download(data_set: DataSet) -> Holding:
    from metadx.cases.download import download  # its web client takes time that other commands need not wait

    if not data_set.files or any(file.url is None for file in data_set.files):
        raise MissingData(
            f"{data_set.name} cannot be downloaded by metadx. Get it from {data_set.source} and put it at "
            f"{_place(data_set)} in the folder that METADX_DATA names."
        )
    download(data_set, cache_folder(data_set))
    holding = find(data_set)
    if holding is None:
        raise UserError(f"{data_set.name}: the download did not hold what it should. Try again.")
    return holding


def _place(data_set: DataSet) -> str:
    return data_set.altered[0].path if data_set.altered else data_set.folder


def _read(
    data_set: DataSet, path: Path, patients: str | None, size: AnySize | None, label: str | None
) -> Cases:
    options: dict[str, Any] = dict(data_set.options)
    if label is not None and data_set.reader != "medmnist":
        raise UserError(f"{data_set.name}: one label per case; label is for several. Leave it out.")
    if label is not None:
        options["label"] = label
    if size is not None and data_set.reader == "folders":
        options["size"] = size
    if not data_set.patient_ids:
        options["patients"] = patients
    try:
        match data_set.reader:
            case "thyroid":
                return read_thyroid(path)
            case "omniglot":
                return read_omniglot(path)
            case "medmnist":
                return read_medmnist(path, **options)
            case "folders":
                return read_folders(path, **options)
            case "packed":
                return read_packed(path, **options)
            case "beats":
                return read_beats(path, **options)
            case "visits":
                return read_visits(path, **options)
            case "glucose":
                return read_glucose(path, **options)
            case "icu":
                return read_icu(path, **options)
            case "ucr":
                return read_ucr(path, **options)
            case "expression":
                return read_expression(path, **options)
            case "anndata":
                return read_anndata(path, **options)
            case "clinvar":
                return read_clinvar_conflicting(path)
            case "windows":
                return read_windows(path)
            case "arff":
                return read_arff(path, **options)
            case "heart_disease":
                return read_heart_disease(path)
    except MemoryError as why:
        raise UserError(
            f"{data_set.name}: {data_set.size} do not fit into memory. Use another machine."
        ) from why
