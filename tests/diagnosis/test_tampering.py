"""Bundles of hostile hands, and damaged ones: one clear line, and nothing is unpickled."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from diagnosis.making import diagnoser, given
from metadx.diagnosis import fingerprint, load_bundle, own_fingerprint, read_content, save_bundle
from metadx.errors import UserError

FILES = ("bundle.json", "card.md", "model.safetensors", "signature.json", "support.safetensors")
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STRANGERS_KEY = STRANGER.public_key().public_bytes_raw().hex()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle as it was made."""
    return save_bundle(diagnoser("maml"), tmp_path_factory.mktemp("sound") / "b")


@pytest.fixture
def bundle(sound: Path, tmp_path: Path) -> Path:
    """A copy of it, to be tampered with."""
    return Path(shutil.copytree(sound, tmp_path / "b"))


def refused(bundle: Path, **options: Any) -> str:
    """The one line with which a bundle is refused."""
    with pytest.raises(UserError) as error:
        load_bundle(bundle, **options)
    said = str(error.value)
    assert said.startswith(f"{bundle}: ")
    assert "\n" not in said
    assert len(said) < 600
    return said.removeprefix(f"{bundle}: ")


def sign_again(bundle: Path) -> None:
    """What a stranger does to a bundle that they changed: right hashes, and a signature of their own."""
    content = json.loads((bundle / "bundle.json").read_bytes())
    if isinstance(content, dict):
        for name in content.get("files", {}):
            if (bundle / name).is_file():
                content["files"][name] = hashlib.sha256((bundle / name).read_bytes()).hexdigest()
    signed = json.dumps(content).encode()
    (bundle / "bundle.json").write_bytes(signed)
    plain = {"public_key": STRANGERS_KEY, "signature": STRANGER.sign(signed).hex()}
    (bundle / "signature.json").write_text(json.dumps(plain) + "\n")


def change(bundle: Path, edit: Callable[[Any], Any]) -> None:
    """Edits `bundle.json`, and signs it again."""
    content = json.loads((bundle / "bundle.json").read_bytes())
    (bundle / "bundle.json").write_text(json.dumps(edit(content) or content))
    sign_again(bundle)


def put(content: Any, *path: Any) -> Callable[[Any], None]:
    """An edit that puts `content` at a path of keys."""

    def edit(plain: Any) -> None:
        for key in path[:-1]:
            plain = plain[key]
        plain[path[-1]] = content

    return edit


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=60)
@drawn(data=st.data())
def test_one_changed_byte(name: str, sound: Path, data: st.DataObject) -> None:
    original = (sound / name).read_bytes()
    at = data.draw(st.integers(0, len(original) - 1))
    flip = data.draw(st.integers(1, 255))
    changed = bytearray(original)
    changed[at] ^= flip
    (sound / name).write_bytes(changed)
    try:
        assert "changed after" in refused(sound) or "no valid signature" in refused(sound)
    finally:
        (sound / name).write_bytes(original)


def test_every_byte_of_the_signature_be_it_a_letter_s_case(sound: Path) -> None:
    original = (sound / "signature.json").read_bytes()
    try:
        for at in range(len(original)):
            for bits in (1, 32):
                changed = bytearray(original)
                changed[at] ^= bits
                (sound / "signature.json").write_bytes(changed)
                with pytest.raises(UserError, match="no valid signature"):
                    read_content(sound)
    finally:
        (sound / "signature.json").write_bytes(original)
    read_content(sound)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("keep", [0, 1, 0.5, -1])
def test_truncated(name: str, keep: float, bundle: Path) -> None:
    whole = (bundle / name).read_bytes()
    (bundle / name).write_bytes(whole[: int(len(whole) * keep) if 0 < keep < 1 else int(keep)])
    said = refused(bundle)
    assert "changed after" in said or "no valid signature" in said


@pytest.mark.parametrize("name", FILES)
def test_missing(name: str, bundle: Path) -> None:
    (bundle / name).unlink()
    said = refused(bundle)
    assert {
        "bundle.json": "not a bundle. Make one with `metadx adapt RUN",
    }.get(name, f"{name} is missing. Ask for the bundle again.") in said


@pytest.mark.parametrize("name", ["card.md", "model.safetensors", "support.safetensors"])
def test_a_recomputed_hash_is_not_enough(name: str, bundle: Path) -> None:
    data = bytearray((bundle / name).read_bytes())
    data[-1] ^= 1
    (bundle / name).write_bytes(data)
    content = json.loads((bundle / "bundle.json").read_bytes())
    content["files"][name] = hashlib.sha256(data).hexdigest()
    (bundle / "bundle.json").write_text(json.dumps(content, indent=1))
    assert "no valid signature: it was changed after it was signed" in refused(bundle)


def test_a_stranger_s_signature_is_good_but_not_the_one_asked_for(bundle: Path) -> None:
    change(bundle, put("A better one", "about", "title"))
    assert load_bundle(bundle).fitted_.about.title == "A better one"
    mine, theirs = own_fingerprint(), fingerprint(STRANGERS_KEY)
    assert f"signed by the key {theirs}, not {mine}. Ask whoever sent it" in refused(bundle, signed_by=mine)
    load_bundle(bundle, signed_by=theirs.upper())


def test_the_maker_s_own_fingerprint(sound: Path) -> None:
    assert own_fingerprint() is not None
    load_bundle(sound, signed_by=own_fingerprint())


class Exploit:
    """What a pickle can do."""

    def __reduce__(self) -> Any:
        return pytest.fail, ("a pickle was opened",)


@pytest.mark.parametrize("name", ["model.pkl", "adapted.pt", ".hidden", "README", "sub"])
def test_a_stray_file(name: str, bundle: Path) -> None:
    if name == "sub":
        (bundle / name).mkdir()
    else:
        (bundle / name).write_bytes(pickle.dumps(Exploit()))
    assert f"holds '{name}', which is no part of this bundle and is not opened" in refused(bundle)


@pytest.mark.parametrize("name", ["card.md", "model.safetensors", "support.safetensors"])
def test_a_pickle_under_a_good_name(name: str, bundle: Path) -> None:
    (bundle / name).write_bytes(pickle.dumps(Exploit()))
    assert "changed after the bundle was signed" in refused(bundle)
    sign_again(bundle)
    if name != "card.md":
        assert "the parts of this bundle do not fit together" in refused(bundle)


@pytest.mark.parametrize("name", FILES[1:])
def test_a_link(name: str, bundle: Path, tmp_path: Path) -> None:
    (bundle / name).rename(tmp_path / "elsewhere")
    (bundle / name).symlink_to(tmp_path / "elsewhere")
    assert f"holds '{name}', which is no part of this bundle" in refused(bundle)


def test_support_cases_that_were_not_signed_with_it(tmp_path: Path, sound: Path) -> None:
    bare = save_bundle(diagnoser("maml"), tmp_path / "bare", support=False)
    shutil.copy(sound / "support.safetensors", bare)
    assert "holds 'support.safetensors', which is no part of this bundle" in refused(bare)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "bundle.json", "model.pkl"])
def test_files_that_a_bundle_may_not_name(name: str, bundle: Path) -> None:
    change(bundle, put("0" * 64, "files", name))
    assert "bundle.json does not say what a bundle says (files)" in refused(bundle)


def test_a_newer_layout(bundle: Path) -> None:
    change(bundle, lambda c: {"format": 2, "metadx": "9.1.0", "novelty": True})
    said = refused(bundle)
    assert "made by metadx 9.1.0 in a newer layout (2); this is metadx" in said
    assert "pip install -U metadx" in said


def test_json_larger_than_any(bundle: Path) -> None:
    for name in ("signature.json", "bundle.json"):
        with (bundle / name).open("r+b") as file:
            file.truncate(1 << 36)  # sparse
        assert f"{name} is larger than any bundle's" in refused(bundle)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, "[]", "1", "null", "NaN", '{"format": "x"}']
)
def test_json_of_another_kind(text: str, bundle: Path) -> None:
    (bundle / "bundle.json").write_text(text)
    assert "no valid signature" in refused(bundle)
    signed = text.encode()
    plain = {"public_key": STRANGERS_KEY, "signature": STRANGER.sign(signed).hex()}
    (bundle / "signature.json").write_text(json.dumps(plain) + "\n")
    assert "bundle.json does not say what a bundle says" in refused(bundle)
    (bundle / "signature.json").write_text(text)
    assert "no valid signature" in refused(bundle)


DEEP: Any = "adapted/tensors/features.0.weight"
for _ in range(300):
    DEEP = {"kind": "dict", "parts": {"a": DEEP}}

HOSTILE = {
    "wide layers": put([10**12], "spec", "learner", "hidden"),
    "endless layers": put([10_000] * 3000, "spec", "learner", "hidden"),
    "endless steps": put(10**9, "spec", "algorithm", "inner_steps"),
    "an infinite rate": put(float("inf"), "spec", "algorithm", "inner_lr"),
    "a rate that is text": put("fast", "spec", "algorithm", "inner_lr"),
    "layers that are text": put(["a"], "spec", "learner", "hidden"),
    "no layers": put(None, "spec", "learner", "hidden"),
    "a negative width": put([-3], "spec", "learner", "hidden"),
    "another algorithm": put({"name": "reptile"}, "spec", "algorithm"),
    "an unknown algorithm": put({"name": "os.system"}, "spec", "algorithm"),
    "an unknown setting": put("x", "spec", "learner", "__class__"),
    "a network as a setting": put("x", "spec", "algorithm", "network"),
    "transductive": put(True, "spec", "algorithm", "transductive"),
    "another input": put([10**9], "spec", "input_shape"),
    "many outputs": put(10**15, "spec", "outputs"),
    "no outputs": put(0, "spec", "outputs"),
    "a negative seed": put(-1, "spec", "seed"),
    "no spec": put(None, "spec"),
    "another modality": put("image", "inputs", "modality"),
    "no such modality": put("soul", "inputs", "modality"),
    "a column less": put(["age", "TSH"], "inputs", "features"),
    "a column twice": put(["age", "TSH", "TSH"], "inputs", "features"),
    "columns that are numbers": put([1, 2, 3], "inputs", "features"),
    "a picture's transform": put({"transform": "pixels", "shape": [1, 10**6, 10**6]}, "inputs"),
    "one condition": put(["flu"], "classes"),
    "the same condition twice": put(["flu", "flu", "gout"], "classes"),
    "conditions in another order": put(["mumps", "gout", "flu"], "classes"),
    "conditions of two kinds": put([1, "gout", "mumps"], "classes"),
    "a label out of range": put([7] * 9, "labels"),
    "a negative label": put([-1] * 9, "labels"),
    "labels swapped": put([0, 0, 0, 0, 1, 1, 2, 2, 2], "labels"),
    "a name less": put(["x"], "names"),
    "other counts": put({"flu": 9, "gout": 9, "mumps": 9}, "counts"),
    "other probabilities": put([[1.0, 0.0, 0.0]] * 9, "expected"),
    "probabilities of another shape": put([[1.0]], "expected"),
    "nothing adapted": put({}, "adapted"),
    "an unknown kind": put({"kind": "Popen", "parts": {}}, "adapted"),
    "no such tensor": put("params/none", "adapted"),
    "a tensor in place of a network": put("params/head.bias", "adapted"),
    "endless structure": put(DEEP, "adapted"),
    "another method": put("Reptile", "method"),
    "made by nobody": put("logistic", "plain"),
}


@pytest.mark.parametrize("edit", HOSTILE.values(), ids=HOSTILE)
def test_a_signed_bundle_whose_content_is_hostile(edit: Callable[[Any], None], bundle: Path) -> None:
    change(bundle, edit)
    refused(bundle)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("params/head.bias", np.zeros(10_000, np.float32)),
        ("params/head.bias", np.zeros(4, np.int64)),
        ("params/head.bias", np.full(4, np.nan, np.float32)),
        ("adapted/tensors/head.bias", np.full(4, np.nan, np.float32)),
        ("adapted/tensors/head.bias", np.zeros((2, 2), np.float32)),
        ("inputs/mean", np.zeros(2)),
        ("inputs/mean", np.full(3, np.nan)),
        ("inputs/std", np.zeros(3)),
        ("inputs/ranked", np.asarray([0, 1, 99])),
        ("inputs/flagged", np.asarray([-1])),
        ("inputs/sorted_lengths", np.asarray([10**9, -5, 3])),
        ("inputs/rate", np.ones(3)),
        ("inputs/log", None),
    ],
)
def test_a_signed_bundle_whose_tensors_are_hostile(name: str, array: Any, bundle: Path) -> None:
    tensors = load((bundle / "model.safetensors").read_bytes())
    assert name in tensors
    (bundle / "model.safetensors").write_bytes(
        save({k: array if k == name else v for k, v in tensors.items() if k != name or array is not None})
    )
    sign_again(bundle)
    refused(bundle)


def test_hostile_support_cases(bundle: Path) -> None:
    for x in (np.zeros((9, 2)), np.zeros((8, 3)), np.zeros(9), np.zeros((9, 3, 1)), np.full((9, 3), np.nan)):
        (bundle / "support.safetensors").write_bytes(save({"x": x}))
        sign_again(bundle)
        refused(bundle)


@settings(max_examples=30)
@drawn(data=st.data())
def test_any_value_of_a_signed_bundle_replaced(sound: Path, data: st.DataObject) -> None:
    """Whatever stands there, the bundle opens or is refused with a line."""
    original = {name: (sound / name).read_bytes() for name in ("bundle.json", "signature.json")}
    plain = node = json.loads(original["bundle.json"])
    while True:
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        if isinstance(node[key], dict | list) and node[key] and data.draw(st.integers(0, 4)):
            node = node[key]
            continue
        node[key] = data.draw(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.text(max_size=5)
            | st.just([])
            | st.just({})
        )
        break
    try:
        (sound / "bundle.json").write_text(json.dumps(plain))
        sign_again(sound)
        opened = load_bundle(sound)
        assert np.isfinite(opened.predict_proba(given().query)).all()
    except UserError:
        refused(sound)
    finally:
        for name, content in original.items():
            (sound / name).write_bytes(content)


def test_places_that_are_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path, tmp_path / "none", tmp_path / "file"):
        assert f"not a bundle. Make one with `metadx adapt RUN --support FILE --out {place}`" in refused(
            place
        )
