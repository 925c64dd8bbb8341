"""`metadx study` on tables: the whole path from a CSV to a finding, stopped, gone on with, and refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from cli.conftest import Metadx, executable, files
from metadx.studies import StudySettings, run_study


def patients(path: Path, n: int = 60, conditions: int = 2, seed: int = 0, patient: bool = True) -> Path:
    """A CSV whose diagnosis shows in two of its columns."""
    rng = np.random.default_rng(seed)
    lines = [",".join((*(("patient",) if patient else ()), "age", "sex", "tsh", "ft4", "diagnosis"))]
    for i in range(n):
        y = i % conditions
        values = (f"{rng.normal(60, 9):.0f}", "FM"[int(rng.integers(2))], f"{rng.normal(y * 2, 1):.2f}")
        values += (f"{rng.normal(-y, 1):.2f}" if rng.random() > 0.1 else "",)
        lines.append(",".join((*((f"p{i}",) if patient else ()), *values, f"d{y}")))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_from_a_csv_to_a_finding(metadx: Metadx, tmp_path: Path) -> None:
    data, out = patients(tmp_path / "patients.csv", patient=False), tmp_path / "study"
    done = metadx("study", data, "--out", out, "--workers", 1, "--minutes", 0.2, "--json").ok()
    result = json.loads(done.out)
    assert {path.name for path in out.iterdir()} == {"bundle", "card.md", "report.html", "study.json"}
    assert "Meta-learning does not apply" in result["meta"]
    assert "every row is taken for a different person" in done.err
    (part,) = result["parts"]
    auroc = {s["method"]: s for s in part["result"]["scores"] if s["metric"] == "auroc"}
    assert auroc["logistic_regression"]["value"] > 0.85
    assert all(s["low"] <= s["value"] <= s["high"] for s in auroc.values())
    assert {c["topic"] for c in result["choices"]} >= {"Diagnosis", "Patients", "Audit", "Tasks", "Budget"}
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "What to do next" in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")
    new = tmp_path / "new.csv"
    new.write_text("age,sex,tsh,ft4\n60,F,3.5,-2\n60,M,-1,1\n", encoding="utf-8")
    findings = json.loads(metadx("diagnose", out / "bundle", new, "--json").ok().out)
    assert [f["diagnosis"] for f in findings] == ["d1", "d0"]
    assert "patients it had never seen" in (out / "card.md").read_text(encoding="utf-8")


def test_one_thing_twice_is_refused_and_nothing_is_touched(metadx: Metadx, tmp_path: Path) -> None:
    data, out = patients(tmp_path / "patients.csv"), tmp_path / "study"
    metadx("study", data, "--out", out, "--workers", 1, "--minutes", 0.1).ok()
    before = files(out)
    assert "holds a finished study" in metadx("study", data, "--out", out).mistake()
    assert files(out) == before


def test_without_support_cases(metadx: Metadx, tmp_path: Path) -> None:
    data, out = patients(tmp_path / "patients.csv"), tmp_path / "study"
    metadx("study", data, "--out", out, "--workers", 1, "--minutes", 0.1, "--no-support").ok()
    assert not (out / "bundle" / "support.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--label", "diagnosys"), "did you mean 'diagnosis'"),
        (("--patient", "nobody"), "no column 'nobody'"),
        (("--label", "tsh"), "is a value"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(
    metadx: Metadx, tmp_path: Path, arguments: tuple[str, ...], why: str
) -> None:
    data, out = patients(tmp_path / "patients.csv"), tmp_path / "study"
    outcome = metadx("study", data, "--out", out, "--quiet", *arguments)
    assert outcome.code == 2
    assert why in outcome.err.strip().splitlines()[-1]
    assert not out.exists()


def test_too_few_patients_are_refused_in_a_line(metadx: Metadx, tmp_path: Path) -> None:
    data, out = patients(tmp_path / "patients.csv", 4), tmp_path / "study"
    outcome = metadx("study", data, "--out", out, "--quiet", "--workers", 1)
    assert outcome.code == 2
    assert "fewer than two conditions have 3 patients" in outcome.err


def test_a_study_that_was_killed_goes_on_and_ends_alike(program: Metadx, tmp_path: Path) -> None:
    data, out, other = patients(tmp_path / "patients.csv"), tmp_path / "a", tmp_path / "b"
    options = ("--workers", "1", "--quiet", "--minutes", "0.1")
    command = [str(executable()), "study", str(data), "--out", str(out), *options]
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while not list(out.glob("work/patients-*-*.json")) and time.monotonic() < until:
        time.sleep(0.005)
        assert running.poll() is None
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    kept = {path.name: path.stat().st_mtime_ns for path in out.glob("work/patients-*.json")}
    assert kept
    assert "unfinished study of other data" in program("study", data, "--out", out, "--seed", 1).mistake()
    assert "Going on" in program("study", data, "--out", out, *options).ok().err
    assert not (out / "work").exists()
    mine = json.loads((out / "study.json").read_text(encoding="utf-8"))
    whole = run_study(StudySettings(data, workers=1, minutes=0.1), other, command="again").model_dump(
        mode="json"
    )
    methods = [{m["name"] for m in study["parts"][0]["result"]["methods"]} for study in (mine, whole)]
    for score in mine["parts"][0]["result"]["scores"]:
        if methods[0] == methods[1]:
            assert score in whole["parts"][0]["result"]["scores"]


def test_ctrl_c_ends_cleanly(tmp_path: Path) -> None:
    data, out = patients(tmp_path / "patients.csv", 90, 3), tmp_path / "a"
    command = [str(executable()), "study", str(data), "--out", str(out), "--workers", "2", "--quiet"]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    until = time.monotonic() + 120
    while not list(out.glob("work/patients-*-*.json")) and time.monotonic() < until:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Traceback" not in said
    assert "the same command goes on" in said.strip().splitlines()[-1]
