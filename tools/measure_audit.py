"""Measures what the leakage audit finds, and what it takes for a leak: `python tools/measure_audit.py`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.stats import binomtest

import planting
from metadx.cases import Audit, Cases, audit_cases, load
from metadx.evaluation import Interval
from metadx.studies.results import Row, interval_row, write_row
from planting import Plant

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results"
COMMAND = "python tools/measure_audit.py"
COPIES = ("duplicate", "near-duplicate", "two ids")

ON_ROWS: dict[str, tuple[str, Plant]] = {
    "equal-rows": ("rows again under a second id", planting.equal),
    "rounded-rows": ("rows again under a second id, with one decimal fewer", planting.rounded),
    "second-visit": (
        "rows again under a second id, a fifth of the measurements moved by 10 %",
        planting.second_visit,
    ),
}
ON_PICTURES: dict[str, tuple[str, Plant]] = {
    "resized": ("pictures again, resized to 50 to 90 %", planting.resized),
    "reencoded": ("pictures again, as JPEG of quality 60 to 90", planting.reencoded),
    "rotated": ("pictures again, rotated by 90, 180 or 270 degrees", planting.rotated),
    "mirrored": ("pictures again, mirrored", planting.mirrored),
    "all-at-once": ("pictures again, resized, rotated and as JPEG", planting.all_at_once),
}
BY_EYE = {
    "herlev": "; by eye, they are one cell under two slides' names",
    "chula": "; by eye, 2 of 8 pairs are one cell in two smears, the others plain ellipses and discs",
    "mednist": "; by eye, 37 of 40 pairs are neighbouring slices of one scan",
    "heart-disease": "; among them two rows that differ in one value",
}


def listed(found: Audit) -> list[set[int]]:
    """The cases of each leak about copies, serious or not."""
    return [set(leak.cases) for leak in found.leaks if leak.kind in COPIES]


def hits(cases: Cases, plant: Plant, seed: int) -> list[bool]:
    """Whether each planted pair is listed together."""
    both, pairs = planting.planted(cases, plant, np.random.default_rng(seed))
    together = listed(audit_cases(both))
    return [any({int(a), int(b)} <= group for group in together) for a, b in pairs]


def share_row(id: str, what: str, metric: str, count: int, n: int, **rest: object) -> None:
    """Writes a percentage with its exact (Clopper-Pearson) interval."""
    bounds = binomtest(count, n).proportion_ci()
    found = Interval(count / n, bounds.low, bounds.high, n)
    row = interval_row(id, what, metric, found, COMMAND, scale=100, **rest)  # type: ignore[arg-type]
    write_row(RESULTS, row)
    print(f"{id}: {count} of {n}", flush=True)


def recall(
    sets: Sequence[tuple[str, Cases]], plants: dict[str, tuple[str, Plant]], where: str, ending: str
) -> None:
    """One row per kind of plant, over several sets."""
    for name, (what, plant) in plants.items():
        found = [hit for _, cases in sets for hit in hits(cases, plant, 1)]
        share_row(
            f"audit-recall-{name}{ending}",
            f"{what}: found, {where}",
            "found, %",
            sum(found),
            len(found),
            target=100.0,
        )


def false_alarms(sets: Sequence[tuple[str, Cases]], name: str, what: str) -> None:
    """The cases that the audit takes for copies in data where nothing was planted."""
    named = sum(len(set[int]().union(*listed(audit_cases(cases)))) for _, cases in sets)
    total = sum(len(cases) for _, cases in sets)
    said = f"{what}, nothing planted: taken for copies{BY_EYE.get(name, '')}"
    share_row(f"audit-false-alarms-{name}", said, "cases, %", named, total, target=1.0, better="lower")


def seconds(name: str, cases: Cases) -> None:
    """How long one audit takes on one core."""
    began = time.monotonic()
    audit_cases(cases)
    row = Row(
        id=f"audit-seconds-{name}",
        what=f"audit of {name}, {len(cases):,} cases, one core",
        metric="seconds",
        value=time.monotonic() - began,
        n=1,
        target=60,
        better="lower",
        command=COMMAND,
    )
    write_row(RESULTS, row)
    print(f"{row.id}: {row.value:.1f}", flush=True)


def main() -> None:
    """Measures everything, in some four minutes."""
    torch.set_num_threads(1)
    tables, studies, pictures = (
        list(sets()) for sets in (planting.tables, planting.studies, planting.pictures)
    )
    for name, cases in (*tables, *pictures):
        false_alarms([(name, cases)], name, name)
    false_alarms(studies, "expression", f"{len(studies)} expression studies")
    recall(tables[:1], ON_ROWS, "thyroid", "-thyroid")
    recall(tables[1:], ON_ROWS, f"{len(tables) - 1} other clinical tables", "-clinical")
    recall(studies, ON_ROWS, f"{len(studies)} expression studies", "-expression")
    recall(pictures, ON_PICTURES, f"{len(pictures)} sets of pictures", "")
    seconds("thyroid", load("thyroid"))
    seconds("omniglot", load("omniglot", allow_unverified=True))


if __name__ == "__main__":
    main()
