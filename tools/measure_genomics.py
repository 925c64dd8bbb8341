"""Measures genes and studies as tasks: `python tools/measure_genomics.py [clinvar] [expression] [splice]`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

import clinvar_genes
import expression_studies
from metadx.algorithms import TITLES
from metadx.cases import load
from metadx.evaluation import Interval, mean_interval
from metadx.studies import read_recipe, train_recipe
from metadx.studies.results import interval_row, write_row
from metadx.studies.study import evaluate_run

RESULTS = Path(__file__).resolve().parent.parent / "results"
CONSOLE = Console(stderr=True)
COMMAND = "python tools/measure_genomics.py"
GENES = {
    "prior_logistic": TITLES["prior_logistic"] + ", beside the pooled trees' logit",
    "prior_logistic-unadapted": "The same prior and trees, not adapted",
    "pooled_trees": "Gradient-boosted trees pooled over genes",
    "pooled_trees-continued": "The pooled trees, boosting continued on the gene's known variants",
    "logistic_regression": "Logistic regression on the gene alone",
}
_FIELDS = ("learned", "baseline")


def clinvar() -> None:
    """Genes never seen, from a few of their variants: one fold of genes chooses, each other gene is tested once."""
    cases = load("clinvar_conflicting", allow_unverified=True)
    folds = clinvar_genes.folds_of_genes(cases)
    found: dict[str, dict[str, list[NDArray[np.float64]]]] = {cut: {} for cut in clinvar_genes.CUTS}
    for held in range(1, clinvar_genes.FOLDS):
        learning = [gene for at, genes in enumerate(folds) if at not in (0, held) for gene in genes]
        measured = clinvar_genes.one_fold(cases, learning, folds[0], folds[held], CONSOLE)
        for cut, methods in measured.items():
            for name, auroc in methods.items():
                found[cut].setdefault(name, []).append(auroc)
            CONSOLE.print(held, cut, {n: round(float(a.mean()), 4) for n, a in methods.items()})
    for cut, parts in found.items():
        _write_clinvar(cut, {name: np.concatenate(arrays) for name, arrays in parts.items()})


def _write_clinvar(cut: str, auroc: dict[str, NDArray[np.float64]]) -> None:
    known = clinvar_genes.CUTS[cut][2]
    about = f"do laboratories disagree on a variant, genes never seen, {known}"
    for name, values in auroc.items():
        _write(
            f"clinvar-{cut}-{name}",
            f"{GENES[name]}: {about}",
            "AUROC, mean over genes",
            mean_interval(values),
        )
    for other in (
        "pooled_trees",
        "pooled_trees-continued",
        "logistic_regression",
        "prior_logistic-unadapted",
    ):
        what = f"{GENES['prior_logistic']}, more than: {GENES[other].lower()}; {known}, paired over genes"
        gap = mean_interval(auroc["prior_logistic"] - auroc[other])
        goal = None if other == "prior_logistic-unadapted" else 0.0
        _write(f"clinvar-{cut}-over-{other}", what, "AUROC", gap, target=goal)


def expression() -> None:
    """Studies of other genes, each left out in turn, at five shots."""
    every = expression_studies.studies()
    found = expression_studies.leave_one_out(every, CONSOLE)
    shape = f"{expression_studies.SHOTS} shots, up to {expression_studies.WAYS} classes"
    title, plain = TITLES["gram_ridge"], TITLES["logistic_regression"].lower()
    for name, measured in found.items():
        mine, other = (100 * values.mean() for values in (measured.learned, measured.baseline))
        what = f"{name}: {title} {mine:.1f} against tuned {plain} {other:.1f}, balanced accuracy, paired"
        gap = mean_interval(100 * (measured.learned - measured.baseline))
        _write(f"expression-study-{name}", what, "points", gap, target=0.0)
    tuning = expression_studies.TUNING
    means = {field: np.array([getattr(m, field).mean() for m in found.values()]) for field in _FIELDS}
    titles = {"learned": title, "baseline": f"Tuned {plain}"}
    for field, values in means.items():
        what = f"{titles[field]}: studies left out in turn, {shape}, mean over studies"
        _write(f"expression-mean-{field}", what, "% balanced accuracy", mean_interval(100 * values))
    what = f"{title}, more than tuned {plain}, paired over studies"
    gap = mean_interval(100 * (means["learned"] - means["baseline"]))
    _write("expression-mean-over-baseline", what, "points", gap, target=0.0)
    gaps = np.sort(means["learned"] - means["baseline"])
    what = f"{title}, more than tuned {plain}, without the study that differs most, paired over studies"
    _write("expression-mean-over-baseline-others", what, "points", mean_interval(100 * gaps[:-1]))
    what = f"{title}, more than before meta-training, {tuning} episodes of each study, paired over studies"
    less = np.array([(m.learned[:tuning] - m.untrained).mean() for m in found.values()])
    _write("expression-mean-over-untrained", what, "points", mean_interval(100 * less))


def splice() -> None:
    """Primates never seen, by the recipe that ships."""
    recipe = read_recipe(RESULTS.parent / "recipes" / "splice.yaml")
    with tempfile.TemporaryDirectory() as folder:
        run = train_recipe(recipe, Path(folder) / "run", CONSOLE)
        found = evaluate_run(run, recipe.evaluation, command=f"{COMMAND} splice")
    titles = {method.name: method.title for method in found.methods}
    for score in found.scores:
        if score.metric == "accuracy" and score.value is not None:
            what = f"{titles[score.method]}: splice junctions of five other primates, {score.shots} windows a class"
            low, high = (x if x is not None else float("nan") for x in (score.low, score.high))
            row = Interval(100 * score.value, 100 * low, 100 * high, score.n)
            _write(f"splice-{score.shots}-{score.method}", what, "% right", row)


def _write(id: str, what: str, metric: str, found: Interval, **rest: object) -> None:
    row = interval_row(id, what, metric, found, f"{COMMAND} {id.partition('-')[0]}", **rest)
    write_row(RESULTS, row)
    print(row.id, row.value, row.low, row.high, flush=True)


JOBS: dict[str, Callable[[], None]] = {"clinvar": clinvar, "expression": expression, "splice": splice}

if __name__ == "__main__":
    for job in sys.argv[1:] or JOBS:
        JOBS[job]()
