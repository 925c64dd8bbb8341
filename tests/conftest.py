"""What every test shares: one thread, a seed of its own, and where real data are."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")  # read once, when NumPy is imported

import hypothesis  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent))  # so that tests can say `from contracts.algorithms import ...`

torch.set_num_threads(1)
hypothesis.settings.register_profile("metadx", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("metadx")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Seeds the global generators, and skips tests of real data where there are none."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  what a library under test might fall back on
    torch.manual_seed(0)
    if item.get_closest_marker("real_data") and not os.environ.get("METADX_DATA"):
        if os.environ.get("METADX_REQUIRE_DATA") == "1":
            pytest.fail("METADX_REQUIRE_DATA=1 but METADX_DATA is not set", pytrace=False)
        pytest.skip("needs real data: set METADX_DATA to the folder that holds it")


@pytest.fixture(scope="session", autouse=True)
def _keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A signing key of the tests' own: none is ever made in the user's home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("METADX_KEYS", str(tmp_path_factory.mktemp("keys")))
        yield


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data sets; only for tests marked `real_data`."""
    root = Path(os.environ["METADX_DATA"])
    if not root.is_dir():
        pytest.fail(f"METADX_DATA={root} is not a folder", pytrace=False)
    return root


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator that starts the same in every test."""
    return np.random.default_rng(0)
