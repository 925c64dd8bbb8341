"""What a model takes comes back from plain data and arrays, or is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from metadx.cases import Inputs, fit_table, inputs_from_parts, inputs_to_parts
from metadx.cases.inputs import storable
from metadx.cases.preprocess import Pixels
from metadx.errors import UserError


@given(
    arrays.arrays(
        np.float64,
        st.tuples(st.integers(1, 30), st.integers(1, 4)),
        elements=st.floats(-1e6, 1e6) | st.just(np.nan),
    )
)
def test_a_table_s_transform_comes_back(x: Any) -> None:
    inputs = Inputs("table", tuple(f"c{i}" for i in range(x.shape[1])), fit_table(x))
    again = inputs_from_parts(*inputs_to_parts(inputs), {})
    assert again.features == inputs.features
    np.testing.assert_array_equal(again.transform(x), inputs.transform(x))
    assert inputs_to_parts(again)[0] == inputs_to_parts(inputs)[0]


def test_genes_are_columns_of_a_table_and_stay_genomics() -> None:
    inputs = Inputs("genomics", ("TP53", "BRCA1"), fit_table(np.arange(6.0).reshape(3, 2)))
    again = inputs_from_parts(*inputs_to_parts(inputs), {})
    assert again.modality == "genomics"
    assert again.rows
    assert not Inputs("image", (), Pixels((1, 4, 4))).rows


def test_a_picture_s_transform_comes_back() -> None:
    inputs = Inputs("image", (), Pixels((3, 4, 5)), bits=12)
    assert inputs_from_parts(*inputs_to_parts(inputs), {}) == inputs


@pytest.mark.parametrize(
    "changes",
    [
        {"modality": "table"},
        {"shape": [1, 0, 4]},
        {"shape": [1, 4]},
        {"shape": ["a", 4, 4]},
        {"shape": [3, 10**5, 10**5]},
        {"bits": 99},
        {"features": ["age"]},
    ],
)
def test_parts_of_pictures_that_do_not_fit(changes: dict[str, Any]) -> None:
    plain, held = inputs_to_parts(Inputs("image", (), Pixels((1, 4, 4))))
    with pytest.raises((KeyError, TypeError, ValueError)):
        inputs_from_parts(plain | changes, held, {})


def test_a_transform_that_is_no_arrays() -> None:
    class Other:
        shape = (2,)

        def __call__(self, x: Any) -> Any:
            return x

    other = Inputs("table", ("a", "b"), Other())
    assert not storable(other)
    with pytest.raises(UserError, match="a Other cannot be stored"):
        inputs_to_parts(other)
