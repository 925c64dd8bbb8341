"""Keys and signatures."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnosis.making import diagnoser
from metadx.diagnosis import fingerprint, keys_folder, own_fingerprint, save_bundle
from metadx.diagnosis.signature import Signature, from_bytes, sign, signing_key, to_bytes, valid
from metadx.errors import UserError


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without a key."""
    monkeypatch.setenv("METADX_KEYS", str(tmp_path / "keys"))
    return tmp_path / "keys"


def test_a_key_is_made_once_and_is_nobody_else_s(keys: Path) -> None:
    assert own_fingerprint() is None
    with ThreadPoolExecutor(8) as pool:
        made = {key.private_bytes_raw() for key in pool.map(lambda _: signing_key(), range(16))}
    assert len(made) == 1
    assert [p.name for p in keys.iterdir()] == ["signing.key"]
    assert stat.S_IMODE((keys / "signing.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    assert own_fingerprint() == fingerprint(signing_key().public_key().public_bytes_raw().hex())


def test_where_keys_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("METADX_KEYS")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert keys_folder() == tmp_path / "metadx"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert keys_folder() == tmp_path / "home" / ".config" / "metadx"


@given(st.binary(max_size=200), st.binary(min_size=1, max_size=5))
def test_a_signature_is_of_its_content_alone(content: bytes, more: bytes) -> None:
    signature = sign(content)
    assert from_bytes(to_bytes(signature)) == signature
    assert valid(signature, content)
    assert not valid(signature, content + more)
    stranger = signature._replace(public_key="00" * 32)
    assert not valid(stranger, content)


@given(st.text() | st.integers() | st.none() | st.lists(st.integers()))
def test_signatures_of_another_kind(value: object) -> None:
    for signature in (Signature(value, "00" * 64), Signature("00" * 32, value)):  # type: ignore[arg-type]
        try:
            read = from_bytes(to_bytes(signature))
        except ValueError:
            continue
        assert not valid(read, b"content")


def test_a_key_that_cannot_be_used_leaves_no_bundle(keys: Path, tmp_path: Path) -> None:
    fitted = diagnoser()
    keys.mkdir()
    (keys / "signing.key").write_bytes(b"short")
    with pytest.raises(UserError, match=r"signing\.key: is no signing key. Remove it"):
        save_bundle(fitted, tmp_path / "b")
    (keys / "signing.key").unlink()
    keys.rmdir()
    keys.write_text("a file")
    with pytest.raises(UserError, match=r"cannot be kept there .* Set METADX_KEYS to a folder of yours"):
        save_bundle(fitted, tmp_path / "b")
    assert [p.name for p in tmp_path.iterdir()] == ["keys"]
