"""From data to findings, as a user walks it: train, evaluate, adapt, diagnose."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import Metadx, files
from metadx.diagnosis import Finding, load_bundle, own_fingerprint
from studies.making import VOUCHED, recipe, write_pictures, write_recipe, write_table

LEARNER = {"name": "convnet", "width": 4, "blocks": 2, "norm": "group"}


def _run(metadx: Metadx, folder: Path, name: str, data: dict[str, Any], **changes: Any) -> Path:
    changes = {"training": {"iterations": 2, "validate_every": 2, "validation_tasks": 2}} | changes
    metadx("train", write_recipe(folder / f"{name}.yaml", data, **changes), "--out", folder / name, "-q").ok()
    return folder / name


@pytest.fixture
def table(metadx: Metadx, tmp_path: Path) -> Path:
    """A folder with a run, support cases of two conditions and patients without a label."""
    lines = write_table(tmp_path / "patients.csv").read_text().splitlines()
    _run(metadx, tmp_path, "run", {"csv": "patients.csv"})
    rows = [line for line in lines[1:] if re.match("condition [12],", line)]
    (tmp_path / "support.csv").write_text("\n".join([lines[0], *rows[:4], *rows[8:12]]) + "\n")
    new = [",".join(line.split(",")[1:]) for line in (lines[0], *rows[4:8], *rows[12:16])]
    (tmp_path / "new.csv").write_text("\n".join(new) + "\n")
    return tmp_path


@pytest.fixture
def bundle(table: Path, metadx: Metadx) -> Path:
    """The bundle made of them."""
    metadx("adapt", table / "run", "--support", table / "support.csv", "--out", table / "bundle").ok()
    return table / "bundle"


@pytest.fixture
def pictures(metadx: Metadx, tmp_path: Path) -> Path:
    """A folder with a run on pictures, `cells`, and class folders of two conditions, `support`."""
    cells = write_pictures(tmp_path / "cells")
    _run(metadx, tmp_path, "run", {"folder": "cells", "patients": VOUCHED, "size": [8, 8]}, learner=LEARNER)
    for kind in ("kind 1", "kind 3"):
        shutil.copytree(cells / kind, tmp_path / "support" / kind)
    return tmp_path


def test_a_table(table: Path, metadx: Metadx) -> None:
    metadx("evaluate", table / "run", "--shots", 1, "--episodes", 3).ok()
    said = metadx("adapt", table / "run", "--support", table / "support.csv", "--out", table / "b").ok()
    assert said.out == ""
    assert re.search(r"condition 1 +│ 4", said.err)
    assert f"Wrote {table / 'b'}, signed by your key {own_fingerprint()}." in said.err
    assert f"Next: metadx diagnose {table / 'b'} PATIENTS.csv" in said.err
    card = (table / "b" / "card.md").read_text(encoding="utf-8")
    assert "| condition 2 | 4 |" in card
    assert re.search(r"- \d+\.\d ± \d+\.\d % right with 1 labelled case\(s\) of each of 2 conditions", card)
    assert str(table) not in "".join(p.read_text(errors="replace") for p in (table / "b").iterdir())

    printed = metadx("diagnose", table / "b", table / "new.csv", "--json").ok()
    findings = [Finding.model_validate(finding) for finding in json.loads(printed.out)]
    assert [f.case for f in findings] == [f"p{c}-{p}" for c in (1, 2) for p in (4, 5, 6, 7)]
    assert {*findings[0].probabilities} == {"condition 1", "condition 2"}
    assert {s.case for f in findings for s in f.similar} <= {f"p{c}-{p}" for c in (1, 2) for p in range(4)}
    assert printed.err == ""
    shown = metadx("diagnose", table / "b", table / "new.csv").ok()
    assert re.search(r"p1-4 +│ condition [12] │ +\d+%", shown.out)
    labelled = metadx("diagnose", table / "b", table / "support.csv").ok()
    assert re.search(r"\d of 8 findings agree with the labels in", labelled.err)
    one = table / "one.csv"
    one.write_text("\n".join((table / "new.csv").read_text().splitlines()[:2]))
    alone = json.loads(metadx("diagnose", table / "b", one, "--json").ok().out)
    assert alone[0]["probabilities"] == pytest.approx(findings[0].probabilities, abs=1e-6)


def test_without_the_support_cases(table: Path, metadx: Metadx) -> None:
    given = ("adapt", table / "run", "--support", table / "support.csv")
    said = metadx(*given, "--out", table / "bare", "--no-support").ok()
    assert said.err.count("Without its labelled cases: ") == 3
    metadx(*given, "--out", table / "full").ok()
    bare, full = (metadx("diagnose", table / b, table / "new.csv", "--json").ok() for b in ("bare", "full"))
    for a, b in zip(json.loads(bare.out), json.loads(full.out), strict=True):
        assert a["similar"] == []
        assert a["probabilities"] == pytest.approx(b["probabilities"], abs=1e-6)
    assert bare.err.count("Made without its labelled cases: ") == 3
    assert "not kept" in metadx("diagnose", table / "bare", table / "new.csv").ok().out


@pytest.mark.parametrize("options", [(), ("--no-support",)])
def test_pictures(options: tuple[str, ...], pictures: Path, metadx: Metadx) -> None:
    b = pictures / "b"
    metadx("adapt", pictures / "run", "--support", pictures / "support", "--out", b, *options).ok()
    folders = json.loads(metadx("diagnose", b, pictures / "support", "--json").ok().out)
    assert [f["case"] for f in folders] == [f"kind {k}/{n}.png" for k in (1, 3) for n in range(6)]
    flat = json.loads(metadx("diagnose", b, pictures / "support" / "kind 3", "--json").ok().out)
    one = json.loads(metadx("diagnose", b, pictures / "support" / "kind 3" / "4.png", "--json").ok().out)
    assert [f["case"] for f in (*flat[4:5], *one)] == ["4.png", "4.png"]
    for a, c in ((flat[4], one[0]), (folders[10], one[0])):
        assert a["probabilities"] == pytest.approx(c["probabilities"], abs=1e-6)
    if not options:
        assert one[0]["similar"][0] == {"case": "kind 3/4.png", "diagnosis": "kind 3", "distance": 0.0}


def test_who_signed_it(bundle: Path, metadx: Metadx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = own_fingerprint()
    assert mine is not None
    patients = bundle.parent / "new.csv"
    assert metadx("diagnose", bundle, patients, "--signed-by", mine, "--json").ok().err == ""
    monkeypatch.setenv("METADX_KEYS", str(tmp_path / "another user"))
    said = metadx("diagnose", bundle, patients, "--json").ok()
    assert f"by a key that is not yours: {mine}. Ask its sender" in said.err
    assert metadx("diagnose", bundle, patients, "--signed-by", mine, "--json").ok().err == ""
    assert (
        f"signed by the key {mine}, not 0-0"
        in metadx("diagnose", bundle, patients, "--signed-by", "0-0").mistake()
    )
    assert not (tmp_path / "another user").exists()


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (
            lambda t: t.replace("label,", "diagnosis,"),
            "no labels. A support set says the diagnosis of each case",
        ),
        (
            lambda t: t.replace(",b,", ",B,"),
            "no column 'b', which the model was trained with; did you mean 'B'?",
        ),
        (lambda t: t.replace("condition 2", "condition 1"), "holds one class only, 'condition 1'"),
        (lambda t: t.replace("condition 2", ""), "column 'label' is missing in row 5"),
        (lambda t: t.splitlines()[0], "no cases below the header"),
        (lambda t: t.replace("p1-0,", "p1-0,x"), "is not a number"),
    ],
)
def test_support_cases_that_cannot_be_used(edit: Any, said: str, table: Path, metadx: Metadx) -> None:
    (table / "support.csv").write_text(edit((table / "support.csv").read_text()))
    before = files(table)
    given = ("adapt", table / "run", "--support", table / "support.csv", "--out", table / "b")
    assert said in metadx(*given).mistake()
    assert files(table) == before


def test_a_column_in_another_unit(metadx: Metadx, tmp_path: Path) -> None:
    lines = ["label,patient,glucose,age"]
    for n in range(96):
        lines.append(f"condition {n // 8},p{n},{5 + (n * 7 % 11) / 10:.1f},{30 + n % 13}")
    (tmp_path / "all.csv").write_text("\n".join(lines) + "\n")
    run = _run(metadx, tmp_path, "run", {"csv": "all.csv"})
    (tmp_path / "support.csv").write_text("\n".join([lines[0], *lines[1:17]]))
    converted = [
        re.sub(r"(p\d+),([\d.]+)", lambda m: f"{m[1]},{float(m[2]) * 18.016:.0f}", line) for line in lines
    ]
    (tmp_path / "other.csv").write_text("\n".join([lines[0], *converted[1:17]]))
    before = files(tmp_path)
    given = ("adapt", run, "--out", tmp_path / "b", "--support")
    said = metadx(*given, tmp_path / "other.csv").mistake()
    assert "column 'glucose' looks as if it were in another unit: its median is" in said
    assert "multiplied by 0.0" in said
    assert "Convert the column, or say --units-checked" in said
    assert files(tmp_path) == before
    metadx(*given, tmp_path / "support.csv").ok()
    assert "column 'glucose'" in metadx("diagnose", tmp_path / "b", tmp_path / "other.csv").mistake()
    metadx("diagnose", tmp_path / "b", tmp_path / "other.csv", "--units-checked").ok()


def test_patients_that_cannot_be_diagnosed(bundle: Path, metadx: Metadx) -> None:
    folder = bundle.parent
    text = (folder / "support.csv").read_text()
    (folder / "p.csv").write_text(text.replace("condition 2", "plague"))
    said = metadx("diagnose", bundle, folder / "p.csv").mistake()
    assert "the label 'plague' was never shown to this bundle, which knows condition 1, condition 2" in said
    assert "adapt again with cases of it, or take those rows out" in said
    (folder / "p.csv").write_text(text.replace(",c,", ",d,"))
    assert (
        "no column 'c', which the model was trained with"
        in metadx("diagnose", bundle, folder / "p.csv").mistake()
    )
    cells = write_pictures(folder / "cells", conditions=2, pictures=1)
    for place in (cells, cells / "kind 0", cells / "kind 0" / "0.png"):
        assert "pictures, but the model takes table cases" in metadx("diagnose", bundle, place).mistake()
    assert "none.csv: no such file" in metadx("diagnose", bundle, folder / "none.csv").mistake()


def test_a_table_for_a_bundle_of_pictures(pictures: Path, metadx: Metadx) -> None:
    write_table(pictures / "table.csv")
    before = files(pictures)
    given = ("adapt", pictures / "run", "--out", pictures / "b", "--support")
    assert (
        "no column 'path', but the model takes pictures" in metadx(*given, pictures / "table.csv").mistake()
    )
    said = metadx(*given, pictures / "support" / "kind 1").mistake()
    assert "no labels. A support set says the diagnosis of each case. Put the pictures of each" in said
    assert files(pictures) == before


def test_bundles_that_are_refused(bundle: Path, metadx: Metadx) -> None:
    patients = bundle.parent / "new.csv"
    card = bundle / "card.md"
    genuine = card.read_bytes()
    card.write_bytes(genuine.replace(b"4", b"5", 1))
    assert "card.md was changed after the bundle was signed" in metadx("diagnose", bundle, patients).mistake()
    content = json.loads((bundle / "bundle.json").read_text())
    content["files"]["card.md"] = hashlib.sha256(card.read_bytes()).hexdigest()
    original = (bundle / "bundle.json").read_bytes()
    (bundle / "bundle.json").write_text(json.dumps(content))
    assert "no valid signature" in metadx("diagnose", bundle, patients).mistake()
    (bundle / "bundle.json").write_bytes(original)
    card.write_bytes(genuine)
    (bundle / "extra.pkl").write_bytes(b"\x80\x04.")
    assert (
        "holds 'extra.pkl', which is no part of this bundle" in metadx("diagnose", bundle, patients).mistake()
    )
    (bundle / "extra.pkl").unlink()
    metadx("diagnose", bundle, patients).ok()
    said = metadx("diagnose", bundle.parent / "run", patients).mistake()
    assert "run: not a bundle. Make one with `metadx adapt RUN --support FILE" in said


def test_runs_that_cannot_be_adapted(table: Path, metadx: Metadx) -> None:
    given = ("--support", table / "support.csv", "--out", table / "b")
    assert "not a run folder" in metadx("adapt", table, *given).mistake()
    sine = _run(metadx, table, "sine", {"function": "sinusoid", "split": {}}, algorithm={"name": "maml"})
    assert (
        "predicts values of a function; a diagnosis needs conditions"
        in metadx("adapt", sine, *given).mistake()
    )
    (table / "run" / "inputs.safetensors").write_bytes(b"\x80\x04.")
    assert "the run is damaged" in metadx("adapt", table / "run", *given).mistake()
    (table / "run" / "inputs.safetensors").unlink()
    assert "does not say what its model takes" in metadx("adapt", table / "run", *given).mistake()
    (table / "run" / "run.json").write_text("{}")
    assert "Train it again" in metadx("adapt", table / "run", *given).mistake()
    assert not (table / "b").exists()


def test_an_occupied_place(bundle: Path, metadx: Metadx) -> None:
    folder = bundle.parent
    before = files(folder)
    said = metadx("adapt", folder / "run", "--support", folder / "support.csv", "--out", bundle).mistake()
    assert said == f"{bundle}: already exists. Choose another folder, or remove it first."
    assert files(folder) == before


def test_trees_need_their_support_cases(metadx: Metadx, tmp_path: Path) -> None:
    write_table(tmp_path / "support.csv")
    run = _run(metadx, tmp_path, "run", {"csv": "support.csv"}, algorithm={"name": "boosted_trees"})
    given = ("adapt", run, "--support", tmp_path / "support.csv", "--out")
    assert "leave out --no-support, or train" in metadx(*given, tmp_path / "b", "--no-support").mistake()
    assert not (tmp_path / "b").exists()
    metadx(*given, tmp_path / "b").ok()
    assert len(load_bundle(tmp_path / "b").classes_) == 12


def test_a_model_from_python(table: Path) -> None:
    import metadx

    model = metadx.load_model(table / "run")
    assert model.inputs.features == ("a", "b", "c", "sex=F")
    assert recipe({})["algorithm"]["name"] == model.spec.algorithm.name
    diagnoser = metadx.Diagnoser(model).fit([[1, 2, 3, 0], [4, 5, 6, 1]], ["a", "b"])
    metadx.save_bundle(diagnoser, table / "b")
    assert metadx.load_bundle(table / "b").classes_.tolist() == ["a", "b"]
    assert {"Diagnoser", "Finding", "load_bundle"} <= set(dir(metadx))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = metadx.nothing
