"""Measures `metadx study` on 200 patients: `python tools/measure_study.py`; times are those of one core."""

from __future__ import annotations

import csv
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from metadx.cases import load
from metadx.studies import StudySettings, run_study
from metadx.studies.results import Row, write_row

RESULTS = Path(__file__).resolve().parent.parent / "results"
PATIENTS = 200
MOST = 1200.0  # core-seconds: ten minutes on two cores


def main() -> None:
    """A study of 200 patients with a back complaint, in one process with one thread."""
    torch.set_num_threads(1)
    cases = load("vertebral_column", allow_unverified=True)
    rows = np.random.default_rng(0).permutation(len(cases))[:PATIENTS]
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "patients.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            out = csv.writer(file)
            out.writerow([*cases.features, "diagnosis"])
            out.writerows([*cases.x[i], cases.classes[cases.y[i]]] for i in rows)
        began = time.process_time()
        found = run_study(
            StudySettings(path, workers=1, minutes=120), Path(place) / "study", command="measure"
        )
        seconds = time.process_time() - began
    (part,) = found.parts
    auroc = next(
        s for s in part.result.scores if s.metric == "auroc" and s.method in part.result.recommended.values()
    )
    command = "python tools/measure_study.py"
    what = f"`metadx study` on {PATIENTS} patients with 3 conditions"
    write_row(
        RESULTS,
        Row(
            id="study-core-seconds",
            what=f"{what}, the whole of it, time of one core",
            metric="seconds",
            value=seconds,
            n=PATIENTS,
            target=MOST,
            better="lower",
            command=command,
        ),
    )
    write_row(
        RESULTS,
        Row(
            id="study-auroc",
            what=f"{what}, {part.winner.lower()}, cross-validated over patients",
            metric="AUROC",
            value=auroc.value or 0.0,
            low=auroc.low,
            high=auroc.high,
            n=PATIENTS,
            command=command,
        ),
    )
    print(seconds, auroc)


if __name__ == "__main__":
    main()
