"""Genes of ClinVar as tasks: everybody on genes never seen, beside pooled trees and the gene alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.tree import DecisionTreeRegressor

from metadx.algorithms import Algorithm, Dimensions, as_predictor, build_algorithm
from metadx.cases import Cases, fit_table
from metadx.evaluation import evaluate
from metadx.learners import NamedSettings, Tensors
from metadx.studies.contenders import GRIDS
from metadx.tasks import Drawn, GroupSource, MetaDataset, Shape, Task, group_names, split_groups
from metadx.training import TrainingSettings, feed_for, progress_bar, train

FOLDS, LEAST, DRAWS, MOST = 5, 10, 1, 200
"""Folds of genes; variants of each class a gene needs; draws of each gene; other variants classified, at most."""

CUTS: dict[str, tuple[Drawn, int, str]] = {
    "05-in-all": ("as they come", 5, "5 known variants in all, as they come"),
    "05-of-each": ("per class", 5, "10 known variants, 5 of each class"),
    "10-of-each": ("per class", 10, "20 known variants, 10 of each class"),
}
_LEARNER = NamedSettings.model_validate({"name": "mlp", "hidden": [64, 32], "activation": "gelu"})
_HOW = TrainingSettings(iterations=1000, meta_batch=16, lr=5e-3, schedule="one_cycle", clip=1.0, keep="last")
_TREES = tuple({"learning_rate": lr, "max_iter": n} for lr, n in ((0.05, 100), (0.1, 100), (0.05, 250)))
_STRENGTHS, _WEIGHTS, _NEVER = (0.3, 1.0, 3.0), (0.0, 0.5), 1e6
Predict = Callable[[Sequence[Task]], Sequence[NDArray[Any]]]
Auroc = NDArray[np.float64]


class Side(NamedTuple):
    """Cases whose `x` are inputs, the last of them the logit of pooled trees; and their genes."""

    cases: Cases
    gene: NDArray[np.str_]


@dataclass(frozen=True)
class Ready:
    """The first `width` of inputs that are made already."""

    width: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.width,)

    def __call__(self, x: NDArray[Any]) -> NDArray[np.float32]:
        return np.asarray(x[:, : self.width], dtype=np.float32)


def folds_of_genes(cases: Cases) -> list[list[str]]:
    """All genes in five folds; those of which ten of each class are known are dealt by themselves."""
    gene = group_names(cases, "gene")
    large = split_groups(cases, gene, least=LEAST)
    enough = sorted((*large.train, *large.validation, *large.test))
    small = sorted(set(np.unique(gene[gene != ""]).tolist()) - set(enough))
    rng = np.random.default_rng(0)
    parts = [np.array_split(rng.permutation(names), FOLDS) for names in (enough, small)]
    return [[*a.tolist(), *b.tolist()] for a, b in zip(*parts, strict=True)]


def one_fold(
    cases: Cases, learning: Sequence[str], choosing: Sequence[str], held: Sequence[str], console: Console
) -> dict[str, dict[str, Auroc]]:
    """By cut, the AUROC of everybody on every gene held out; genes of `choosing` choose every setting."""
    known, tuning, test = _sides(cases, learning, choosing, held)
    width = known.cases.x.shape[1]
    algorithm, params, state = _learned(known, width, console)
    learned = [(s, w) for s in _STRENGTHS for w in _WEIGHTS]
    grids: dict[str, list[Predict]] = {
        "prior_logistic": [_joined(algorithm, params, state, s, w) for s, w in learned],
        "prior_logistic-unadapted": [_joined(algorithm, params, state, _NEVER, w) for w in _WEIGHTS],
        "pooled_trees": [_logit],
        "pooled_trees-continued": [_continued(n, lr) for n in (3, 20) for lr in (0.03, 0.1)],
        "logistic_regression": _alone("logistic_regression", width - 1),
    }
    return {
        cut: {
            name: _tuned(grid, tuning, test, width - (name == "logistic_regression"), cut)
            for name, grid in grids.items()
        }
        for cut in CUTS
    }


def _tuned(grid: Sequence[Predict], tuning: Side, test: Side, width: int, cut: str) -> Auroc:
    """On the test genes, whoever of the grid does best on the genes that choose."""
    drawn, shots, _ = CUTS[cut]
    best = grid[0]
    if len(grid) > 1:
        tasks = _tasks(tuning, drawn, shots, width)
        best = max(grid, key=lambda predict: _by_gene(predict, tasks).mean())
    return _by_gene(best, _tasks(test, drawn, shots, width))


def _by_gene(predict: Predict, tasks: Sequence[Task]) -> Auroc:
    """The mean AUROC of each gene over its draws."""
    found = evaluate(predict, tasks).episode["auroc"]
    return np.asarray(found.reshape(-1, DRAWS).mean(1))


def _tasks(side: Side, drawn: Drawn, shots: int, width: int) -> list[Task]:
    """Draws of each gene of which ten of each class are known, and of its other variants to be classified."""
    source = GroupSource(side.cases, side.gene, drawn, Ready(width))
    counts = {g: np.bincount(side.cases.y[source.rows(g)], minlength=2).min() for g in source.eligible(shots)}
    query = MOST if drawn == "as they come" else MOST // 2
    shape, rng = Shape(shots=shots, query=query), np.random.default_rng(0)
    genes = [gene for gene, least in counts.items() if least >= LEAST]
    return [source.task(source.draw(rng, shape, gene)) for gene in genes for _ in range(DRAWS)]


def _sides(
    cases: Cases, learning: Sequence[str], choosing: Sequence[str], held: Sequence[str]
) -> tuple[Side, Side, Side]:
    """Inputs of each side: a table's, fitted on the genes learned from, and the logit of trees pooled over them."""
    gene = group_names(cases, "gene")
    later = np.isin(cases.patient, cases.patient[np.isin(gene, (*choosing, *held))])
    at = [np.isin(gene, learning) & ~later, np.isin(gene, choosing), np.isin(gene, held)]
    known, tuning, _ = (cases.select(mine) for mine in at)
    transform = fit_table(known.x)
    settings, trees = _pooled(known, tuning, gene[at[1]])
    logits = np.zeros(len(cases))
    logits[~at[0]] = trees.decision_function(cases.x[~at[0]])
    logits[at[0]] = _out_of_fold(known, gene[at[0]], settings)
    x = np.column_stack([transform(cases.x), logits])
    known, tuning, test = (
        Side(dataclasses.replace(cases, x=x, features=()).select(mine), gene[mine]) for mine in at
    )
    return known, tuning, test


def _pooled(known: Cases, tuning: Cases, gene: NDArray[np.str_]) -> tuple[dict[str, Any], Any]:
    """Trees on all variants of the genes learned from, and the settings that do best on the genes that choose."""

    def merit(model: Any) -> float:
        z = model.decision_function(tuning.x)
        genes = [gene == g for g in np.unique(gene)]
        large = [m for m in genes if np.bincount(tuning.y[m], minlength=2).min() >= LEAST]
        return float(np.mean([roc_auc_score(tuning.y[m], z[m]) for m in large]))

    models = [(settings, _trees(settings).fit(known.x, known.y)) for settings in _TREES]
    return max(models, key=lambda pair: merit(pair[1]))


def _out_of_fold(known: Cases, gene: NDArray[np.str_], settings: Mapping[str, Any]) -> NDArray[np.float64]:
    """The logit of each case by trees that did not see its gene."""
    names, place = np.unique(gene, return_inverse=True)
    part = np.random.default_rng(0).integers(0, 3, len(names))[place]
    logit = np.zeros(len(known))
    for k in range(3):
        model = _trees(settings).fit(known.x[part != k], known.y[part != k])
        logit[part == k] = model.decision_function(known.x[part == k])
    return logit


def _trees(settings: Mapping[str, Any]) -> Any:
    return HistGradientBoostingClassifier(
        min_samples_leaf=50, l2_regularization=1.0, early_stopping=False, random_state=0, **settings
    )


def _learned(known: Side, width: int, console: Console) -> tuple[Algorithm, Tensors, Tensors]:
    source = GroupSource(known.cases, known.gene, transform=Ready(width))
    size = Dimensions((width,), 2, 2)
    algorithm = build_algorithm(NamedSettings(name="prior_logistic"), _LEARNER, size)
    dataset = MetaDataset("train", [source], Shape(shots=(1, 10), query=20))
    with progress_bar("prior_logistic", _HOW.iterations, console) as bar:
        trained = train(algorithm, feed_for(algorithm, dataset), [], _HOW, [bar])
    return trained.algorithm, trained.params, trained.state


def _joined(algorithm: Algorithm, params: Tensors, state: Tensors, strength: float, weight: float) -> Predict:
    """The adapted regression, its logit averaged with that of the pooled trees."""
    other = dataclasses.replace(algorithm, strength=strength)  # type: ignore[type-var]
    adapted = as_predictor(other, params, state, "loop")

    def predict(tasks: Sequence[Task]) -> list[NDArray[Any]]:
        found = []
        for task, p in zip(tasks, adapted(tasks), strict=True):
            mine = np.log(np.maximum(p[:, 1], 1e-12)) - np.log(np.maximum(p[:, 0], 1e-12))
            trees = task.query.x[:, -1].numpy().astype(np.float64)
            found.append(_both((1 - weight) * mine + weight * trees))
        return found

    return predict


def _alone(name: str, width: int) -> list[Predict]:
    """A method on the gene's known variants alone, with all its settings."""
    made = build_algorithm(NamedSettings(name=name), _LEARNER, Dimensions((width,), 2, 2))
    return [as_predictor(dataclasses.replace(made, **s), {}, {}, "loop") for s in GRIDS[name][::2]]


def _logit(tasks: Sequence[Task]) -> list[NDArray[Any]]:
    """The pooled trees as they are."""
    return [_both(task.query.x[:, -1].numpy().astype(np.float64)) for task in tasks]


def _continued(rounds: int, lr: float) -> Predict:
    """The pooled trees with more rounds of boosting on the gene's known variants."""

    def predict(tasks: Sequence[Task]) -> list[NDArray[Any]]:
        found = []
        for task in tasks:
            x, query = (part.x.numpy() for part in task)
            y = task.support.y[:, 1].numpy()
            z, out = (rows[:, -1].astype(np.float64) for rows in (x, query))
            for _ in range(rounds):
                p = 1 / (1 + np.exp(-z))
                tree = DecisionTreeRegressor(max_depth=2, min_samples_leaf=2, random_state=0).fit(x, y - p)
                z, out = z + 4 * lr * tree.predict(x), out + 4 * lr * tree.predict(query)
            found.append(_both(out))
        return found

    return predict


def _both(logit: NDArray[np.float64]) -> NDArray[np.float64]:
    p = 1 / (1 + np.exp(-logit))
    return np.column_stack([1 - p, p])
