"""NIfTI files lie right, front, head; what is written is read again; hostile headers take no memory."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel.processing import resample_to_output
from nibabel.testing import data_path
from numpy.testing import assert_allclose, assert_array_equal

from metadx.cases.nifti import read_nifti, write_nifti
from metadx.cases.slices import cases_of_slices, slice_pictures
from metadx.cases.volumes import Volume, resample, to_ras
from metadx.errors import UserError

SAMPLES = Path(data_path)
VALUES = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)


def oblique(*, flip: bool = False) -> np.ndarray:
    """An affine of 1 x 2 x 3 mm, turned by 20 and 10 degrees, its axes running back, foot, left if flipped."""
    a, b = np.deg2rad([20, 10])
    turn = np.asarray([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    tilt = np.asarray([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ tilt @ np.diag([1.0, 2.0, 3.0])
    affine[:3, 3] = (-7, 11, 13)
    if flip:
        affine[:3, :3] = -affine[:3, [1, 2, 0]]
    return affine


def save(
    path: Path, values: np.ndarray, affine: np.ndarray | None = None, kind: type = nibabel.Nifti1Image
) -> Path:
    kind(values, np.eye(4) if affine is None else affine).to_filename(path)
    return path


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(UserError) as error:
        read_nifti(path, **options)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)
    assert path.name in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", ["anatomical.nii", "reoriented_anat_moved.nii", "resampled_anat_moved.nii"])
def test_nibabels_files_come_out_canonical(name: str) -> None:
    image = nibabel.as_closest_canonical(nibabel.load(SAMPLES / name))
    volume = read_nifti(SAMPLES / name, nan=0.0)
    assert_array_equal(volume.values, np.nan_to_num(image.get_fdata(dtype=np.float32)))
    assert_allclose(volume.affine, image.affine)
    assert nibabel.aff2axcodes(volume.affine) == ("R", "A", "S")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_oblique_volumes_are_written_and_read_again(
    tmp_path: Path, suffix: str, flip: bool, kind: type
) -> None:
    first = read_nifti(save(tmp_path / f"a{suffix}", VALUES, oblique(flip=flip), kind))
    write_nifti(first, tmp_path / f"b{suffix}")
    again = read_nifti(tmp_path / f"b{suffix}")
    assert_array_equal(again.values, first.values)
    assert_allclose(again.affine, first.affine, atol=1e-5)
    assert nibabel.aff2axcodes(first.affine) == ("R", "A", "S")
    assert sorted(first.spacing) == pytest.approx([1, 2, 3], abs=1e-5)
    corner = np.argwhere(first.values == VALUES[0, 0, 0])[0]
    assert_allclose((first.affine @ [*corner, 1])[:3], oblique(flip=flip)[:3, 3], atol=1e-5)


def test_nibabels_own_files_survive_the_round_trip(tmp_path: Path) -> None:
    for name, index in (
        ("reoriented_anat_moved.nii", None),
        ("example4d.nii.gz", 1),
        ("example_nifti2.nii.gz", 1),
    ):
        first = read_nifti(SAMPLES / name, index=index)
        write_nifti(first, tmp_path / "again.nii.gz")
        again = read_nifti(tmp_path / "again.nii.gz")
        assert_array_equal(again.values, first.values)
        assert_allclose(again.affine, first.affine, atol=1e-4)


def test_scaled_integers_are_read_in_their_units(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.arange(8, dtype=np.int16).reshape(2, 2, 2), np.eye(4))
    image.header.set_slope_inter(0.5, -10)
    nibabel.save(image, tmp_path / "a.nii")
    assert_allclose(
        read_nifti(tmp_path / "a.nii").values.ravel(), nibabel.load(tmp_path / "a.nii").get_fdata().ravel()
    )


def test_one_of_several_volumes_is_chosen() -> None:
    path = SAMPLES / "example4d.nii.gz"
    assert "holds 2 volumes" in refusal(path)
    assert "no volume 2" in refusal(path, index=2)
    assert "no volume -1" in refusal(path, index=-1)
    image = nibabel.as_closest_canonical(nibabel.load(path))
    for at in (0, 1):
        assert_array_equal(read_nifti(path, index=at).values, image.get_fdata(dtype=np.float32)[..., at])


def test_nan_is_refused_until_it_is_given_a_meaning(tmp_path: Path) -> None:
    values = VALUES.copy()
    values[0, 0, :2] = np.nan
    path = save(tmp_path / "nan.nii", values)
    assert "2 of 120 values are NaN. Say what they mean with nan=" in refusal(path)
    filled = read_nifti(path, nan=-1.0)
    assert filled.values[0, 0, :2].tolist() == [-1, -1]
    assert "nan.nii: 2 of 120 values are NaN, and were made -1." in filled.notes
    values[0, 0, 0] = np.inf
    assert "1 of 120" in refusal(save(tmp_path / "inf.nii", values), nan=0.0)


def damaged(path: Path, at: int, new: bytes) -> Path:
    data = bytearray(path.read_bytes())
    data[at : at + len(new)] = new
    path.write_bytes(bytes(data))
    return path


def test_absurd_headers_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    huge = np.asarray([3, 30_000, 30_000, 30_000], dtype="<i2").tobytes()
    assert "claims (30000, 30000, 30000) values" in refusal(
        damaged(save(tmp_path / "a.nii", VALUES), 40, huge)
    )
    large = np.asarray([3, 600, 600, 600], dtype="<i2").tobytes()
    assert "truncated" in refusal(damaged(save(tmp_path / "b.nii", VALUES), 40, large))
    packed = damaged(save(tmp_path / "c.nii", VALUES), 40, large)
    (tmp_path / "c.nii.gz").write_bytes(gzip.compress(packed.read_bytes()))
    assert "truncated" in refusal(tmp_path / "c.nii.gz")
    negative = np.asarray([3, -4, 5, 6], dtype="<i2").tobytes()
    assert "shape" in refusal(damaged(save(tmp_path / "d.nii", VALUES), 40, negative))
    offset = np.asarray([1e12], dtype="<f4").tobytes()
    assert "values begin at byte" in refusal(damaged(save(tmp_path / "e.nii", VALUES), 108, offset))


def test_what_is_no_volume_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.nii").write_text("hello")
    assert "no NIfTI header" in refusal(tmp_path / "text.nii")
    (tmp_path / "text.nii.gz").write_text("hello")
    assert "damaged" in refusal(tmp_path / "text.nii.gz")
    assert "no such NIfTI file" in refusal(tmp_path / "absent.nii")
    (tmp_path / "a.img").write_bytes(b"")
    assert "not a .nii" in refusal(tmp_path / "a.img")
    assert "complex64" in refusal(save(tmp_path / "c.nii", VALUES.astype(np.complex64)))
    assert "shape (4, 5)" in refusal(save(tmp_path / "flat.nii", VALUES[..., 0]))
    whole = save(tmp_path / "cut.nii", VALUES).read_bytes()
    (tmp_path / "cut.nii").write_bytes(whole[:-7])
    assert "truncated" in refusal(tmp_path / "cut.nii")
    packed = gzip.compress(whole)
    (tmp_path / "cut.nii.gz").write_bytes(packed[: len(packed) // 2])
    assert "damaged" in refusal(tmp_path / "cut.nii.gz")
    flat = oblique()
    flat[:3, 2] = flat[:3, 1]
    assert "does not place it" in refusal(save(tmp_path / "flat.nii", VALUES, flat))
    with pytest.raises(UserError, match=r"\.nii or \.nii\.gz"):
        write_nifti(Volume(VALUES, np.eye(4), "here"), tmp_path / "a.txt")


def test_a_header_without_orientation_is_noted(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(VALUES, None)
    nibabel.save(image, tmp_path / "a.nii")
    assert "left and right may be exchanged" in read_nifti(tmp_path / "a.nii").notes[0]
    assert read_nifti(save(tmp_path / "b.nii", VALUES, oblique())).notes == ()


def test_without_the_extra_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = save(tmp_path / "a.nii", VALUES)
    monkeypatch.setitem(__import__("sys").modules, "nibabel", None)
    assert "pip install 'metadx[imaging]'" in refusal(path)


def smooth(shape: tuple[int, int, int], affine: np.ndarray) -> Volume:
    """A volume whose value is linear in the patient's millimetres, so that any resampling can be checked."""
    index = np.stack([*np.indices(shape), np.ones(shape)], axis=-1)
    values = index @ affine.T[:, :3] @ np.asarray([0.3, -0.2, 0.5])
    return Volume(values.astype(np.float32), affine, "smooth")


@pytest.mark.parametrize("spacing", [(1, 1, 1), (2, 2, 3), (0.5, 2, 6), (1.3, 1.7, 2.9)])
def test_resampled_values_are_those_of_the_same_place(spacing: tuple[float, float, float]) -> None:
    volume = smooth((20, 18, 16), oblique())
    done = resample(volume, spacing)
    assert done.spacing == pytest.approx(spacing, rel=1e-6)
    expected = smooth(done.values.shape, done.affine).values
    inside = tuple(slice(n // 4, n - n // 4) for n in done.values.shape)
    assert_allclose(done.values[inside], expected[inside], atol=2e-2)
    for axis in range(3):
        extent = volume.values.shape[axis] * volume.spacing[axis]
        assert abs(done.values.shape[axis] * spacing[axis] - extent) <= spacing[axis]


def test_resampling_agrees_with_nibabel_up_to_the_grid() -> None:
    volume = smooth((12, 12, 12), np.diag([1.0, 1.0, 1.0, 1.0]))
    theirs = resample_to_output(nibabel.Nifti1Image(volume.values, volume.affine), (0.5, 0.5, 0.5), order=1)
    ours = resample(volume, (0.5, 0.5, 0.5))
    offset = np.linalg.solve(theirs.affine, ours.affine @ [4, 4, 4, 1])[:3]
    low = theirs.get_fdata()[tuple(np.floor(offset).astype(int))]
    high = theirs.get_fdata()[tuple(np.ceil(offset).astype(int))]
    assert low - 1e-5 <= ours.values[4, 4, 4] <= high + 1e-5


def test_masks_stay_masks_and_absurd_spacings_are_refused() -> None:
    mask = Volume((VALUES > 0).astype(np.float32), oblique(), "mask")
    assert set(np.unique(resample(mask, (0.7, 0.7, 0.7), order=0).values)) == {0, 1}
    for spacing in ((0, 1, 1), (1, 1, -1), (1, 1, np.nan), (1, 1)):
        with pytest.raises(UserError, match="three positive lengths"):
            resample(mask, spacing)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="Give a coarser one"):
        resample(mask, (1e-5, 1e-5, 1e-5))
    with pytest.raises(UserError, match="order=3"):
        resample(mask, (1, 1, 1), order=3)


def test_to_ras_is_as_closest_canonical() -> None:
    for flip in (False, True):
        image = nibabel.as_closest_canonical(nibabel.Nifti1Image(VALUES, oblique(flip=flip)))
        turned = to_ras(Volume(VALUES, oblique(flip=flip), "here"))
        assert_array_equal(turned.values, image.get_fdata(dtype=np.float32))
        assert_allclose(turned.affine, image.affine)


@pytest.mark.parametrize(
    ("plane", "shape", "corner"),
    [
        ("axial", (6, 1, 5, 4), (3, 4, 0)),
        ("coronal", (5, 1, 6, 4), (3, 0, 5)),
        ("sagittal", (4, 1, 6, 5), (0, 4, 5)),
    ],
)
def test_slices_lie_as_radiologists_see_them(
    plane: str, shape: tuple[int, ...], corner: tuple[int, int, int]
) -> None:
    values = np.zeros((4, 5, 6), dtype=np.float32)
    values[corner] = 1  # right, front and head, as far as the plane shows them: top left of its first picture
    pictures = slice_pictures(Volume(values, np.eye(4), "here"), plane)
    assert pictures.shape == shape
    assert pictures[0, 0, 0, 0] == 255
    assert pictures.sum() == 255
    backwards = Volume(values[::-1, ::-1].copy(), np.diag([-1.0, -1, 1, 1]), "here")
    assert_array_equal(slice_pictures(backwards, plane), pictures)


def test_slices_are_windowed_alike() -> None:
    volume = Volume(np.linspace(-1000, 1000, 8, dtype=np.float32).reshape(2, 2, 2), np.eye(4), "here")
    assert set(np.unique(slice_pictures(volume, low=-1, high=1))) == {0, 255}
    assert slice_pictures(volume).max() == 255
    with pytest.raises(UserError, match="not below"):
        slice_pictures(volume, low=5, high=5)
    with pytest.raises(UserError, match="plane='oblique'"):
        slice_pictures(volume, "oblique")


def test_slices_become_cases_of_their_volumes_patient() -> None:
    volumes = [Volume(VALUES + at, oblique(), f"v{at}", patient=f"p{at // 2}") for at in range(4)]
    cases = cases_of_slices(volumes, ["ill", "ill", "well", "well"], slices=3, size=8)
    assert cases.x.shape == (12, 1, 8, 8)
    assert cases.patient.tolist() == ["p0"] * 6 + ["p1"] * 6
    assert cases.counts() == {"ill": 6, "well": 6}
    assert cases.name is not None
    assert cases.name[:3].tolist() == ["v0 axial 1", "v0 axial 3", "v0 axial 5"]
    with pytest.raises(UserError, match="names no patient"):
        cases_of_slices([Volume(VALUES, np.eye(4), "v")] * 2, ["a", "b"], size=8)
    with pytest.raises(UserError, match="6 axial slices, but slices=7"):
        cases_of_slices(volumes, ["a", "a", "b", "b"], slices=7, size=8)
    with pytest.raises(UserError, match="4 volumes, 1 labels"):
        cases_of_slices(volumes, ["a"], size=8)
