"""The catalogue: what it names, what it refuses, and that only `get` downloads."""

import functools
import hashlib
import http.server
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from metadx.cases import (
    EVERY_CASE_ITS_OWN_PATIENT,
    AlteredCopy,
    DataSet,
    OfficialFile,
    entries,
    entry,
    find,
    get,
    load,
)
from metadx.cases import dataset as catalogue_of
from metadx.cli.data import app
from metadx.errors import MissingData, UserError


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METADX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("METADX_DATA", raising=False)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None: ...

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield folder, f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def archive() -> bytes:
    buffer = io.BytesIO()
    arrays: dict[str, np.ndarray] = {}
    for split in ("train", "val", "test"):
        arrays[f"{split}_images"] = np.zeros((2, 4, 4), np.uint8)
        arrays[f"{split}_labels"] = np.array([[0], [1]], np.uint8)
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def md5(content: bytes) -> str:
    return "md5:" + hashlib.md5(content).hexdigest()


def add(monkeypatch: pytest.MonkeyPatch, **changed: object) -> DataSet:
    """Adds a made-up data set to the catalogue."""
    data_set = entry("pneumoniamnist").model_copy(update={"name": "made_up", "altered": (), **changed})
    known = {**entries(), "made_up": data_set}
    monkeypatch.setattr(catalogue_of, "entries", lambda: known)
    return data_set


def test_every_entry_is_whole() -> None:
    for name, data_set in entries().items():
        assert data_set.name == name
        assert data_set.source.startswith("http")
        assert data_set.licence
        assert data_set.citation
        assert data_set.files or data_set.altered
        assert data_set.patient_ids != data_set.patients.startswith("none")
        for file in data_set.files:
            algorithm, _, digest = file.checksum.partition(":")
            assert len(digest) == {"md5": 32, "sha256": 64}[algorithm]
            assert file.url is None or file.url.startswith("https://")


def test_medmnist_has_every_set_in_every_size() -> None:
    sets = [one for one in entries().values() if one.reader == "medmnist" and not one.size_of]
    assert len(sets) == 18
    for one in sets:
        flat = not one.name.endswith("3d")
        assert list(one.sizes) == ([64, 128, 224] if flat else [64])
        larger = entry(f"{one.name}_64")
        assert larger.size_of == one.name
        assert larger.files[0].name == f"{one.name}_64.npz"
        assert larger.files[0].url == f"https://zenodo.org/records/10519652/files/{one.name}_64.npz"
        assert larger.files[0].checksum == one.sizes[64] != one.files[0].checksum
        assert larger.options == one.options
        assert larger.cases == one.cases


def test_an_unknown_name_brings_the_nearest() -> None:
    with pytest.raises(UserError, match="Did you mean omniglot"):
        entry("omniglott")
    with pytest.raises(UserError, match="metadx data list"):
        load("qqqqqq")


def test_missing_data_says_the_command_that_gets_it_and_downloads_nothing(no_data: None) -> None:
    with pytest.raises(MissingData, match="metadx data get bloodmnist"):
        load("bloodmnist", patients=EVERY_CASE_ITS_OWN_PATIENT)


def test_what_cannot_be_downloaded_says_where_it_is(no_data: None) -> None:
    with pytest.raises(MissingData, match=r"Get it from https://github\.com/Chula-PIC-Lab"):
        get("chula")


def test_a_wrong_data_folder_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("METADX_DATA", str(tmp_path / "absent"))
    with pytest.raises(UserError, match="METADX_DATA"):
        get("bloodmnist")


def test_get_downloads_verifies_and_load_reads(
    monkeypatch: pytest.MonkeyPatch,
    server: tuple[Path, str],
    no_data: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, address = server
    (folder / "a.npz").write_bytes(archive())
    add(monkeypatch, files=(OfficialFile(name="a.npz", checksum=md5(archive()), url=f"{address}/a.npz"),))
    path = get("made_up")
    assert path.read_bytes() == archive()
    (folder / "a.npz").unlink()
    assert get("made_up") == path
    cases = load("made_up", patients=EVERY_CASE_ITS_OWN_PATIENT)
    assert len(cases) == 6
    assert cases.provenance.checksum == md5(archive())
    assert any(EVERY_CASE_ITS_OWN_PATIENT in note for note in cases.provenance.notes)
    with pytest.raises(UserError, match="no patient ids"):
        load("made_up")
    assert capsys.readouterr().err == ""


def test_a_download_with_another_checksum_is_refused_and_not_kept(
    monkeypatch: pytest.MonkeyPatch, server: tuple[Path, str], no_data: None, empty_cache: Path
) -> None:
    folder, address = server
    (folder / "a.npz").write_bytes(b"cut short")
    add(monkeypatch, files=(OfficialFile(name="a.npz", checksum=md5(archive()), url=f"{address}/a.npz"),))
    with pytest.raises(UserError, match="has not the checksum"):
        get("made_up")
    assert not [file for file in empty_cache.rglob("*") if file.is_file()]


def test_a_failed_download_names_the_address(
    monkeypatch: pytest.MonkeyPatch, server: tuple[Path, str], no_data: None
) -> None:
    _, address = server
    add(monkeypatch, files=(OfficialFile(name="a.npz", checksum=md5(b""), url=f"{address}/absent.npz"),))
    with pytest.raises(UserError, match=r"absent\.npz cannot be downloaded \(status 404\)"):
        get("made_up")
    add(monkeypatch, files=(OfficialFile(name="a.npz", checksum=md5(b""), url="http://127.0.0.1:9/a.npz"),))
    with pytest.raises(UserError, match="Check the network"):
        get("made_up")


def test_an_archive_of_folders_is_unpacked_and_counted(
    monkeypatch: pytest.MonkeyPatch, server: tuple[Path, str], no_data: None
) -> None:
    folder, address = server
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name in ("Set/a/1.png", "Set/b/1.png", "Set/b/2.png"):
            picture = io.BytesIO()
            Image.new("L", (4, 4)).save(picture, "PNG")
            info = tarfile.TarInfo(name)
            info.size = len(picture.getvalue())
            tar.addfile(info, io.BytesIO(picture.getvalue()))
    (folder / "set.tar.gz").write_bytes(buffer.getvalue())
    file = OfficialFile(name="set.tar.gz", checksum=md5(buffer.getvalue()), url=f"{address}/set.tar.gz")
    shape = {"reader": "folders", "unpack": "Set", "options": {}, "files": (file,)}
    data_set = add(monkeypatch, **shape, counts={"a": 1, "b": 2})
    path = get("made_up")
    assert load("made_up", patients=EVERY_CASE_ITS_OWN_PATIENT).counts() == {"a": 1, "b": 2}
    (path / "b" / "2.png").unlink()
    holding = find(data_set)
    assert holding is not None
    assert holding.doubt == "class b has 1 pictures, officially 2"


def test_altered_copies_are_refused_with_their_reason_unless_allowed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("METADX_DATA", str(tmp_path))
    (tmp_path / "copy.npz").write_bytes(archive())
    add(monkeypatch, altered=(AlteredCopy(path="copy.npz", why="rebuilt by hand"),))
    with pytest.raises(
        UserError, match=r"copy\.npz is not the official one: rebuilt by hand.*--allow-unverified"
    ):
        get("made_up")
    assert get("made_up", allow_unverified=True) == tmp_path / "copy.npz"
    cases = load("made_up", allow_unverified=True, patients=EVERY_CASE_ITS_OWN_PATIENT)
    assert cases.provenance.checksum == "unverified: rebuilt by hand"
    assert "Not the official file of made_up: rebuilt by hand." in cases.provenance.notes


def test_a_tampered_official_file_is_refused_by_its_checksum(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("METADX_DATA", str(tmp_path))
    (tmp_path / "images").mkdir()
    file = OfficialFile(name="a.npz", checksum=md5(archive()))
    add(monkeypatch, folder="images", files=(file,))
    (tmp_path / "images" / "a.npz").write_bytes(archive() + b"x")
    with pytest.raises(UserError, match="officially md5:"):
        get("made_up")
    (tmp_path / "images" / "a.npz").write_bytes(archive())
    assert get("made_up") == tmp_path / "images" / "a.npz"


def test_a_verified_copy_is_preferred_to_an_altered_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, empty_cache: Path
) -> None:
    monkeypatch.setenv("METADX_DATA", str(tmp_path))
    (tmp_path / "copy.npz").write_bytes(b"altered")
    (empty_cache / "made_up").mkdir(parents=True)
    (empty_cache / "made_up" / "a.npz").write_bytes(archive())
    file = OfficialFile(name="a.npz", checksum=md5(archive()))
    add(monkeypatch, files=(file,), altered=(AlteredCopy(path="copy.npz", why="rebuilt"),))
    assert get("made_up") == empty_cache / "made_up" / "a.npz"


@pytest.mark.real_data
def test_real_copies_that_are_not_official_are_refused(data_root: Path) -> None:
    with pytest.raises(UserError, match="the counts are official, the MD5 is not"):
        load("pneumoniamnist", patients=EVERY_CASE_ITS_OWN_PATIENT)
    with pytest.raises(UserError, match="rebuilt from the official pictures"):
        load("omniglot")


def test_the_commands_print_tables_json_and_examples(no_data: None) -> None:
    runner = CliRunner()
    listed = json.loads(runner.invoke(app, ["list", "--json"]).stdout)
    assert {row["name"] for row in listed} == {name for name, one in entries().items() if not one.size_of}
    assert next(row["here"] for row in listed if row["name"] == "thyroid") == "installed"
    assert "thyroid" in runner.invoke(app, ["list"]).stdout
    assert "CC BY 4.0" in runner.invoke(app, ["info", "thyroid"]).stdout
    assert (
        json.loads(runner.invoke(app, ["info", "herlev", "--json"]).stdout)["counts"]["carcinoma_in_situ"]
        == 150
    )
    checked = runner.invoke(app, ["check", "thyroid", "--json"])
    assert checked.exit_code == 0
    assert json.loads(checked.stdout)["verified"] is True
    assert Path(runner.invoke(app, ["get", "thyroid"]).stdout.strip()).is_file()
    assert isinstance(runner.invoke(app, ["check", "bloodmnist"]).exception, MissingData)
    assert isinstance(runner.invoke(app, ["info", "nothing"]).exception, UserError)
    for command in (
        ["--help"],
        ["list", "--help"],
        ["info", "--help"],
        ["get", "--help"],
        ["check", "--help"],
    ):
        assert "Examples" in runner.invoke(app, command).stdout


def test_check_prints_what_it_found_before_it_refuses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("METADX_DATA", str(tmp_path))
    (tmp_path / "copy.npz").write_bytes(archive())
    add(monkeypatch, altered=(AlteredCopy(path="copy.npz", why="rebuilt by hand"),))
    result = CliRunner().invoke(app, ["check", "made_up", "--json"])
    assert isinstance(result.exception, UserError)
    facts = json.loads(result.stdout)
    assert facts["verified"] is False
    assert facts["cases"] == 6
