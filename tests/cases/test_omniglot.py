"""Omniglot: its two layouts, its drawers, and its rotations."""

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metadx.cases import EVALUATION_ALPHABETS, load, read_omniglot, rotations, unrotated
from metadx.cases.omniglot import ARCHIVES
from metadx.errors import UserError


def packed(path: Path) -> Path:
    np.savez(
        path,
        images=np.arange(4 * 9, dtype=np.uint8).reshape(4, 3, 3),
        labels=np.array([0, 0, 1, 1]),
        class_names=np.array(["Greek/character01", "Latin/character01"]),
        files=np.array(["0001_01.png", "0001_02.png", "0002_01.png", "0002_02.png"]),
    )
    return path


def archives(folder: Path, side: int = 105) -> Path:
    """The official layout: black ink on white, one bit per pixel."""
    for archive, alphabet in zip(ARCHIVES, ("Greek", "Angelic"), strict=True):
        page = np.full((side, side), True)
        page[40:60, 30:90] = False
        content = io.BytesIO()
        Image.fromarray(page).save(content, "PNG")
        with zipfile.ZipFile(folder / archive, "w") as members:
            for drawer in (1, 2):
                name = f"{archive.removesuffix('.zip')}/{alphabet}/character01/0001_{drawer:02d}.png"
                members.writestr(name, content.getvalue())
    return folder


def test_patients_are_drawers_within_an_alphabet(tmp_path: Path) -> None:
    cases = read_omniglot(packed(tmp_path / "o.npz"))
    assert cases.classes == ("Greek/character01", "Latin/character01")
    assert cases.patient.tolist() == ["Greek/drawer01", "Greek/drawer02", "Latin/drawer01", "Latin/drawer02"]
    assert cases.x.shape == (4, 1, 3, 3)


def test_the_official_archives_become_white_ink_on_28_pixels(tmp_path: Path) -> None:
    cases = read_omniglot(archives(tmp_path))
    assert cases.x.shape == (4, 1, 28, 28)
    assert cases.classes == ("Angelic/character01", "Greek/character01")
    assert cases.x[0, 0, 13, 15] > 250
    assert cases.x[0, 0, 0, 0] == 0
    assert "resized from 105 x 105" in cases.provenance.preprocessing[0]


def test_bad_archives_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such archive"):
        read_omniglot(tmp_path)
    archives(tmp_path, side=50)
    with pytest.raises(UserError, match="not a sound archive"):
        read_omniglot(tmp_path)
    archives(tmp_path)
    content = (tmp_path / ARCHIVES[0]).read_bytes()
    sizes = struct.pack("<I", zipfile.ZipFile(tmp_path / ARCHIVES[0]).infolist()[-1].compress_size)
    at = content.rindex(b"PK\x01\x02")
    longer = content[at:].replace(sizes, struct.pack("<I", 99_999))
    (tmp_path / ARCHIVES[0]).write_bytes(content[:at] + longer)
    with pytest.raises(UserError, match="not a sound archive"):
        read_omniglot(tmp_path)
    (tmp_path / ARCHIVES[0]).write_bytes(b"hello")
    with pytest.raises(UserError, match="not a sound archive"):
        read_omniglot(tmp_path)
    with pytest.raises(UserError, match="no such file"):
        read_omniglot(tmp_path / "absent.npz")


def test_rotations_are_four_classes_of_the_same_drawers(tmp_path: Path) -> None:
    cases = read_omniglot(packed(tmp_path / "o.npz"))
    turned = rotations(cases)
    assert len(turned) == 4 * len(cases)
    assert len(turned.classes) == 8
    assert {unrotated(name) for name in turned.classes} == set(cases.classes)
    for at in range(len(turned)):
        turn = int(turned.classes[turned.y[at]][-3:]) // 90
        np.testing.assert_array_equal(turned.x[at], np.rot90(cases.x[at % 4], turn, axes=(1, 2)))
        assert turned.patient[at] == cases.patient[at % 4]
        assert unrotated(turned.classes[turned.y[at]]) == cases.classes[cases.y[at % 4]]


@pytest.mark.real_data
def test_omniglot_is_complete(data_root: Path) -> None:
    cases = load("omniglot", allow_unverified=True)
    assert cases.x.shape == (32_460, 1, 28, 28)
    assert len(cases.classes) == 1623
    assert set(cases.counts().values()) == {20}
    assert len(set(cases.patient)) == 50 * 20
    evaluation = [name for name in cases.classes if name.split("/")[0] in EVALUATION_ALPHABETS]
    assert len(evaluation) == 659
    assert 5 < cases.x.mean() < 60
