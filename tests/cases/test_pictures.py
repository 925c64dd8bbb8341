"""Pictures are read to uint8 without loss, or one clear line says why not."""

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from metadx.cases import read_picture, read_pictures
from metadx.errors import UserError


def save(folder: Path, name: str, values: np.ndarray) -> Path:
    path = folder / name
    Image.fromarray(values).save(path)
    return path


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def refusal(path: Path, **options: int) -> str:
    with pytest.raises(UserError) as error:
        read_picture(path, **options)
    assert "\n" not in str(error.value)
    assert path.name in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_grey_and_colour_are_read_exactly(tmp_path: Path, suffix: str) -> None:
    grey, colour = noise(6, 4), noise(6, 4, 3)
    np.testing.assert_array_equal(read_picture(save(tmp_path, f"g.{suffix}", grey)), grey[None])
    read = read_picture(save(tmp_path, f"c.{suffix}", colour))
    np.testing.assert_array_equal(read, colour.transpose(2, 0, 1))


def test_jpeg_is_read(tmp_path: Path) -> None:
    assert read_picture(save(tmp_path, "a.jpg", noise(8, 9))).shape == (1, 8, 9)


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    wide = np.linspace(0, 65535, 64, dtype=np.uint16).reshape(8, 8)
    for name in ("w.png", "w.tiff"):
        path = save(tmp_path, name, wide)
        np.testing.assert_array_equal(read_picture(path)[0], np.round(wide / 257))
    twelve = save(tmp_path, "t.png", (wide // 16).astype(np.uint16))
    assert read_picture(twelve, bits=12).max() == 255
    assert read_picture(twelve).max() == 16
    assert "bits=12" in refusal(save(tmp_path, "w.png", wide), bits=12)


def test_a_set_that_would_lose_its_contrast_asks_for_its_bits(tmp_path: Path) -> None:
    paths = [save(tmp_path, f"{i}.png", np.full((4, 4), 2000 + i, np.uint16)) for i in range(2)]
    with pytest.raises(UserError, match="bits=11"):
        read_pictures(paths)
    assert read_pictures(paths, bits=16).max() == 8
    assert read_pictures(paths, bits=11).min() > 200


def test_other_modes_of_grey_and_colour(tmp_path: Path) -> None:
    Image.fromarray(noise(5, 5) > 127).save(tmp_path / "bit.png")
    assert set(np.unique(read_picture(tmp_path / "bit.png"))) <= {0, 255}
    Image.fromarray(noise(5, 5, 3)).quantize(8).save(tmp_path / "palette.png")
    assert read_picture(tmp_path / "palette.png").shape == (3, 5, 5)
    opaque = np.dstack([noise(5, 5, 3), np.full((5, 5), 255, np.uint8)])
    np.testing.assert_array_equal(
        read_picture(save(tmp_path, "opaque.png", opaque)), opaque[..., :3].transpose(2, 0, 1)
    )


def test_size_and_channels_are_brought_to_one(tmp_path: Path) -> None:
    paths = [save(tmp_path, "a.png", noise(8, 8)), save(tmp_path, "b.png", noise(6, 9, 3))]
    assert read_pictures(paths, size=4, channels=1).shape == (2, 1, 4, 4)
    assert read_pictures(paths, size=(4, 5), channels=3).shape == (2, 3, 4, 5)


def test_a_camera_held_sideways_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise(4, 8)).save(tmp_path / "turned.jpg", exif=exif)
    assert read_picture(tmp_path / "turned.jpg").shape == (1, 8, 4)


def test_another_size_or_mode_names_both_files_and_the_mend(tmp_path: Path) -> None:
    first = save(tmp_path, "first.png", noise(8, 8))
    for name, values in (("small.png", noise(4, 4)), ("colour.png", noise(8, 8, 3))):
        with pytest.raises(UserError, match=r"first\.png is 8 x 8 grey but .*" + name) as error:
            read_pictures([first, save(tmp_path, name, values)])
        assert "size=" in str(error.value)
        assert "channels=" in str(error.value)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("not a picture")
    assert "not a PNG" in refusal(tmp_path / "text.png")
    (tmp_path / "empty.png").write_bytes(b"")
    assert "not a PNG" in refusal(tmp_path / "empty.png")
    assert "no such picture" in refusal(tmp_path / "absent.png")
    Image.fromarray(noise(4, 4)).save(tmp_path / "other.bmp")
    assert "not a PNG" in refusal(tmp_path / "other.bmp")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tiff"])
def test_truncated_pictures_are_refused(tmp_path: Path, name: str) -> None:
    path = save(tmp_path, name, noise(64, 64))
    path.write_bytes(path.read_bytes()[:-700])
    refusal(path)


@pytest.mark.parametrize(("tag", "claimed"), [(257, 24), (257, 8_388_620), (256, 11)])
def test_a_tiff_that_claims_more_than_it_holds_is_refused(tmp_path: Path, tag: int, claimed: int) -> None:
    path = save(tmp_path, "x.tif", noise(12, 10))
    content, field = path.read_bytes(), struct.pack("<HHIHH", tag, 3, 1, {257: 12, 256: 10}[tag], 0)
    long = struct.pack("<HHII", tag, 4, 1, {257: 12, 256: 10}[tag])
    assert field in content or long in content
    new = struct.pack("<HHII", tag, 4, 1, claimed)
    path.write_bytes(content.replace(field, new).replace(long, new))
    assert "and does not hold them" in refusal(path)


def test_a_jpeg_of_few_bytes_and_many_pixels_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, "x.jpg", noise(12, 10))
    content = path.read_bytes()
    size = struct.pack(">HH", 12, 10)
    assert content.count(size) == 1
    path.write_bytes(content.replace(size, struct.pack(">HH", 9_000, 9_000)))
    assert "claims 9000 x 9000 pixels, more than its" in refusal(path)
    Image.new("L", (5_000, 5_000)).save(path, quality=1, optimize=True)
    assert read_picture(path).shape == (1, 5_000, 5_000)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_deflate", "packbits"])
@pytest.mark.parametrize("shape", [(300, 200), (300, 200, 3)])
def test_whole_tiffs_of_many_strips_are_read(
    tmp_path: Path, compression: str | None, shape: tuple[int, ...]
) -> None:
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "x.tif", compression=compression, tiffinfo={278: 16})
    read = read_picture(tmp_path / "x.tif")
    np.testing.assert_array_equal(read, values[None] if values.ndim == 2 else values.transpose(2, 0, 1))


def test_unsupported_modes_are_refused(tmp_path: Path) -> None:
    Image.new("CMYK", (4, 4)).save(tmp_path / "cmyk.tiff")
    assert "CMYK" in refusal(tmp_path / "cmyk.tiff")
    Image.new("F", (4, 4)).save(tmp_path / "float.tiff")
    assert "mode F" in refusal(tmp_path / "float.tiff")
    Image.new("RGBA", (4, 4), (1, 2, 3, 4)).save(tmp_path / "clear.png")
    assert "transparent" in refusal(tmp_path / "clear.png")
    frames = [Image.new("L", (4, 4), shade) for shade in (1, 2)]
    frames[0].save(tmp_path / "stack.tiff", save_all=True, append_images=frames[1:])
    assert "holds 2 pictures" in refusal(tmp_path / "stack.tiff")


def test_absurd_sizes_are_refused_before_decoding(tmp_path: Path) -> None:
    for side in (11_000, 1_000_000):
        header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
        chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
        body = b"".join(
            struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks
        )
        (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
        message = refusal(tmp_path / "bomb.png")
        assert "Make it smaller" in message or "Make the picture smaller" in message


@pytest.mark.parametrize("options", [{"channels": 2}, {"size": 0}, {"size": (5, -1)}])
def test_absurd_settings_are_refused(tmp_path: Path, options: dict[str, int]) -> None:
    path = save(tmp_path, "a.png", noise(4, 4))
    with pytest.raises(UserError):
        read_picture(path, **options)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["PNG", "JPEG", "TIFF"]), st.integers(0, 10_000), st.integers(0, 255), st.integers(0, 400)
)
def test_damaged_bytes_are_read_or_refused(tmp_path: Path, kind: str, at: int, value: int, cut: int) -> None:
    buffer = io.BytesIO()
    Image.fromarray(noise(16, 16)).save(buffer, kind)
    content = bytearray(buffer.getvalue())
    content[at % len(content)] = value
    path = tmp_path / "fuzzed"
    path.write_bytes(bytes(content[: len(content) - cut % 100]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        said = ""
        try:
            assert read_picture(path, size=8, channels=1).shape == (1, 8, 8)
        except UserError as error:
            said = str(error)
        assert "\n" not in said
