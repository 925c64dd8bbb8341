"""Genomics in the catalogue: every study a set of its own, as their counts say."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from metadx.cases import EVERY_CASE_ITS_OWN_PATIENT, DataSet, entries, load
from metadx.cli.data import app
from metadx.errors import UserError

SETS = {name: data_set for name, data_set in entries().items() if data_set.modality == "genomics"}
STUDIES = [name for name, data_set in SETS.items() if data_set.reader == "expression"]


def test_every_study_is_a_set_of_its_own() -> None:
    assert len(STUDIES) == 19
    assert len({SETS[name].altered[0].path for name in STUDIES}) == 19
    assert {"clinvar_conflicting", "splice", "pbmc68k"} <= set(SETS)


def test_the_list_shows_them() -> None:
    listed = {row["name"] for row in json.loads(CliRunner().invoke(app, ["list", "--json"]).stdout)}
    assert {"heart_disease", "splice", "expression_golub", "clinvar_conflicting", "dermatology"} <= listed


@pytest.mark.real_data
@pytest.mark.parametrize(
    "data_set",
    [d for d in SETS.values() if d.reader in ("expression", "windows")],
    ids=lambda data_set: data_set.name,
)
def test_what_the_catalogue_says_is_there(data_root: Path, data_set: DataSet) -> None:
    with pytest.raises(UserError, match="is not the official one"):
        load(data_set.name)
    words = None if data_set.patient_ids else EVERY_CASE_ITS_OWN_PATIENT
    cases = load(data_set.name, allow_unverified=True, patients=words)
    assert len(cases) == data_set.cases
    assert len(cases.classes) == data_set.classes
    assert cases.modality == "genomics"
    assert cases.provenance.licence == data_set.licence
    assert cases.provenance.checksum.startswith("unverified")
