from __future__ import annotations

import errno
from pathlib import Path

import pytest

from metadx.durable import DiskFull, write_durably, write_text


def test_a_text_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_text(path, "old")
    write_text(path, "new \ud800")
    assert path.read_text() == "new ?"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_the_content_before_is_kept_where_asked(tmp_path: Path) -> None:
    write_durably(tmp_path / "a", b"old")
    write_durably(tmp_path / "a", b"new", keep=tmp_path / "b")
    assert [(tmp_path / name).read_bytes() for name in "ab"] == [b"new", b"old"]


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, DiskFull), (errno.EIO, OSError)])
def test_a_failed_write_leaves_what_stood_there(
    number: int, kind: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")

    def fail(*_: object) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(kind):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
