"""Clinical tables in the catalogue are what their entries say."""

from pathlib import Path

import numpy as np
import pytest

from metadx.cases import EVERY_CASE_ITS_OWN_PATIENT, DataSet, entries, fit_transform, load

SETS = [data_set for data_set in entries().values() if data_set.reader in ("arff", "heart_disease")]


@pytest.mark.real_data
@pytest.mark.parametrize("data_set", SETS, ids=lambda data_set: data_set.name)
def test_what_the_catalogue_says_is_there(data_root: Path, data_set: DataSet) -> None:
    words = None if data_set.patient_ids else EVERY_CASE_ITS_OWN_PATIENT
    cases = load(data_set.name, allow_unverified=True, patients=words)
    assert len(cases) == data_set.cases
    assert len(cases.classes) == data_set.classes
    assert cases.modality == "table"
    assert len(set(cases.features)) == cases.x.shape[1]
    assert np.isfinite(fit_transform(cases)(cases.x)).all()


@pytest.mark.real_data
def test_flags_that_say_only_what_was_measured_are_left_out(data_root: Path) -> None:
    cases = load("hypothyroid", allow_unverified=True, patients=EVERY_CASE_ITS_OWN_PATIENT)
    assert not any("measured" in feature for feature in cases.features)
    assert load("dermatology", allow_unverified=True).classes[0] == "psoriasis"
