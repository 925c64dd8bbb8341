"""A bundle that is opened says what the diagnoser said that was saved."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from diagnosis.making import (
    COLUMNS,
    EVERY,
    FIXED,
    FORGETS,
    Kind,
    diagnoser,
    given,
    inputs,
    model,
    own_network,
)
from diagnosis.test_diagnoser import LABELS
from metadx.algorithms import LogisticTrees
from metadx.diagnosis import (
    Diagnoser,
    load_bundle,
    own_fingerprint,
    plain_model,
    read_content,
    save_bundle,
)
from metadx.errors import UserError

WITH, WITHOUT = (
    {"bundle.json", "card.md", "model.safetensors", "signature.json", "support.safetensors"},
    {"bundle.json", "card.md", "model.safetensors", "signature.json"},
)


def same(a: Diagnoser, b: Diagnoser, query: Any) -> None:
    np.testing.assert_allclose(a.predict_proba(query), b.predict_proba(query), rtol=0, atol=1e-6)
    assert a.predict(query).tolist() == b.predict(query).tolist()


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_every_algorithm_comes_back(name: str, kind: Kind, tmp_path: Path) -> None:
    fitted, cases = diagnoser(name, kind), given(kind)
    bundle = save_bundle(fitted, tmp_path / "b")
    assert {p.name for p in bundle.iterdir()} == WITH
    opened = load_bundle(bundle)
    same(fitted, opened, cases.query)
    for one, other in zip(opened.diagnose(cases.query), fitted.diagnose(cases.query), strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, rel=0, abs=1e-6)
        assert [s.case for s in one.similar] == [s.case for s in other.similar]
    again = save_bundle(opened, tmp_path / "again")
    same(fitted, load_bundle(again), cases.query)
    label = "flu" if name in FIXED else "new"
    added = [d.add(cases.query[:1], [label]) for d in (fitted, opened)]
    same(*added, cases.query)


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_every_algorithm_without_its_support_cases(name: str, kind: Kind, tmp_path: Path) -> None:
    norm = {"norm": "layer"} if kind == "table" else {"norm": "group"}
    fitted, cases = diagnoser(name, kind, **norm), given(kind)
    if name not in FORGETS:
        with pytest.raises(
            UserError, match="compares new cases with its support cases, so a bundle needs them"
        ):
            save_bundle(fitted, tmp_path / "b", support=False)
        assert not any(tmp_path.iterdir())
        return
    opened = load_bundle(save_bundle(fitted, tmp_path / "b", support=False))
    assert {p.name for p in (tmp_path / "b").iterdir()} == WITHOUT
    same(fitted, opened, cases.query)
    assert opened.diagnose(cases.query)[0].similar == ()
    with pytest.raises(UserError, match="left out of this bundle, so nothing can be added"):
        opened.add(cases.query[:1], ["flu"])
    with pytest.raises(UserError, match="no support cases to save"):
        save_bundle(opened, tmp_path / "c")
    same(fitted, load_bundle(save_bundle(opened, tmp_path / "d", support=False)), cases.query)
    content, _ = read_content(tmp_path / "b")
    assert len(content.lost) == 3
    assert all(lost in (tmp_path / "b" / "card.md").read_text() for lost in content.lost)
    assert content.names == content.labels == []
    held = b"".join(p.read_bytes() for p in (tmp_path / "b").iterdir())
    seen = cases.x[0].tobytes() if kind == "image" else np.asarray(cases.x[0, 1]).tobytes()
    assert seen not in held
    assert fitted.fitted_.inputs.transform(cases.x)[0].tobytes() not in held


def test_batch_statistics_need_the_support_cases(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="takes its batch statistics from the support cases"):
        save_bundle(diagnoser("protonet", "image", norm="batch"), tmp_path / "b", support=False)


@pytest.mark.parametrize(("_", "classes"), LABELS, ids=[name for name, _ in LABELS])
@pytest.mark.parametrize("support", [True, False])
def test_labels_come_back(_: str, classes: Any, support: bool, tmp_path: Path) -> None:
    cases = given(shots=4)
    fitted = Diagnoser(model("protonet")).fit(cases.x, np.asarray(classes)[np.arange(12) % len(classes)])
    opened = load_bundle(save_bundle(fitted, tmp_path / "b", support=support))
    assert opened.classes_.tolist() == fitted.classes_.tolist()
    assert {type(c) for c in opened.classes_.tolist()} == {type(c) for c in fitted.classes_.tolist()}
    same(fitted, opened, cases.query)


def test_the_simple_thing(tmp_path: Path) -> None:
    cases = given()
    fitted = Diagnoser().fit(cases.x, cases.y)
    opened = load_bundle(save_bundle(fitted, tmp_path / "b"))
    same(fitted, opened, cases.query)
    more = [
        d.add(cases.query[:1], ["new"]) for d in (fitted, opened)
    ]  # the ranks of its columns are made anew
    same(*more, cases.query)
    with pytest.raises(UserError, match="ranks new values among those of its support cases"):
        save_bundle(fitted, tmp_path / "c", support=False)


def test_a_data_frame_s_columns(tmp_path: Path) -> None:
    cases = given()
    fitted = Diagnoser().fit(pandas.DataFrame(cases.x, columns=COLUMNS), cases.y)
    opened = load_bundle(save_bundle(fitted, tmp_path / "b"))
    same(fitted, opened, pandas.DataFrame(cases.query, columns=COLUMNS))
    with pytest.raises(ValueError, match="feature names"):
        opened.predict(pandas.DataFrame(cases.query, columns=["a", "b", "c"]))


def test_a_network_of_one_s_own(tmp_path: Path) -> None:
    cases, algorithm = given(), own_network()
    fitted = Diagnoser(plain_model(algorithm, inputs("table"))).fit(cases.x, cases.y)
    bundle = save_bundle(fitted, tmp_path / "b")
    with pytest.raises(UserError, match=r"open it in Python with load_bundle\(..., algorithm=...\)"):
        load_bundle(bundle)
    same(fitted, load_bundle(bundle, algorithm=own_network()), cases.query)
    with pytest.raises(UserError, match="made with MAML, not LogisticTrees"):
        load_bundle(bundle, algorithm=LogisticTrees())
    with pytest.raises(UserError, match="the tensors are not those of this MAML"):
        load_bundle(bundle, algorithm=model("maml").algorithm)


OPEN_ALL = """
import sys
from pathlib import Path
import numpy as np
from metadx import load_bundle
here = Path(sys.argv[1])
query = {kind: np.load(here / f"{kind}.npy") for kind in ("table", "image")}
for bundle in sorted(p for p in here.iterdir() if p.is_dir()):
    np.save(here / f"{bundle.name}.out.npy", load_bundle(bundle).predict_proba(query[bundle.name.split(".")[1]]))
"""


def test_a_fresh_environment_gives_the_same_probabilities(tmp_path: Path) -> None:
    bundles, elsewhere = tmp_path / "bundles", tmp_path / "elsewhere"
    elsewhere.mkdir()
    wanted = {}
    for name, kind in EVERY:
        norm = {"norm": "layer"} if kind == "table" else {"norm": "group"}
        fitted = diagnoser(name, kind, **norm)
        wanted[f"{name}.{kind}"] = fitted.predict_proba(given(kind).query)
        save_bundle(fitted, bundles / f"{name}.{kind}")
        if name in FORGETS:
            wanted[f"{name}.{kind}.without"] = wanted[f"{name}.{kind}"]
            save_bundle(fitted, bundles / f"{name}.{kind}.without", support=False)
    for kind in ("table", "image"):
        np.save(bundles / f"{kind}.npy", given(kind).query)
    bundles.rename(elsewhere / "moved")
    surroundings = {
        "PATH": os.environ["PATH"],
        "HOME": str(elsewhere),
        "METADX_KEYS": str(elsewhere / "keys"),
        "OMP_NUM_THREADS": "1",
        "LANG": "C",
    }
    subprocess.run(
        [sys.executable, "-c", OPEN_ALL, str(elsewhere / "moved")],
        cwd=elsewhere,
        env=surroundings,
        check=True,
        timeout=120,
    )
    for name, probability in wanted.items():
        found = np.load(elsewhere / "moved" / f"{name}.out.npy")
        np.testing.assert_allclose(found, probability, rtol=0, atol=1e-6, err_msg=name)
    assert {p.name for p in elsewhere.iterdir()} == {"moved"}  # opening makes no key


def test_the_card(tmp_path: Path) -> None:
    card = (save_bundle(diagnoser("maml"), tmp_path / "b") / "card.md").read_text(encoding="utf-8")
    for said in (
        "# Trial",
        "Meta-trained on made up (source: here; licence: CC0)",
        "| flu | 3 |",
        "| a/b c | 3 |",
        "MAML, from 9 labelled cases, 3 of the rarest condition. With fewer than five",
        "Not evaluated. Run `metadx evaluate`",
        f"signed by the key {own_fingerprint()}.",
    ):
        assert said in card, said


def test_an_occupied_place(tmp_path: Path) -> None:
    fitted = diagnoser()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "full", "link"):
        with pytest.raises(UserError, match=f"{name}: already exists. Choose another folder"):
            save_bundle(fitted, tmp_path / name)
    (tmp_path / "empty").mkdir()
    same(fitted, load_bundle(save_bundle(fitted, tmp_path / "empty")), given().query)


@pytest.mark.parametrize(
    ("number", "said"), [(errno.ENOSPC, "no room|No space left"), (errno.EROFS, "Read-only file system")]
)
@pytest.mark.parametrize("at", range(5))
def test_a_disk_that_fails_leaves_nothing(
    number: int, said: str, at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted, synced = diagnoser(), []
    own_fingerprint()
    genuine = os.fsync

    def fail(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) > 2 * at:  # every file syncs itself and its folder
            raise OSError(number, os.strerror(number))
        genuine(descriptor)

    save_bundle(fitted, tmp_path / "first")
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(UserError, match=f"the bundle cannot be written .*({said})"):
        save_bundle(fitted, tmp_path / "new" / "folders" / "b")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot be written .Not a directory"):
        save_bundle(diagnoser(), tmp_path / "file" / "b")
    with pytest.raises(UserError, match="cannot be written"):
        save_bundle(diagnoser(), Path("/proc/metadx/b"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


def test_ctrl_c_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = diagnoser()
    save_bundle(fitted, tmp_path / "first")

    def interrupt(_: Path, __: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_bundle(fitted, tmp_path / "second")
    assert [p.name for p in tmp_path.iterdir()] == ["first"]


def test_what_is_not_fitted_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="not fitted yet"):
        save_bundle(Diagnoser(), tmp_path / "b")


def test_nothing_of_a_bundle_needs_more_than_json_and_tensors(tmp_path: Path) -> None:
    bundle = save_bundle(diagnoser("boosted_trees"), tmp_path / "b")
    content = json.loads((bundle / "bundle.json").read_bytes())
    assert content["adapted"] is None  # trees are made again
    for file in bundle.glob("*.safetensors"):
        data = file.read_bytes()
        json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
