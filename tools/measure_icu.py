"""ICU mortality with the kind of ICU as the task: the job `icu` of `measure_clinical.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from metadx.algorithms import Dimensions, Engine, PriorLogistic, build_algorithm
from metadx.cases import Cases, fit_table, fit_transform, load
from metadx.cases.signals import ICU_TYPES, VARIABLES, summarise
from metadx.learners import MLP, NamedSettings
from metadx.studies.results import Row, write_row
from metadx.tasks import GroupSource, MetaDataset, Shape, Task, make_examples, stack
from metadx.training import TrainingSettings, feed_for, train
from updating import METRICS, Array, Draw, Estimate, Foreseen, estimates, moved, penalised, recalibrated

RESULTS = Path(__file__).resolve().parent.parent / "results"
STAYS, DRAWS, TUNING_DRAWS = (20, 50, 200), 20, 4
_NETWORK = NamedSettings.model_validate({"name": "grud", "width": 32, "embedding": 32})
_TRAINING = TrainingSettings(
    iterations=200, meta_batch=64, lr=3e-3, schedule="one_cycle", clip=1.0, keep="last"
)
_INTERCEPTS, _FEATURES, _ALONE = (0.1, 0.3, 1.0, 3.0), (30.0, 100.0, 300.0), (0.0003, 0.003)
_SLOPE = 30.0
TITLES = {
    "pooled": "one model of the other kinds of ICU",
    "network": "one GRU-D of the other kinds of ICU",
    "recalibrated": "one model, recalibrated",
    "moved": "one model, its GRU-D's features moved too (shrinkage between pooled and alone)",
    "meta": "logistic regression towards a meta-learned prior, on the models' logits",
    "alone": "logistic regression on the stays of this kind alone",
    "alone_trees": "boosted trees on the stays of this kind alone",
}
_COMMAND = "python tools/measure_clinical.py icu"
_TABLE = {"auroc": "AUROC", "auprc": "AUPRC", "brier": "Brier score"}
_BASES = ("linear", "trees", "network")

Method = tuple[str, ...]
_TREES: Method = ("alone_trees", "30")


class Learned(NamedTuple):
    """What models of some kinds of ICU say of every stay.

    Args:
        logits: of logistic regression, boosted trees and GRU-D, shape (stays, 3).
        embedding: of the GRU-D, standardised over the stays it learned from, shape (stays, columns).
        table: transformed summary features, shape (stays, features).
    """

    logits: Array
    embedding: Array
    table: Array


class Stays(NamedTuple):
    """All stays: signals, their summary, labels and kinds."""

    signals: Cases
    table: Cases
    y: Array
    kind: NDArray[np.str_]


@cache
def everybody() -> Stays:
    """The stays of set a."""
    signals = load("physionet2012", allow_unverified=True)
    assert signals.group is not None
    return Stays(
        signals, summarise(signals, [v.name for v in VARIABLES]), signals.y.astype(float), signals.group
    )


@cache
def learned(kinds: frozenset[str]) -> Learned:
    """Models of some kinds of ICU, fitted on nothing else."""
    stays = everybody()
    rows = np.isin(stays.kind, sorted(kinds))
    transform = fit_table(stays.table.x[rows])
    table = transform(stays.table.x).astype(float)
    c = 0.003
    own = (stays.kind[rows, None] == np.array(sorted(kinds))) / np.sqrt(c)
    linear = LogisticRegression(C=c, max_iter=500).fit(np.c_[table[rows], own], stays.y[rows])
    weights, intercept = linear.coef_[0][: table.shape[1]], linear.intercept_[0]
    trees = HistGradientBoostingClassifier(
        max_iter=150,
        learning_rate=0.05,
        min_samples_leaf=20,
        max_leaf_nodes=8,
        l2_regularization=5,
        random_state=0,
    ).fit(stays.table.x[rows], stays.y[rows])
    says = logit(np.clip(trees.predict_proba(stays.table.x)[:, 1], 1e-6, 1 - 1e-6))
    embedding, network = _network(stays, rows)
    spread = embedding[rows].std(0)
    centred = (embedding - embedding[rows].mean(0)) / np.where(spread > 1e-6, spread, np.inf)
    print("learned", sorted(kinds), flush=True)
    return Learned(np.c_[table @ weights + intercept, says, network], centred, table)


def _network(stays: Stays, rows: NDArray[np.bool_]) -> tuple[Array, Array]:
    """The embedding and the logit of a GRU-D trained on the pooled stays of some rows."""
    known = stays.signals.select(rows)
    transform = fit_transform(known)
    assert known.group is not None
    dataset = MetaDataset(
        "train", [GroupSource(known, known.group, "as they come", transform)], Shape(shots=20)
    )
    size = Dimensions(transform.shape, 2, 2, gaps=True)
    algorithm = build_algorithm(NamedSettings(name="linear_probe"), _NETWORK, size)
    done = train(algorithm, feed_for(algorithm, dataset), [], _TRAINING)
    tensors = done.params | done.state
    net: Any = algorithm
    inputs = torch.from_numpy(transform(stays.signals.x))
    with torch.no_grad():
        parts = torch.cat([net.net(tensors, part) for part in inputs.split(256)])
        output = parts @ tensors["classifier.weight"].mT + tensors["classifier.bias"]
    return parts.double().numpy(), (output[:, 1] - output[:, 0]).double().numpy()


def icu() -> None:
    """Each kind of ICU from 20, 50 and 200 of its stays; settings chosen by leaving out each of the others."""
    kinds = list(ICU_TYPES.values())
    for held in kinds:
        rest = frozenset(kinds) - {held}
        for count in STAYS:
            tried: dict[Method, list[float]] = {}
            for outside in sorted(rest):
                for method, found in _foresee(rest - {outside}, outside, count, TUNING_DRAWS, 1).items():
                    tried.setdefault(method, []).append(found.mean("log_loss"))
            loss = {method: float(np.mean(losses)) for method, losses in tried.items()}
            kept = [name for name in TITLES if name != "alone_trees"]
            chosen = {name: min((m for m in loss if m[0] == name), key=loss.__getitem__) for name in kept}
            able = [name for name in kept if name not in ("pooled", "network")]
            best = min(able, key=lambda name: loss[chosen[name]])
            chosen["alone_trees"] = _TREES
            found = _foresee(rest, held, count, DRAWS, 2, set(chosen.values()))
            print(
                held,
                count,
                {k: (m[1:], round(loss.get(m, 0), 3)) for k, m in chosen.items()},
                best,
                flush=True,
            )
            _write(held, count, {name: found[method] for name, method in chosen.items()}, best)


def _foresee(
    kinds: frozenset[str], held: str, count: int, draws: int, seed: int, only: set[Method] | None = None
) -> dict[Method, Foreseen]:
    """What every method with every setting says of the other stays of a kind of ICU, draw by draw."""
    stays, models = everybody(), learned(kinds)
    here = np.flatnonzero(stays.kind == held)
    y = stays.y[here]
    drawn = _draws(stays, here, count, draws, seed)
    found: dict[Method, Foreseen] = {}

    def put(method: Method, say: Callable[[Draw], Array]) -> None:
        if only is not None and method not in only:
            return
        p = np.full((len(drawn), len(y)), np.nan)
        for at, draw in enumerate(drawn):
            p[at, draw.query] = expit(say(draw))
        found[method] = Foreseen(p, y)

    logits = models.logits[here]
    bases = {name: logits[:, at] for at, name in enumerate(_BASES)}
    bases |= {"linear and trees": logits[:, :2].mean(1), "all three": logits.mean(1)}
    features, table = models.embedding[here], models.table[here]
    put(("network", "network"), lambda d: bases["network"][d.query])
    for base, z in bases.items():
        put(("pooled", base), lambda d, z=z: z[d.query])
        for i in _INTERCEPTS:

            def updated(d: Draw, z: Array = z, i: float = i) -> Array:
                return recalibrated(z[d.support], y[d.support], i, _SLOPE)(z[d.query])

            put(("recalibrated", base, f"{i:g}"), updated)
            for f in _FEATURES if base == "all three" else ():

                def shrunk(d: Draw, z: Array = z, i: float = i, f: float = f) -> Array:
                    update = moved(features[d.support], z[d.support], y[d.support], i, _SLOPE, f)
                    return update(features[d.query], z[d.query])

                put(("moved", base, f"{i:g}", f"{f:g}"), shrunk)
    one = np.c_[np.ones(len(here)), table]
    for c in _ALONE:

        def alone(d: Draw, c: float = c) -> Array:
            precision = np.r_[0.1, np.full(table.shape[1], 1 / c)]
            return one[d.query] @ penalised(one[d.support], y[d.support], np.zeros(len(d.support)), precision)

        put(("alone", f"{c:g}"), alone)
    if only is not None:
        put(_TREES, lambda d: _grown(table, y, d))
    put(("meta", "1"), _meta(kinds, logits, y))
    return found


def _grown(table: Array, y: Array, draw: Draw) -> Array:
    model = HistGradientBoostingClassifier(
        max_iter=30,
        learning_rate=0.1,
        max_leaf_nodes=4,
        min_samples_leaf=max(2, len(draw.support) // 20),
        max_bins=32,
        random_state=0,
    ).fit(table[draw.support], y[draw.support])
    return np.asarray(logit(np.clip(model.predict_proba(table[draw.query])[:, 1], 1e-6, 1 - 1e-6)))


@cache
def _prior(kinds: frozenset[str]) -> tuple[PriorLogistic, dict[str, torch.Tensor]]:
    """A prior over how the three models' logits are weighed and shifted, meta-trained on the known kinds.

    Logits of a known kind's stays come from models of the other known kinds: as they will for the kind held out.
    """
    stays = everybody()
    rows = {kind: np.flatnonzero(stays.kind == kind) for kind in kinds}
    inputs = {k: learned(kinds - {k}).logits[at] / 2 for k, at in rows.items()}
    algorithm = PriorLogistic(MLP(3, None, ()), width=3, inputs=3, raw=False, precision=30.0)
    params, state = algorithm.init(np.random.default_rng(0))
    start = torch.cat([torch.zeros(1, 1), torch.full((3, 1), 1 / 3)])
    params["prior.mean"] = torch.cat([-start, start], dim=1)
    leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
    optimiser, engine = torch.optim.Adam(leaves.values(), lr=0.02), Engine(algorithm)
    rng = np.random.default_rng(0)
    for _ in range(200):
        tasks = []
        size = int(rng.choice(STAYS))
        for _ in range(4):
            kind = sorted(kinds)[rng.integers(len(kinds))]
            at = rng.permutation(len(rows[kind]))[: size + 128]
            x = torch.from_numpy(inputs[kind][at]).float()
            label = torch.from_numpy(stays.y[rows[kind][at]])
            tasks.append(Task(*(make_examples(x[p], label[p], 2) for p in (slice(size), slice(size, None)))))
        direction, _, _ = engine.update({n: v.detach() for n, v in leaves.items()}, state, stack(tasks))
        for name, leaf in leaves.items():
            leaf.grad = direction[name]
        optimiser.step()
    return algorithm, {name: value.detach() for name, value in leaves.items()}


def _meta(kinds: frozenset[str], logits: Array, y: Array) -> Callable[[Draw], Array]:
    algorithm, params = _prior(kinds)
    x = torch.from_numpy(logits / 2).float()

    def say(draw: Draw) -> Array:
        support = make_examples(x[draw.support], torch.from_numpy(y[draw.support]), 2)
        output = algorithm.predict(params, {}, algorithm.adapt(params, {}, support), x[draw.query])
        return (output[:, 1] - output[:, 0]).double().numpy()

    return say


def _draws(stays: Stays, here: NDArray[np.int64], count: int, draws: int, seed: int) -> list[Draw]:
    """So many stays at random, one of each outcome at least; all others are to be foreseen."""
    some = replace(stays.table.select(here), x=np.arange(float(len(here)))[:, None], features=("number",))
    assert some.group is not None
    source = GroupSource(some, some.group, "as they come")
    rng, shape = np.random.default_rng(seed), Shape(shots=count, query=len(here))
    episodes = [source.draw(rng, shape) for _ in range(draws)]
    return [Draw(np.array(e.support), np.array(e.query)) for e in episodes]


def _write(held: str, count: int, found: Mapping[str, Foreseen], best: str) -> None:
    where = f"ICU mortality, {held}, from {count} of its stays"
    short = held.split()[0] if held != "cardiac surgery recovery unit" else "surgery-recovery"
    for metric, title in _TABLE.items():
        rivals = [name for name in ("pooled", "recalibrated", "alone") if name != best]
        made = estimates(dict(found), metric, [(best, rival) for rival in rivals], resamples=200)
        better = "higher" if METRICS[metric] else "lower"
        for name, text in TITLES.items():
            what = f"{where}: {text}{' (chosen among the other kinds)' if name == best else ''}"
            _row(f"icu-{short}-{count:03d}-{metric}-{name}", what, title, made[name], better=better)
        for rival in rivals:
            what = f"{where}: {TITLES[best]}, better than {TITLES[rival]} by"
            _row(f"icu-{short}-{count:03d}-{metric}-gain-over-{rival}", what, title, made[best, rival])


def _row(id: str, what: str, metric: str, found: Estimate, **rest: Any) -> None:
    value, low, high = found
    fields = {"id": id, "what": what, "metric": metric, "value": value, "low": low, "high": high, "n": DRAWS}
    write_row(RESULTS, Row.model_validate(fields | {"command": _COMMAND} | rest))
    print(id, *(round(x, 3) for x in found), flush=True)
