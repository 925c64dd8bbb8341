"""DICOM pixels: modality, window, inversion last; every kind of file reads, or one line says why not."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from numpy.testing import assert_array_equal
from pydicom import Dataset
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_windowing
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000Lossless, JPEGExtended12Bit, JPEGLosslessSV1, RLELossless

from metadx.cases import read_picture
from metadx.cases.dicom import Window, read_dicom, read_dicom_values, read_header
from metadx.errors import UserError

Write = Callable[..., Path]
WHEEL = Path(pydicom.__file__).parent / "data" / "test_files"
WITHOUT_PIXELS = r"without pixels \(modality \w+\)"
REASONS = {
    "JPEG2000-embedded-sequence-delimiter.dcm": "256 x 1024 pixels of 1 samples, the coded picture",
    "MR_truncated.dcm": "number of bytes of pixel data is less than expected",
    "badVR.dcm": "NumberOfFrames is '1A'",
    "meta_missing_tsyntax.dcm": "no Rows",
    "nested_priv_SQ.dcm": "no Rows",
    **dict.fromkeys(
        ("ExplVR_BigEndNoMeta.dcm", "ExplVR_LitEndNoMeta.dcm", "no_meta.dcm", "rtstruct.dcm", "README.txt"),
        "'DICM' does not follow",
    ),
    **dict.fromkeys(
        (
            "UN_sequence.dcm",
            "empty_charset_LEI.dcm",
            "no_meta_group_length.dcm",
            "priv_SQ.dcm",
            "reportsi.dcm",
            "reportsi_with_empty_number_tags.dcm",
            "rtplan.dcm",
            "rtplan_truncated.dcm",
            "test-SR.dcm",
            "waveform_ecg.dcm",
        ),
        WITHOUT_PIXELS,
    ),
}
"""What is said of each file of pydicom's wheel that does not read; all others must."""

DICOM_FILES = sorted(
    file
    for file in WHEEL.rglob("*")
    if file.is_file()
    and "TINY_ALPHA" not in file.parts
    and not file.name.startswith("README")
    and file.suffix not in (".json", ".txt", ".dump", ".icc", ".gz", ".py")
)


def sample(name: str) -> Path:
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str)
    return Path(path)


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(UserError) as error:
        read_dicom(path, **options)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)
    assert path.name in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("path", DICOM_FILES, ids=lambda path: str(path.relative_to(WHEEL)))
def test_every_file_of_pydicom_reads_or_has_a_named_reason(path: Path) -> None:
    reason = WITHOUT_PIXELS if path.name.startswith("DICOMDIR") else REASONS.get(path.name)
    if reason is not None:
        with pytest.raises(UserError, match=reason):
            read_dicom(path)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frames = int(pydicom.dcmread(path).get("NumberOfFrames") or 1)
    if frames > 1:
        assert f"holds {frames} frames" in refusal(path)
    shown = read_dicom(path, frame=frames - 1)
    assert shown.dtype == np.uint8
    assert shown.ndim == 3
    assert shown.shape[0] in (1, 3)
    assert read_header(path).series or path.name


def test_a_ct_reads_in_hounsfield_units_and_is_shown_through_soft_tissue() -> None:
    path = sample("CT_small.dcm")
    values = read_dicom_values(path)
    assert (values.min(), values.max()) == (-896, 1167)
    assert_array_equal(values, pydicom.dcmread(path).pixel_array - 1024.0)
    shown = read_dicom(path)[0]
    assert set(shown[values <= -160]) == {0}
    assert set(shown[values >= 239]) == {255}
    assert_array_equal(shown, read_dicom(path, window=(40, 400))[0])
    assert read_dicom(path, window=(-600, 1500)).mean() != shown.mean()


def test_a_monochrome1_twin_is_seen_as_its_original(tmp_path: Path) -> None:
    twin = pydicom.dcmread(sample("CT_small.dcm"))
    twin.PhotometricInterpretation = "MONOCHROME1"
    hounsfield = twin.pixel_array - 1024  # mirrored about the middle of the window, 39.5
    twin.PixelData = (79 - hounsfield + 1024).astype(np.int16).tobytes()
    twin.save_as(tmp_path / "twin.dcm")
    assert_array_equal(read_dicom(tmp_path / "twin.dcm"), read_dicom(sample("CT_small.dcm")))


def test_monochrome1_without_a_window_is_inverted_too(write: Write) -> None:
    wide = np.asarray([[0, 1000], [2000, 4095]], dtype=np.uint16)
    plain = read_dicom(write("a.dcm", wide, BitsStored=12))
    twin = write("b.dcm", 4095 - wide, BitsStored=12, PhotometricInterpretation="MONOCHROME1")
    assert_array_equal(read_dicom(twin), plain)
    byte = np.asarray([[0, 10], [200, 255]], dtype=np.uint8)
    inverted = write("c.dcm", byte, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE")
    assert_array_equal(read_dicom(inverted)[0], 255 - byte)


@pytest.mark.parametrize(
    "name", ["MR_small.dcm", "examples_overlay.dcm", "693_J2KI.dcm", "77654033/CR1/6154"]
)
def test_windows_agree_with_pydicom(name: str) -> None:
    path = next(WHEEL.rglob(name))
    dataset = pydicom.dcmread(path)
    values = apply_modality_lut(dataset.pixel_array, dataset)
    windowed = apply_windowing(values, dataset)
    extremes = apply_windowing(np.asarray([-1e9, 1e9]), dataset)
    expected = np.round(255 * (windowed - extremes[0]) / (extremes[1] - extremes[0]))
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        expected = 255 - expected
    assert np.abs(read_dicom(path)[0] - expected).max() <= 1


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_window_functions_agree_with_pydicom(function: str) -> None:
    item = Dataset()
    item.update({"PhotometricInterpretation": "MONOCHROME2", "BitsStored": 12, "PixelRepresentation": 0})
    item.WindowCenter, item.WindowWidth, item.VOILUTFunction = 2047, 400, function
    values = np.arange(4096.0)
    expected = apply_windowing(values, item) / 4095
    np.testing.assert_allclose(Window(2047, 400, function).shown(values), expected, atol=1e-5)


@pytest.mark.parametrize("width", [0, 1, -5])
def test_an_unusable_window_counts_as_none(write: Write, width: float) -> None:
    ramp = np.arange(64, dtype=np.uint16).reshape(8, 8) * 60
    path = write("a.dcm", ramp, WindowCenter=100, WindowWidth=width)
    assert_array_equal(read_dicom(path), read_dicom(write("b.dcm", ramp)))
    assert read_header(path).window == ""
    with pytest.raises(UserError, match="width above 1"):
        read_dicom(path, window=(10, width))


def test_signed_values_and_bits_beyond_those_stored(write: Write) -> None:
    signed = np.asarray([[-2048, -1], [0, 2047]], dtype=np.int16)
    path = write("signed.dcm", signed, BitsStored=12, RescaleSlope="0.5", RescaleIntercept="-10")
    assert_array_equal(read_dicom_values(path), signed * 0.5 - 10)
    assert_array_equal(read_dicom(path)[0], [[0, 127], [128, 255]])
    twelve = np.asarray([[-8, 7], [0, 1]], dtype=np.int16)
    littered = ((twelve & 0x000F) | 0x0A50).astype(np.int16)
    read = read_dicom_values(write("four.dcm", littered, BitsStored=4, HighBit=3))
    assert_array_equal(read, twelve)


def test_padding_does_not_spoil_the_contrast(write: Write) -> None:
    values = np.asarray([[-2000, -2000], [100, 200]], dtype=np.int16)
    assert_array_equal(read_dicom(write("a.dcm", values, PixelPaddingValue=-2000))[0], [[0, 0], [0, 255]])


def lut(first: int, bits: int, entries: list[int], name: str = "LUT") -> Dataset:
    item = Dataset()
    setattr(item, f"{name}Descriptor", [len(entries), first, bits])
    setattr(item, f"{name}Data", np.asarray(entries, dtype="<u2").tobytes())
    return item


def test_modality_and_voi_tables(write: Write) -> None:
    stored = np.asarray([[0, 5], [6, 300]], dtype=np.uint16)
    modality = lut(5, 16, [1000, 2000, 3000])
    path = write("m.dcm", stored, ModalityLUTSequence=Sequence([modality]))
    assert_array_equal(read_dicom_values(path), [[1000, 1000], [2000, 3000]])
    voi = lut(0, 8, list(range(255, -1, -1)) + [7] * 100)  # more entries than eight bits can count
    path = write("v.dcm", stored, VOILUTSequence=Sequence([voi]), WindowCenter=1, WindowWidth=2)
    assert_array_equal(read_dicom(path)[0], [[255, 250], [249, 7]])
    assert read_header(path).window == "LUT"
    short = lut(0, 8, [1, 2])
    short.LUTDescriptor = [200, 0, 8]
    assert "look-up table of 4 entries, not 200" in refusal(
        write("s.dcm", stored, VOILUTSequence=Sequence([short]))
    )


def test_a_palette_becomes_colours() -> None:
    path = sample("examples_palette.dcm")
    dataset = pydicom.dcmread(path)
    expected = apply_color_lut(dataset.pixel_array, dataset)
    scale = 257 if expected.dtype == np.uint16 else 1
    assert_array_equal(read_dicom(path), np.round(expected / scale).transpose(2, 0, 1))


def test_ybr_and_rgb_of_one_picture_are_alike() -> None:
    rgb = read_dicom(sample("SC_rgb_dcmtk_+eb+cr.dcm")).astype(int)
    for name in ("SC_ybr_full_422_uncompressed.dcm", "SC_rgb_dcmtk_+eb+cy+n1.dcm", "SC_rgb_jpeg_dcmtk.dcm"):
        assert np.abs(read_dicom(sample(name)).astype(int) - rgb).mean() < 3, name


def coded_by_turbo(path: Path, values: np.ndarray, bits: int, **how: bool) -> Path:
    """Replaces the pixels of a file by a JPEG picture of 12 or 16 bits, lossless unless `how` says otherwise."""
    dataset = pydicom.dcmread(path)
    coded = imagecodecs.jpeg8_encode(values, bitspersample=bits, **{"lossless": True, **how})
    dataset.PixelData = encapsulate([coded])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1 if how.get("lossless", True) else JPEGExtended12Bit
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_lossless_jpeg_gives_back_what_was_stored(write: Write) -> None:
    assert_array_equal(read_dicom(sample("SC_rgb_jpeg_gdcm.dcm")), read_dicom(sample("SC_rgb_rle.dcm")))
    rng = np.random.default_rng(0)
    for bits in (12, 16):
        wide = rng.integers(0, 1 << bits, (40, 50)).astype(np.uint16)
        path = coded_by_turbo(write("u.dcm", wide, BitsStored=bits), wide, bits)
        assert_array_equal(read_dicom_values(path), wide)
        signed = wide.astype(np.int32) - (1 << (bits - 1))
        stored = (signed & ((1 << bits) - 1)).astype(np.uint16)
        path = coded_by_turbo(write("s.dcm", signed.astype(np.int16), BitsStored=bits), stored, bits)
        assert_array_equal(read_dicom_values(path), signed)


def test_jpeg_of_twelve_bits_is_close_to_what_was_stored(write: Write) -> None:
    ramp = (np.add.outer(np.arange(64), np.arange(64)) * 30).astype(np.uint16)
    path = coded_by_turbo(write("e.dcm", ramp, BitsStored=12), ramp, 12, lossless=False)
    assert np.abs(read_dicom_values(path) - ramp).max() < 20
    cut = pydicom.dcmread(path)
    cut.PixelData = encapsulate([get_frame(cut.PixelData, 0, number_of_frames=1)[:-30]])
    cut.save_as(path)
    assert "without an end" in refusal(path)


def test_a_missing_decoder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metadx.cases.dicom.decoding.find_spec", lambda _: None)
    said = refusal(sample("JPGExtended.dcm"))
    assert "JPEG Extended (Process 2 and 4) (1.2.840.10008.1.2.4.51), needs imagecodecs: `pip install" in said


def test_sixteen_and_thirty_two_bit_colours_are_scaled() -> None:
    plain = read_dicom(sample("SC_rgb_rle.dcm"))
    assert_array_equal(read_dicom(sample("SC_rgb_rle_16bit.dcm")), plain)
    assert_array_equal(read_dicom(sample("SC_rgb_rle_32bit_2frame.dcm"), frame=0), plain)


@pytest.mark.parametrize(
    "twin", ["RLE", "implicit", "bigendian", "jp2klossless", "jpeg_ls_lossless", "padded"]
)
def test_every_coding_of_one_picture_reads_the_same(twin: str) -> None:
    assert_array_equal(
        read_dicom_values(sample(f"MR_small_{twin}.dcm")), read_dicom_values(sample("MR_small.dcm"))
    )


def test_frames_are_chosen(write: Write) -> None:
    stack = np.arange(24, dtype=np.uint8).reshape(3, 2, 4)
    path = write("frames.dcm", stack)
    for at in range(3):
        assert_array_equal(read_dicom(path, frame=at)[0], stack[at])
    assert "holds 3 frames" in refusal(path)
    assert "frames are 0 to 2" in refusal(path, frame=3)
    assert "frames are 0 to 2" in refusal(path, frame=-1)


def test_enhanced_files_keep_their_rescale_and_window_per_frame(write: Write) -> None:
    groups = []
    for at in range(2):
        change, window, group = Dataset(), Dataset(), Dataset()
        change.RescaleSlope, change.RescaleIntercept = 2, -100 * at
        window.WindowCenter, window.WindowWidth = 20 - 100 * at, 41
        group.PixelValueTransformationSequence = Sequence([change])
        group.FrameVOILUTSequence = Sequence([window])
        groups.append(group)
    stack = np.stack([np.asarray([[0, 20]], np.uint16)] * 2)
    path = write("enhanced.dcm", stack, PerFrameFunctionalGroupsSequence=Sequence(groups))
    assert_array_equal(read_dicom_values(path, frame=1), [[-100, -60]])
    for at in range(2):
        assert_array_equal(read_dicom(path, frame=at)[0], [[3, 255]])


def test_colours_have_neither_window_nor_modality_values() -> None:
    assert "has no window" in refusal(sample("SC_rgb_rle.dcm"), window=(1, 5))
    with pytest.raises(UserError, match="no modality values"):
        read_dicom_values(sample("examples_palette.dcm"))


def test_values_that_are_not_finite_are_refused(write: Write) -> None:
    path = write("nan.dcm", np.ones((2, 2), np.uint16))
    dataset = pydicom.dcmread(path)
    del dataset.PixelData
    dataset.FloatPixelData = np.asarray([1, np.nan, 2, np.inf], np.float32).tobytes()
    dataset.BitsAllocated = dataset.BitsStored = 32
    dataset.save_as(path)
    assert "2 pixel values are not finite" in refusal(path)
    slope = write("slope.dcm", np.ones((2, 2), np.uint16), RescaleSlope="1", RescaleIntercept="0")
    slope.write_bytes(slope.read_bytes().replace(b"DS\x02\x001 ", b"DS\x04\x00nan ", 1))
    assert "rescale" in refusal(slope)


def claim(path: Path, rows: int, columns: int) -> Path:
    """The same file, whose header claims another size, as 32-bit numbers where 16 bits do not hold it."""
    data = path.read_bytes()
    for element, value in ((0x10, rows), (0x11, columns)):
        at = data.index(struct.pack("<HH2s", 0x28, element, b"US"))
        wide = struct.pack("<HH2sHI", 0x28, element, b"UL", 4, value)
        data = data[:at] + wide + data[at + 10 :]
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("side", [100_000, 65_535, 10_001])
def test_absurd_sizes_are_refused_before_memory_is_taken(write: Write, side: int) -> None:
    path = claim(write("bomb.dcm", np.ones((4, 4), np.uint16)), side, side)
    assert f"claims {side} x {side} pixels" in refusal(path)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_coded_pictures_may_not_claim_more_than_they_hold(write: Write, syntax: str) -> None:
    path = write("coded.dcm", np.ones((64, 64), np.uint8))
    dataset = pydicom.dcmread(path)
    dataset.compress(syntax)
    dataset.Rows = dataset.Columns = 9_000
    dataset.save_as(path)
    refusal(path)


def test_what_is_no_dicom_file_is_refused(tmp_path: Path, write: Write) -> None:
    (tmp_path / "text.dcm").write_text("hello")
    assert "'DICM' does not follow" in refusal(tmp_path / "text.dcm")
    assert "no such DICOM file" in refusal(tmp_path / "absent.dcm")
    whole = write("a.dcm", np.ones((8, 8), np.uint16)).read_bytes()
    for length in (132, 200, len(whole) - 100, len(whole) - 1):
        (tmp_path / "cut.dcm").write_bytes(whole[:length])
        refusal(tmp_path / "cut.dcm")
    odd = write("odd.dcm", np.ones((4, 4), np.uint16), PhotometricInterpretation="HSV")
    assert "'HSV' is not read" in refusal(odd)


def test_a_deflated_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metadx.cases.dicom.opening.MAX_BYTES", 100_000)
    assert "inflates to more than" in refusal(sample("image_dfl.dcm"))


def test_an_unknown_transfer_syntax_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mpeg.dcm"
    dataset = pydicom.dcmread(sample("SC_rgb_jpeg_gdcm.dcm"))
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.100"
    dataset.save_as(path)
    assert "1.2.840.10008.1.2.4.100), is not read" in refusal(path)


def test_without_the_extra_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pydicom", None)
    with pytest.raises(UserError, match=r"pip install 'metadx\[imaging\]'"):
        read_picture(WHEEL / "CT_small.dcm")


def test_pictures_are_read_as_dicom_whatever_they_are_called(tmp_path: Path) -> None:
    content = sample("CT_small.dcm").read_bytes()
    for name in ("slice", "1.2.840.77", "slice.dcm", "slice.IMA"):
        (tmp_path / name).write_bytes(content)
        assert_array_equal(read_picture(tmp_path / name), read_dicom(sample("CT_small.dcm")))
    assert read_picture(tmp_path / "slice", size=16, channels=3).shape == (3, 16, 16)
    assert read_picture(sample("examples_rgb_color.dcm")).shape == (3, 240, 320)
