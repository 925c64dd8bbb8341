"""Pictures in memory, brought to another size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metadx.cases import Cases, Provenance, read_picture
from metadx.cases.resize import resize_cases
from metadx.errors import UserError


def pictures(channels: int, height: int = 12, width: int = 8) -> Cases:
    x = np.random.default_rng(0).integers(0, 256, (3, channels, height, width), dtype=np.uint8)
    patient = np.asarray(["a", "b", "c"])
    return Cases(x, np.array([0, 1, 0]), patient, ("n", "p"), "image", Provenance("made"))


def test_pictures_are_resized_as_the_reader_resizes_files(tmp_path: Path) -> None:
    cases = pictures(3)
    resized = resize_cases(cases, (6, 4), 1)
    assert resized.x.shape == (3, 1, 6, 4)
    Image.fromarray(cases.x[1].transpose(1, 2, 0)).save(tmp_path / "a.png")
    assert np.array_equal(resized.x[1], read_picture(tmp_path / "a.png", size=(6, 4), channels=1))
    assert resized.provenance.preprocessing == (
        "resized to 6 x 4 pixels (bilinear, antialiased)",
        "made grey",
    )


def test_what_fits_already_stays() -> None:
    cases = pictures(1)
    assert resize_cases(cases, None, None) is cases
    assert resize_cases(cases, (12, 8), 1) is cases
    assert resize_cases(cases, None, 3).x.shape == (3, 3, 12, 8)


def test_tables_have_no_size() -> None:
    table = Cases(
        np.zeros((2, 4)), np.array([0, 1]), np.asarray(["a", "b"]), ("n", "p"), "table", Provenance("made")
    )
    with pytest.raises(UserError, match=r"made: size and channels are for pictures, not for \(4,\)"):
        resize_cases(table, 8, None)
