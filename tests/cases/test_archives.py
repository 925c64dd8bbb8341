"""NumPy archives: MedMNIST and packed pictures, and headers that lie."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metadx.cases import EVERY_CASE_ITS_OWN_PATIENT, load, read_medmnist, read_packed
from metadx.cases.npz import read_arrays
from metadx.errors import UserError


def medmnist(path: Path, **changed: Any) -> Path:
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for split, count in (("train", 6), ("val", 2), ("test", 4)):
        arrays[f"{split}_images"] = rng.integers(0, 256, (count, 8, 8), dtype=np.uint8)
        arrays[f"{split}_labels"] = np.arange(count, dtype=np.uint8)[:, None] % 2
    arrays |= changed
    np.savez_compressed(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(UserError) as error:
        read_medmnist(path, **{"patients": EVERY_CASE_ITS_OWN_PATIENT, **options})
    assert "\n" not in str(error.value)
    return str(error.value)


def raw(path: Path, shape: tuple[int, ...], dtype: str, body: bytes, key: str = "a") -> Path:
    """An archive whose header claims what it likes."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"shape": shape, "fortran_order": False, "descr": dtype})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{key}.npy", header.getvalue() + body)
    return path


def test_medmnist_merges_its_splits_and_says_where_each_begins(tmp_path: Path) -> None:
    path = medmnist(tmp_path / "a.npz")
    cases = read_medmnist(path, ["no", "yes"], patients=EVERY_CASE_ITS_OWN_PATIENT)
    assert cases.x.shape == (12, 1, 8, 8)
    assert cases.classes == ("no", "yes")
    assert "train 6, val 2, test 4" in cases.provenance.preprocessing[0]
    assert EVERY_CASE_ITS_OWN_PATIENT in cases.provenance.notes[0]
    with np.load(path, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(cases.x[6:8, 0], arrays["val_images"])


def test_colour_is_put_channels_first(tmp_path: Path) -> None:
    changed = {
        f"{s}_images": np.zeros((n, 8, 8, 3), np.uint8) for s, n in (("train", 6), ("val", 2), ("test", 4))
    }
    cases = read_medmnist(medmnist(tmp_path / "a.npz", **changed), patients=EVERY_CASE_ITS_OWN_PATIENT)
    assert cases.x.shape == (12, 3, 8, 8)
    assert cases.classes == ("0", "1")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"train_labels": np.zeros((6, 14), np.uint8)}, "1 labels per case in val, 14 in train"),
        ({"train_labels": np.zeros((6, 2, 2), np.uint8)}, "train_labels are uint8 of shape (6, 2, 2)"),
        ({"train_labels": np.zeros((6, 1))}, "float64"),
        ({"train_labels": np.zeros((5, 1), np.uint8)}, "6 pictures but 5 labels in train"),
        ({"train_images": np.zeros((6, 8, 8, 8), np.uint8)}, "of train (1, 8, 8, 8)"),
        ({"train_images": np.zeros((6, 8, 8, 8, 3), np.uint8)}, "have shape (6, 8, 8, 8, 3)"),
        ({"val_images": np.zeros((0, 8, 8), np.uint8)}, "val_images are empty"),
        ({"train_images": np.zeros((6, 8, 8))}, "float64, not uint8"),
        ({"val_images": np.zeros((2, 9, 9), np.uint8)}, "pictures of val"),
        ({"val_labels": None}, "no array 'val_labels'"),
        (
            {f"{s}_labels": np.zeros((n, 1), np.uint8) for s, n in (("train", 6), ("val", 2), ("test", 4))},
            "two cond",
        ),
        ({"train_labels": np.array([["x"]] * 6, dtype=object)}, "pickled"),
    ],
)
def test_bad_medmnist_files_are_refused(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    assert said in refusal(medmnist(tmp_path / "a.npz", **changed))


def counted(shape: tuple[int, ...], what: str, top: int) -> dict[str, Any]:
    """Arrays of the three splits, of random whole numbers below `top`."""
    rng = np.random.default_rng(3)
    counts = (("train", 6), ("val", 2), ("test", 4))
    return {f"{s}_{what}": rng.integers(0, top, (n, *shape), dtype=np.uint8) for s, n in counts}


def test_volumes_are_read(tmp_path: Path) -> None:
    path = medmnist(tmp_path / "a.npz", **counted((6, 7, 8), "images", 256))
    cases = read_medmnist(path, patients=EVERY_CASE_ITS_OWN_PATIENT)
    assert cases.x.shape == (12, 1, 6, 7, 8)
    with np.load(path, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(cases.x[8:, 0], arrays["test_images"])


def test_one_of_several_labels_is_chosen(tmp_path: Path) -> None:
    path = medmnist(tmp_path / "a.npz", **counted((3,), "labels", 2))
    names = ["mass", "nodule", "oedema"]
    with np.load(path, allow_pickle=False) as arrays:
        table = np.concatenate([arrays[f"{s}_labels"] for s in ("train", "val", "test")])
        pictures = np.concatenate([arrays[f"{s}_images"] for s in ("train", "val", "test")])
    said = refusal(path, classes=names)
    assert "multi-label, 3 per case (mass, nodule, oedema). Choose one with label=" in said
    assert "no label 'nodul'; did you mean 'nodule'?" in refusal(path, classes=names, label="nodul")
    assert "but 2 names" in refusal(path, classes=names[:2], label="mass")
    cases = read_medmnist(path, names, label="nodule", patients=EVERY_CASE_ITS_OWN_PATIENT)
    assert cases.classes == ("no nodule", "nodule")
    np.testing.assert_array_equal(cases.y, table[:, 1])
    one = read_medmnist(path, names, label="exactly one", patients=EVERY_CASE_ITS_OWN_PATIENT)
    kept = np.flatnonzero(table.sum(1) == 1)
    assert 0 < len(kept) < 12
    np.testing.assert_array_equal(one.x[:, 0], pictures[kept])
    assert [one.classes[y] for y in one.y] == [names[row.argmax()] for row in table[kept]]
    assert (
        f"{12 - len(kept)} of 12 cases with no label or several were left out" in one.provenance.preprocessing
    )
    assert "for several" in refusal(medmnist(tmp_path / "b.npz"), label="mass")


def test_several_labels_are_0_or_1_and_leave_two_conditions(tmp_path: Path) -> None:
    names = ["mass", "nodule"]
    odd = medmnist(tmp_path / "a.npz", **counted((2,), "labels", 4))
    assert "must be 0 or 1" in refusal(odd, classes=names, label="mass")
    none = medmnist(tmp_path / "b.npz", **counted((2,), "labels", 1))
    assert "leaves one condition only" in refusal(none, classes=names, label="mass")
    assert "leaves one condition only" in refusal(none, classes=names, label="exactly one")


def test_medmnist_needs_words_about_patients_and_names_for_all_labels(tmp_path: Path) -> None:
    path = medmnist(tmp_path / "a.npz")
    assert "no patient ids" in refusal(path, patients=None)
    assert "1 classes have names" in refusal(path, classes=["only"])


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "absent.npz")
    (tmp_path / "text.npz").write_text("hello")
    assert "not a sound .npz" in refusal(tmp_path / "text.npz")
    whole = medmnist(tmp_path / "a.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[:-100])
    assert "not a sound .npz" in refusal(tmp_path / "cut.npz")


def test_a_lying_header_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    huge = raw(tmp_path / "a.npz", (1 << 40,), "|u1", b"\0" * 10)
    with pytest.raises(UserError, match="claims shape"):
        read_arrays(huge, ["a"])
    negative = raw(tmp_path / "b.npz", (-1, 4), "|u1", b"\0" * 10)
    with pytest.raises(UserError):
        read_arrays(negative, ["a"])
    bomb = raw(tmp_path / "c.npz", (30_000_000,), "|u1", b"\0" * 30_000_000)
    assert bomb.stat().st_size < 100_000
    with pytest.raises(UserError, match="at most"):
        read_arrays(bomb, ["a"], limit=1_000_000)
    assert read_arrays(bomb, ["a"])["a"].shape == (30_000_000,)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4), st.integers(0, 300))
def test_damaged_archives_are_read_or_refused(tmp_path: Path, flips: list[tuple[int, int]], cut: int) -> None:
    content = bytearray(medmnist(tmp_path / "a.npz").read_bytes())
    for at, value in flips:
        content[at % len(content)] = value
    path = tmp_path / "fuzzed.npz"
    path.write_bytes(bytes(content[: len(content) - cut]))
    said = ""
    try:
        read_medmnist(path, patients=EVERY_CASE_ITS_OWN_PATIENT)
    except UserError as error:
        said = str(error)
    assert "\n" not in said


def packed(path: Path, **changed: Any) -> Path:
    arrays: dict[str, Any] = {
        "images": np.zeros((4, 6, 6, 3), np.uint8),
        "labels": np.array([0, 2, 2, 0]),
        "class_names": np.array(["a", "absent", "c"]),
        "groups": np.array(["s1", "s1", "s2", "s3"]),
        "files": np.array(["x/P1-1.png", "x/P2-1.png", "x/P2-2.png", "x/P3-1.png"]),
    }
    np.savez(path, **(arrays | changed))
    return path


def test_packed_pictures_drop_empty_classes_and_find_patients(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.npz")
    cases = read_packed(path, patient_array="groups")
    assert cases.classes == ("a", "c")
    assert cases.y.tolist() == [0, 1, 1, 0]
    assert cases.patient.tolist() == ["s1", "s1", "s2", "s3"]
    assert cases.x.shape == (4, 3, 6, 6)
    named = read_packed(path, patient_array="files", patient_pattern=r"/(P\d+)-")
    assert named.patient.tolist() == ["P1", "P2", "P2", "P3"]


def test_packed_copies_of_one_picture_stay_together_when_vouched_for(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.npz", resampled=np.array([True, False, False, False]))
    with pytest.raises(UserError, match="no patient ids"):
        read_packed(path)
    cases = read_packed(path, patients=EVERY_CASE_ITS_OWN_PATIENT)
    assert cases.patient.tolist() == ["s1", "s1", "s2", "s3"]
    assert "1 of 4 pictures are an uploader's augmented copies." in cases.provenance.notes


@pytest.mark.parametrize(
    "changed",
    [{"images": np.zeros((4, 6, 6))}, {"labels": np.array([0, 2])}, {"labels": np.array([0, 9, 9, 0])}],
)
def test_bad_packed_files_are_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        read_packed(packed(tmp_path / "a.npz", **changed), patient_array="groups")


@pytest.mark.real_data
def test_pneumoniamnist_reads(data_root: Path) -> None:
    cases = load("pneumoniamnist", allow_unverified=True, patients=EVERY_CASE_ITS_OWN_PATIENT)
    assert cases.x.shape == (5856, 1, 28, 28)
    assert cases.counts() == {"normal": 1583, "pneumonia": 4273}
    assert "train 4708, val 524, test 624" in cases.provenance.preprocessing[0]


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "count", "classes", "patients"),
    [
        ("chula", 3000, 12, 575),
        ("aml", 150, 15, 137),
        ("nct_crc", 70, 7, 70),
        ("lc25000", 100, 5, 100),
        ("ham10000", 140, 7, 136),
        ("osteosarcoma", 60, 3, 4),
        ("malaria", 40, 2, 32),
        ("ddsm", 40, 2, 40),
    ],
)
def test_small_sets_read(data_root: Path, name: str, count: int, classes: int, patients: int) -> None:
    cases = load(name, allow_unverified=True, patients=EVERY_CASE_ITS_OWN_PATIENT)
    assert cases.x.shape == (count, 3, 64, 64)
    assert len(cases.classes) == classes
    assert len(set(cases.patient)) == patients
