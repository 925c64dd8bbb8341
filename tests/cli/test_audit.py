"""`metadx audit` on tables, folders of pictures and data sets, and what it says when it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cases.audit.making import pictures, table
from cli.conftest import Metadx, files


def write_table(path: Path, *, patient: bool = True, copy: bool = True) -> Path:
    cases = table(80)
    lines = [",".join(("label", *(("patient",) if patient else ()), *cases.features))]
    for at in range(80):
        cells = ["" if np.isnan(value) else f"{value:g}" for value in cases.x[at]]
        lines.append(",".join((cases.classes[cases.y[at]], *((f"p{at}",) if patient else ()), *cells)))
    if copy:
        lines.append(lines[5].replace("p4,", "p99,"))
    path.write_text("\n".join(lines).replace("sex=F", "female"), encoding="utf-8")
    return path


def write_pictures(folder: Path) -> Path:
    """Twenty pictures of two classes; the last is the first, smaller, turned, and saved as JPEG."""
    cases = pictures(20)
    for at, picture in enumerate(cases.x):
        inside = folder / cases.classes[cases.y[at]]
        inside.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.transpose(1, 2, 0)).save(inside / f"p{at}_a.png")
    first = Image.fromarray(cases.x[0].transpose(1, 2, 0))
    first.resize((36, 36)).rotate(90).save(folder / cases.classes[cases.y[0]] / "p77_b.jpg", quality=80)
    return folder


def test_a_table(metadx: Metadx, tmp_path: Path) -> None:
    path = write_table(tmp_path / "patients.csv")
    said = metadx("audit", path).ok().out
    assert "81 cases of 81 patients" in said
    assert "two ids (serious)" in said
    assert "row 5, row 81" in said
    assert "give all of their cases one id" in " ".join(said.split())
    assert "1 serious, 0 to know of." in said
    assert "Not checked: Patients in two splits" in said


def test_nothing_found(metadx: Metadx, tmp_path: Path) -> None:
    path = write_table(tmp_path / "patients.csv", copy=False)
    before = files(tmp_path)
    assert "Nothing was found." in metadx("audit", path, "--strict").ok().out
    assert files(tmp_path) == before


def test_strict_ends_with_one(metadx: Metadx, tmp_path: Path) -> None:
    path = write_table(tmp_path / "patients.csv")
    said = metadx("audit", path, "--strict", "--json")
    assert said.code == 1
    assert said.err == ""
    found = json.loads(said.out)
    assert found["serious"] is True
    assert found["leaks"][0]["kind"] == "two ids"
    assert found["leaks"][0]["cases"] == [4, 80]
    assert found["leaks"][0]["names"] == ["row 5", "row 81"]
    assert found["leaks"][0]["patients"] == ["p4", "p99"]


def test_a_table_without_patients(metadx: Metadx, tmp_path: Path) -> None:
    path = write_table(tmp_path / "patients.csv", patient=False)
    said = metadx("audit", path).ok().out
    assert "81 cases." in said
    assert "duplicate (serious)" in said
    assert "no patient ids" in said


def test_a_folder(metadx: Metadx, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pictures")
    found = json.loads(metadx("audit", folder, "--patient-pattern", "^(p[0-9]+)_", "--json").ok().out)
    (copies,) = (f for f in found["leaks"] if f["kind"] == "two ids")
    assert {Path(name).name for name in copies["names"]} == {"p0_a.png", "p77_b.jpg"}
    assert copies["patients"] == ["p0", "p77"]
    assert "turned by" in copies["sentence"]
    assert "near-duplicate (serious)" in metadx("audit", folder).ok().out


@pytest.mark.parametrize("size", [32, 96])
def test_a_folder_at_another_size(metadx: Metadx, tmp_path: Path, size: int) -> None:
    folder = write_pictures(tmp_path / "pictures")
    assert "1 serious" in metadx("audit", folder, "--size", size).ok().out


def test_what_cannot_be_read(metadx: Metadx, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "no class folders" in metadx("audit", tmp_path / "empty").mistake()
    assert "no such file or folder" in metadx("audit", tmp_path / "absent.csv").mistake()
    assert "no data set 'thyriod'" in metadx("audit", "thyriod").mistake()
    (tmp_path / "one.csv").write_text("label,patient,a\nflu,p1,3\n")
    assert "at least two conditions" in metadx("audit", tmp_path / "one.csv").mistake()
    (tmp_path / "none.csv").write_text("label,patient,a\nflu,p1,\ncold,p2,\n")
    assert "is empty in every row" in metadx("audit", tmp_path / "none.csv").mistake()
    path = write_table(tmp_path / "patients.csv")
    assert (
        "patient pattern is not for it: a CSV has a column"
        in metadx("audit", path, "--patient-pattern", "(p)").mistake()
    )


def test_two_rows_are_enough(metadx: Metadx, tmp_path: Path) -> None:
    (tmp_path / "two.csv").write_text("label,patient,a\nflu,p1,3\ncold,p2,4\n")
    assert "Nothing was found." in metadx("audit", tmp_path / "two.csv").ok().out


def test_a_data_set_by_name(metadx: Metadx) -> None:
    found = json.loads(metadx("audit", "thyroid", "--json").ok().out)
    assert found["cases"] == 9172
    equal = [f for f in found["leaks"] if f["names"] == ["row 79", "row 99"]]
    assert [(f["kind"], f["severity"]) for f in equal] == [("two ids", "serious")]
    named = {at for f in found["leaks"] if f["kind"] != "give-away" for at in f["cases"]}
    assert len(named) < 0.01 * 9172


@pytest.mark.real_data
def test_pap_smears_whose_splits_share_slides(metadx: Metadx, data_root: Path) -> None:
    assert "--allow-unverified" in metadx("audit", "herlev").mistake()
    found = json.loads(metadx("audit", "herlev", "--allow-unverified", "--json").ok().out)
    (split,) = (f for f in found["leaks"] if f["kind"] == "split")
    assert "108 of 538 patients" in split["sentence"]
    assert all(name.startswith(("train/", "test/")) for name in split["names"])


def test_help_has_examples(metadx: Metadx) -> None:
    said = metadx("audit", "--help").ok().out
    assert "metadx audit patients.csv" in said
    assert "--strict" in said.split("Examples")[1]
