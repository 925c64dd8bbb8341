"""The whole of a study on each modality, on small cuts of real data."""

from __future__ import annotations

import csv
import gzip
import shutil
from pathlib import Path

import pytest

from metadx.cases import get
from metadx.diagnosis import load_bundle
from metadx.evaluation import StudyResult
from metadx.studies import StudySettings, run_study

pytestmark = pytest.mark.real_data


def study(data: Path, tmp_path: Path, minutes: float = 0.1) -> tuple[StudyResult, Path]:
    """A hurried study in this process."""
    out = tmp_path / "study"
    return run_study(StudySettings(data, minutes=minutes, workers=1), out, command="test"), out


def whole(result: StudyResult, out: Path, *, bundle: bool = True) -> None:
    """What every study must leave behind and say."""
    assert {"report.html", "study.json", "card.md"} <= {path.name for path in out.iterdir()}
    assert not (out / "work").exists()
    assert (out / "bundle").exists() == bundle
    assert {"Diagnosis", "Patients", "Audit", "Tasks", "Budget"} <= {
        choice.topic for choice in result.choices
    }
    assert all(choice.sentence.endswith(".") for choice in result.choices)
    assert result.parts
    assert result.next
    assert StudyResult.model_validate_json((out / "study.json").read_text(encoding="utf-8")) == result
    for part in result.parts:
        for score in part.result.scores:
            assert score.n > 0
    if bundle:
        assert load_bundle(out / "bundle").classes_.size >= 2


def test_a_clinical_table_in_arff(data_root: Path, tmp_path: Path) -> None:
    result, out = study(data_root / "clinical/arff/hepatitis.arff", tmp_path)
    whole(result, out)
    assert "Meta-learning does not apply" in result.meta
    assert [part.name for part in result.parts] == ["patients-apart"]


def test_hospitals_are_held_out_as_a_whole(data_root: Path, tmp_path: Path) -> None:
    rows = ["hospital,age,sex,pain,pressure,sick"]
    for name in ("cleveland", "hungarian", "va"):
        text = (data_root / f"clinical/heart_disease/processed.{name}.data").read_text(encoding="utf-8")
        for line in text.splitlines()[:40]:
            cells = line.split(",")
            rows.append(",".join([name, *cells[:4], str(int(float(cells[13]) > 0))]))
    path = tmp_path / "heart.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    result, out = study(path, tmp_path)
    whole(result, out)
    assert [part.name for part in result.parts] == ["patients-apart", "sites-apart"]


def test_class_folders_of_pictures(data_root: Path, tmp_path: Path) -> None:
    source = data_root / "images/herlev_papsmear/train"
    for name in ("normal_columnar", "severe_dysplastic"):
        (tmp_path / "cells" / name).mkdir(parents=True)
        for file in sorted((source / name).iterdir())[:16]:
            shutil.copy(file, tmp_path / "cells" / name / file.name)
    result, out = study(tmp_path / "cells", tmp_path)
    whole(result, out)
    assert result.kind == "pictures"


def glucose(tmp_path: Path, people: int, readings: int) -> Path:
    """The first readings of some people."""
    folder = get("glucose_hupa", allow_unverified=True)
    place = tmp_path / "glucose"
    place.mkdir()
    for file in [f for f in sorted(folder.iterdir()) if "metadata" not in f.name][:people]:
        with gzip.open(file, "rt") as whole_file:
            lines = whole_file.readlines()[:readings]
        (place / file.name.removesuffix(".gz")).write_text("".join(lines), encoding="utf-8")
    return place


def test_glucose_of_a_few_people_starts_from_the_base(data_root: Path, tmp_path: Path) -> None:
    result, out = study(glucose(tmp_path, 3, 500), tmp_path)
    whole(result, out, bundle=False)
    assert "CC BY 4.0" in result.base
    assert "base bundle" in result.meta
    (part,) = result.parts
    errors = {s.method: s.value or 0 for s in part.result.scores if s.metric == "rmse" and s.shots == 50}
    assert errors["meta_ridge"] < errors["last_value"]  # mg/dL, half an hour ahead
    assert result.base in (out / "report.html").read_text(encoding="utf-8").replace("&#39;", "'")


def test_glucose_of_people_as_tasks(data_root: Path, tmp_path: Path) -> None:
    result, out = study(glucose(tmp_path, 9, 500), tmp_path)
    whole(result, out, bundle=False)
    (part,) = result.parts
    errors = {s.method: s.value for s in part.result.scores if s.metric == "rmse" and s.shots == 50}
    assert errors["last_value"] is not None
    assert 5 < errors["last_value"] < 60  # mg/dL


def test_visits_of_patients_as_tasks(data_root: Path, tmp_path: Path) -> None:
    source = data_root / "signals/parkinsons_telemonitoring/parkinsons_updrs.data"
    lines = source.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines[1:] if int(line.split("\t")[0]) <= 9][::3]
    path = tmp_path / "visits.tsv"
    path.write_text("\n".join([lines[0], *kept]) + "\n", encoding="utf-8")
    result, out = study(path, tmp_path)
    whole(result, out, bundle=False)
    assert result.kind == "visits"
    assert any("motor_UPDRS" in choice.sentence for choice in result.choices)


def test_expression(data_root: Path, tmp_path: Path) -> None:
    name = "golub-1999-v2_database.txt.gz"
    with gzip.open(data_root / "genomics/cancer_expression" / name, "rt") as file:
        lines = file.readlines()[:200]
    path = tmp_path / name.removesuffix(".gz")
    path.write_text("".join(lines), encoding="utf-8")
    result, out = study(path, tmp_path)
    whole(result, out)
    assert result.kind == "expression"


def test_variants_of_genes_as_tasks(data_root: Path, tmp_path: Path) -> None:
    import io
    import zipfile

    place = data_root / "genomics/clinvar_conflicting/clinvar_conflicting.csv.zip"
    with zipfile.ZipFile(place) as archive, archive.open("clinvar_conflicting.csv") as raw:
        rows = list(csv.reader(io.TextIOWrapper(raw, "utf-8")))
    header, body = rows[0], rows[1:]
    gene, label = header.index("SYMBOL"), header.index("CLASS")
    by_gene: dict[str, dict[str, list[list[str]]]] = {}
    for row in body:
        by_gene.setdefault(row[gene], {}).setdefault(row[label], []).append(row)
    able = [
        name
        for name, parts in by_gene.items()
        if name and len(parts) == 2 and min(map(len, parts.values())) >= 14
    ]
    path = tmp_path / "variants.csv"
    with path.open("w", encoding="utf-8", newline="") as out_file:
        out = csv.writer(out_file)
        out.writerow(header)
        for name in sorted(able)[:8]:
            for part in by_gene[name].values():
                out.writerows(part[:14])
    result, folder = study(path, tmp_path)
    whole(result, folder)
    assert [part.name for part in result.parts] == ["patients-apart", "genes"]


def test_heartbeats(data_root: Path, tmp_path: Path) -> None:
    (tmp_path / "ecg").mkdir()
    for record in ("106", "119", "200", "208"):
        for suffix in (".hea", ".dat", ".atr"):
            shutil.copy(data_root / "signals/mitdb" / f"{record}{suffix}", tmp_path / "ecg")
    result, out = study(tmp_path / "ecg", tmp_path)
    whole(result, out)
    assert result.kind == "beats"
