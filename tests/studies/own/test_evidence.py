"""A study of noise recommends nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from metadx.studies import StudySettings, run_study


def test_what_cannot_be_told_from_guessing_is_not_recommended(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = ["diagnosis,patient,a,b"]
    rows += [f"{('ill', 'well')[i % 2]},p{i},{rng.normal():.3f},{rng.normal():.3f}" for i in range(24)]
    path = tmp_path / "noise.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    result = run_study(StudySettings(path, minutes=0.1, workers=1), tmp_path / "study", command="test")
    assert result.lead[0].startswith("Not enough evidence: even ")
    assert "cannot be told from guessing: AUROC 0." in result.lead[0]
