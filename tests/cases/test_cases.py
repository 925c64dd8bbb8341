"""Cases keep their arrays aligned."""

import numpy as np
import pytest

from metadx.cases import Cases, Provenance, TableTransform, fit_transform
from metadx.errors import UserError


def variants(**changed: object) -> Cases:
    given: dict[str, object] = {
        "x": np.asarray([[0.1, np.nan], [0.2, 1.0], [0.3, 0.0]]),
        "y": np.asarray([0, 1, 0]),
        "patient": np.asarray(["1-10", "1-20", "2-5"]),
        "classes": ("agree", "disagree"),
        "modality": "genomics",
        "provenance": Provenance("a test"),
        "features": ("frequency", "missense"),
        "group": np.asarray(["BRCA1", "BRCA1", "TTN"]),
    }
    return Cases(**{**given, **changed})  # type: ignore[arg-type]


def test_a_selection_keeps_the_group_of_each_case() -> None:
    chosen = variants().select([2, 0])
    assert chosen.group is not None
    assert chosen.group.tolist() == ["TTN", "BRCA1"]
    kept = variants().of_conditions(["disagree"])
    assert kept.group is not None
    assert kept.group.tolist() == ["BRCA1"]
    assert variants(group=None).select([0]).group is None


def test_a_selection_keeps_the_details_of_each_case() -> None:
    chosen = variants(details={"strand": np.asarray(["+", "-", "+"])}).select([1])
    assert chosen.details["strand"].tolist() == ["-"]


def test_one_group_and_one_detail_per_case() -> None:
    with pytest.raises(UserError, match="3 cases but 1 values of 'group'"):
        variants(group=np.asarray(["BRCA1"]))
    with pytest.raises(UserError, match="3 cases but 1 values of 'strand'"):
        variants(details={"strand": np.asarray(["+"])})


def test_columns_with_names_take_the_transform_of_a_table() -> None:
    transform = fit_transform(variants())
    assert isinstance(transform, TableTransform)
    assert np.isfinite(transform(variants().x)).all()
