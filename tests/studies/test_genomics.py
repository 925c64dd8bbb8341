"""Genes, species and tables of one gene's variants become tasks, and their names reach the findings."""

from __future__ import annotations

import csv
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from metadx.algorithms import LogisticRegression, as_predictor
from metadx.cases import Cases
from metadx.cases.genomics import AGREE, DISAGREE, read_saturation
from metadx.diagnosis import Diagnoser, load_bundle, save_bundle
from metadx.studies import build_problem, load_run, read_recipe, train_recipe
from metadx.studies.diagnosing import load_model
from metadx.studies.recipe import Recipe
from metadx.studies.study import evaluate_run
from metadx.tasks import GroupSource, Shape, group_names

RECIPES = Path(__file__).resolve().parents[2] / "recipes"


def short(name: str, **evaluation: object) -> Recipe:
    """A shipped recipe with hardly any training."""
    recipe = read_recipe(RECIPES / f"{name}.yaml")
    training = {"iterations": 2, "meta_batch": 2, "validate_every": 1, "validation_tasks": 2}
    few = {"episodes": 4, "tuning_tasks": 2, "query": 5} | evaluation
    return recipe.model_copy(
        update={
            "training": recipe.training.model_copy(update=training),
            "evaluation": recipe.evaluation.model_copy(update=few),
        }
    )


def saturation(path: Path, gene: str, seed: int) -> Cases:
    rng = np.random.default_rng(seed)
    lines = ["position,change,score,class"]
    for position in range(1000, 1060):
        old, new = rng.permutation(list("ACGT"))[:2]
        lost = position % 3 == 0
        lines.append(f"{position},{old}>{new},{rng.normal()},{'LOF' if lost else 'FUNC'}")
    path.write_text("\n".join(lines) + "\n")
    return read_saturation(path, gene=gene)


def test_a_saturation_table_is_a_task_of_its_gene(tmp_path: Path) -> None:
    cases = saturation(tmp_path / "brca1.csv", "BRCA1", 0)
    source = GroupSource(cases, group_names(cases, "gene"))
    episode = source.draw(np.random.default_rng(0), Shape(shots=5, query=10), "BRCA1")
    task = source.task(episode)
    assert cases.classes == ("FUNC", "LOF")
    [found] = as_predictor(LogisticRegression(), {}, {})([task])
    assert found.shape == (20, 2)

    assert cases.name is not None
    known, new = (np.asarray(rows) for rows in (episode.support, episode.query))
    labels = np.asarray(cases.classes)[cases.y[known]]
    diagnoser = Diagnoser().fit(cases.x[known], labels, cases.name[known].tolist())
    findings = diagnoser.diagnose(cases.x[new], cases.name[new].tolist())
    assert [f.case for f in findings] == cases.name[new].tolist()
    assert {s.case for f in findings for s in f.similar} <= set(cases.name[known].tolist())


def few_genes(data_root: Path, folder: Path, genes: int) -> Path:
    """A folder of data with the variants of the genes that have the most."""
    place = Path("genomics") / "clinvar_conflicting"
    with zipfile.ZipFile(data_root / place / "clinvar_conflicting.csv.zip") as zipped:
        header, *lines = zipped.read("clinvar_conflicting.csv").decode().splitlines()[:15_000]
    at = header.split(",").index("SYMBOL")
    rows = list(csv.reader(lines))
    kept = {gene for gene, _ in Counter(row[at] for row in rows).most_common(genes)}
    chosen = [line for line, row in zip(lines, rows, strict=True) if row[at] in kept]
    (folder / place).mkdir(parents=True)
    with zipfile.ZipFile(folder / place / "clinvar_conflicting.csv.zip", "w") as zipped:
        zipped.writestr("clinvar_conflicting.csv", "\n".join([header, *chosen]) + "\n")
    return folder


@pytest.mark.real_data
def test_genes_of_clinvar_from_recipe_to_finding(
    tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METADX_DATA", str(few_genes(data_root, tmp_path / "data", 10)))
    recipe = short("clinvar", shots=(5,))
    train_recipe(recipe, tmp_path / "run")
    problem = build_problem(recipe)
    sides = [set(side) for side in (problem.split.train, problem.split.validation, problem.split.test)]
    assert [len(side) for side in sides] == [6, 2, 2]
    assert len(set.union(*sides)) == 10
    result = evaluate_run(load_run(tmp_path / "run"), recipe.evaluation, command="none")
    assert {c.condition for c in result.conditions} == {AGREE, DISAGREE}

    [source] = problem.splits.test.sources()
    assert isinstance(source, GroupSource)
    episode = source.draw(np.random.default_rng(0), Shape(shots=5, query=5))
    cases = source.cases
    assert cases.name is not None
    known, new = (np.asarray(rows) for rows in (episode.support, episode.query))
    labels = np.asarray(cases.classes)[cases.y[known]]
    diagnoser = Diagnoser(load_model(tmp_path / "run")).fit(
        cases.x[known], labels, cases.name[known].tolist()
    )
    opened = load_bundle(save_bundle(diagnoser, tmp_path / "bundle"))
    assert opened.fitted_.inputs.features == cases.features
    assert "CADD_PHRED" in opened.fitted_.inputs.features
    findings = opened.diagnose(cases.x[new], cases.name[new].tolist())
    assert [f.case for f in findings] == cases.name[new].tolist()
    assert {s.case for f in findings for s in f.similar} <= set(cases.name[known].tolist())
    assert {f.diagnosis for f in findings} <= {AGREE, DISAGREE}


@pytest.mark.real_data
def test_splice_windows_by_species(tmp_path: Path, data_root: Path) -> None:
    recipe = short("splice", shots=(1,))
    run = train_recipe(recipe, tmp_path / "run")
    assert any(name.startswith("blocks.") for name in run.params)
    result = evaluate_run(run, recipe.evaluation, command="none")
    assert set(result.split.train) == {"HUM"}
    assert set(result.split.test) == {"ORA", "GIB", "BAB", "GCR", "TAR"}
    assert len(result.conditions) == 3 * len(result.methods)
