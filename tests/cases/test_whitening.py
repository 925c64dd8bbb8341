"""Whitening shrinks what differs within conditions, whatever the conditions are, and goes into a file and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from metadx.cases import Inputs, Whitened, fit_whitening, inputs_from_parts, inputs_to_parts
from metadx.errors import UserError


@dataclass(frozen=True)
class Rows:
    """Pictures of one row, as they are."""

    name: ClassVar[str] = "rows"
    parts: ClassVar[tuple[int, ...]] = (4, 2)
    shape = (6,)

    pictures: tuple[int, ...] = (1, 1, 6)

    def __call__(self, x: NDArray[Any]) -> NDArray[np.float32]:
        return x.reshape(len(x), -1).astype(np.float32)


def drawn(seed: int, conditions: int = 6, cases: int = 20) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Conditions that differ in feature 0; cases of one condition differ mostly in feature 1."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(conditions), cases)
    x = 0.3 * rng.normal(size=(len(y), 6))
    x[:, 0] += rng.normal(size=conditions)[y]
    x[:, 1] += 3 * rng.normal(size=len(y))
    return x.reshape(-1, 1, 1, 6), y


def ratio(z: NDArray[Any], y: NDArray[np.int64]) -> float:
    """Variance within conditions, of all."""
    within = np.mean([z[y == c].var(0).sum() for c in np.unique(y)])
    return float(within / z.var(0).sum())


def test_cases_of_a_new_condition_come_closer() -> None:
    x, y = drawn(9)
    plain = fit_whitening(Rows(), [drawn(0), drawn(1)], 0)
    whitened = fit_whitening(Rows(), [drawn(0), drawn(1)], 3)

    assert np.allclose(plain.kept, 1)
    assert ratio(whitened(x), y) < 0.9 * ratio(plain(x), y)
    assert np.allclose((plain(x) ** 2).mean(1), 1, atol=1e-4)
    assert np.allclose(whitened.directions @ whitened.directions.T, np.eye(len(whitened.kept)), atol=1e-4)


def test_the_size_of_a_set_does_not_count() -> None:
    few, many = drawn(0), drawn(1)
    twice = (np.concatenate([many[0], many[0]]), np.concatenate([many[1], many[1]]))
    once = fit_whitening(Rows(), [few, many], 1)
    again = fit_whitening(Rows(), [few, twice], 1)
    assert np.allclose(again.mean, once.mean, atol=1e-5)
    assert np.allclose(again.kept, once.kept, atol=0.05)


def test_a_condition_of_one_case_says_nothing() -> None:
    x, y = drawn(0, conditions=3, cases=1)
    with pytest.raises(UserError, match="at least two meta-training cases"):
        fit_whitening(Rows(), [(x, y)], 1)
    assert isinstance(fit_whitening(Rows(), [(x, y), drawn(1)], 1), Whitened)


def stored() -> tuple[dict[str, Any], dict[str, NDArray[Any]], Whitened]:
    fitted = fit_whitening(Rows(), [drawn(0)], 1)
    return *inputs_to_parts(Inputs("image", (), fitted)), fitted


def test_it_goes_into_a_file_and_back() -> None:
    plain, arrays, fitted = stored()
    again = inputs_from_parts(plain, arrays, {"rows": Rows})
    x, _ = drawn(3)
    assert again.shape == (1, 1, 6)
    assert np.array_equal(again.transform(x), fitted(x))


@pytest.mark.parametrize(
    "change",
    [
        lambda plain, arrays: arrays.update(mean=arrays["mean"][:-1]),
        lambda plain, arrays: arrays.update(kept=arrays["kept"] * 2),
        lambda plain, arrays: arrays.update(scale=arrays["scale"] * np.float32(np.nan)),
        lambda plain, arrays: arrays.update(directions=arrays["directions"].astype(np.float64)),
        lambda plain, arrays: plain.update(parts=[6, 0]),
    ],
)
def test_parts_that_do_not_fit_are_refused(change: Callable[..., None]) -> None:
    plain, arrays, _ = stored()
    change(plain, arrays)
    with pytest.raises(ValueError, match="do not fit together"):
        inputs_from_parts(plain, arrays, {"rows": Rows})
