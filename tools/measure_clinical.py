"""Measures a new hospital or ward from a few of its patients: `python tools/measure_clinical.py [heart] [icu]`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier

from measure_icu import icu
from metadx.algorithms import Engine, PriorLogistic
from metadx.cases import Cases, fit_table, load
from metadx.cases.clinical import HOSPITALS
from metadx.learners import MLP
from metadx.studies.results import Row, write_row
from metadx.tasks import GroupSource, MetaDataset, Shape
from updating import (
    METRICS,
    Array,
    Draw,
    Estimate,
    Foreseen,
    estimates,
    moved,
    others,
    penalised,
    recalibrated,
)

RESULTS = Path(__file__).resolve().parent.parent / "results"
PATIENTS, DRAWS, TUNING_DRAWS = 20, 100, 20
_PENALTIES = (0.01, 0.03, 0.1)
_ALONE = (0.01, 0.03, 0.1, 0.3, 1.0)
_INTERCEPTS, _SLOPES, _FEATURES = (0.1, 0.3, 1.0), (10.0, 30.0), (30.0, 100.0, 300.0)
_STEPS, _STRENGTHS = (50, 150), (0.3, 1.0, 3.0, 10.0)
TITLES = {
    "pooled": "one model of the other hospitals",
    "recalibrated": "that model recalibrated",
    "moved": "that model with every weight drawn towards it (shrinkage between pooled and alone)",
    "meta": "logistic regression towards a meta-learned prior",
    "alone": "the 20 patients alone",
}
_COMMAND = "python tools/measure_clinical.py heart"
_TABLE = {"auroc": "AUROC", "brier": "Brier score", "log_loss": "log loss", "accuracy": "accuracy, %"}

Method = tuple[str, ...]


class Site(NamedTuple):
    """A hospital: inputs, labels and draws, as rows of the whole table."""

    x: Array
    y: Array
    draws: list[Draw]


def heart() -> None:
    """Each hospital from 20 of its patients and what the three others taught; settings chosen among those three."""
    cases = load("heart_disease", allow_unverified=True)
    for held in HOSPITALS:
        rest = [name for name in HOSPITALS if name != held]
        tried: dict[Method, list[float]] = {}
        for outside in rest:
            known = [name for name in rest if name != outside]
            for method, found in _foresee(cases, known, outside, TUNING_DRAWS, seed=1).items():
                tried.setdefault(method, []).append(found.mean("log_loss"))
        loss = {method: float(np.mean(losses)) for method, losses in tried.items()}
        chosen = {kind: min((m for m in loss if m[0] == kind), key=loss.__getitem__) for kind in TITLES}
        best = min((k for k in TITLES if k != "pooled"), key=lambda kind: loss[chosen[kind]])
        found = _foresee(cases, rest, held, DRAWS, seed=2, only=set(chosen.values()))
        mine = {kind: found[method] for kind, method in chosen.items()}
        print(held, {k: (m[1:], round(loss[m], 3)) for k, m in chosen.items()}, "best:", best, flush=True)
        _write(held, mine, best)


def _foresee(
    cases: Cases, known: Sequence[str], site: str, draws: int, seed: int, only: set[Method] | None = None
) -> dict[Method, Foreseen]:
    """What every method with every setting says of a site's other patients, draw by draw."""
    assert cases.site is not None
    learned = cases.select(np.isin(cases.site, known))
    assert learned.site is not None
    transform = fit_table(learned.x)
    x, y = transform(learned.x).astype(float), learned.y.astype(float)
    here = cases.select(cases.site == site)
    new = Site(transform(here.x).astype(float), here.y.astype(float), _draws(here, draws, seed))
    found: dict[Method, Foreseen] = {}

    def put(method: Method, say: Callable[[Draw], Array]) -> None:
        if only is not None and method not in only:
            return
        p = np.full((len(new.draws), len(new.y)), np.nan)
        for at, draw in enumerate(new.draws):
            p[at, draw.query] = expit(say(draw))
        found[method] = Foreseen(p, new.y)

    for base, z in _bases(x, y, learned.site, new.x):
        put(("pooled", base), lambda d, z=z: z[d.query])
        for i in _INTERCEPTS:
            for s in _SLOPES:

                def updated(d: Draw, z: Array = z, i: float = i, s: float = s) -> Array:
                    return recalibrated(z[d.support], new.y[d.support], i, s)(z[d.query])

                put(("recalibrated", base, f"{i:g}", f"{s:g}"), updated)
                for f in _FEATURES:

                    def shrunk(d: Draw, z: Array = z, i: float = i, s: float = s, f: float = f) -> Array:
                        update = moved(new.x[d.support], z[d.support], new.y[d.support], i, s, f)
                        return update(new.x[d.query], z[d.query])

                    put(("moved", base, f"{i:g}", f"{s:g}", f"{f:g}"), shrunk)
    one = np.c_[np.ones(len(new.x)), new.x]
    for c in _ALONE:

        def alone(d: Draw, c: float = c) -> Array:
            precision = np.full(one.shape[1], 1 / c)
            return one[d.query] @ penalised(
                one[d.support], new.y[d.support], np.zeros(len(d.support)), precision
            )

        put(("alone", f"{c:g}"), alone)
    if only is None or any(method[0] == "meta" for method in only):
        for method, p in _meta(learned, here, transform, x, y, new, only):
            found[method] = Foreseen(p, new.y)
    return found


def _bases(x: Array, y: Array, site: NDArray[np.str_], new: Array) -> Iterator[tuple[str, Array]]:
    """Logits of models of the other hospitals: logistic regression, boosted trees, and their mean."""
    trees = HistGradientBoostingClassifier(
        max_iter=60,
        learning_rate=0.05,
        min_samples_leaf=15,
        max_leaf_nodes=6,
        l2_regularization=5,
        random_state=0,
    )
    grown = trees.fit(x, y).decision_function(new)
    yield "trees", grown
    for c in _PENALTIES:
        linear = np.c_[np.ones(len(new)), new] @ others(x, y, site, c)
        yield f"linear {c:g}", linear
        yield f"both {c:g}", (linear + grown) / 2


def _meta(
    learned: Cases,
    here: Cases,
    transform: Any,
    x: Array,
    y: Array,
    new: Site,
    only: set[Method] | None,
) -> Iterator[tuple[Method, Array]]:
    """A prior that begins at the pooled weights and is meta-trained on tasks resampled within the hospitals."""
    assert learned.site is not None
    assert here.site is not None
    wide = x.shape[1]
    network = MLP(wide, None, ())
    algorithm = PriorLogistic(network, width=wide, inputs=wide, raw=False, precision=100.0)
    params, state = algorithm.init(np.random.default_rng(0))
    weights = torch.from_numpy(others(x, y, learned.site, 0.03)).float()
    params["prior.mean"] = torch.stack([-weights / 2, weights / 2], dim=1)
    leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
    optimiser = torch.optim.Adam(leaves.values(), lr=0.01)
    source = GroupSource(learned, learned.site, "as they come", transform)
    dataset, engine = MetaDataset("train", [source], Shape(shots=(10, 40), query=64)), Engine(algorithm)
    rng = np.random.default_rng(0)
    test = GroupSource(here, here.site, "as they come", transform)
    support = [test.examples(d.support) for d in new.draws]
    for step in range(1, max(_STEPS) + 1):
        batch = dataset.sample(rng, 6)
        direction, _, _ = engine.update({n: v.detach() for n, v in leaves.items()}, state, batch)
        for name, leaf in leaves.items():
            leaf.grad = direction[name]
        optimiser.step()
        if step not in _STEPS:
            continue
        now = {name: value.detach().clone() for name, value in leaves.items()}
        for strength in _STRENGTHS:
            method: Method = ("meta", f"{step}", f"{strength:g}")
            if only is not None and method not in only:
                continue
            tuned = PriorLogistic(network, width=wide, inputs=wide, raw=False, strength=strength)
            p = np.full((len(new.draws), len(new.y)), np.nan)
            for at, (draw, examples) in enumerate(zip(new.draws, support, strict=True)):
                adapted = tuned.adapt(now, state, examples)
                output = tuned.predict(now, state, adapted, test.inputs(draw.query))
                p[at, draw.query] = torch.softmax(output, -1)[:, 1].numpy()
            yield method, p


def _draws(here: Cases, count: int, seed: int) -> list[Draw]:
    """Twenty patients at random, of whom one at least is ill and one is not; all others are to be foreseen."""
    assert here.site is not None
    source = GroupSource(here, here.site, "as they come", fit_table(here.x))
    rng, shape = np.random.default_rng(seed), Shape(shots=PATIENTS, query=len(here))
    episodes = [source.draw(rng, shape) for _ in range(count)]
    return [Draw(np.array(e.support), np.array(e.query)) for e in episodes]


def _write(held: str, found: Mapping[str, Foreseen], best: str) -> None:
    rivals = [name for name in ("pooled", "recalibrated", "alone", "moved") if name != best]
    where = f"heart disease, {HOSPITALS[held]}"
    for metric, title in _TABLE.items():
        scale = 100.0 if metric == "accuracy" else 1.0
        better = "higher" if METRICS[metric] else "lower"
        pairs = [(best, rival) for rival in rivals]
        made = estimates(dict(found), metric, pairs)
        for name, text in TITLES.items():
            what = f"{where}: {text}{' (chosen among the other hospitals)' if name == best else ''}"
            _row(f"heart-{held}-{metric}-{name}", what, title, made[name], scale, better=better)
        if metric == "log_loss":
            continue
        for rival in rivals:
            what = f"{where}: {TITLES[best]}, better than {TITLES[rival]} by"
            _row(f"heart-{held}-{metric}-gain-over-{rival}", what, title, made[best, rival], scale)


def _row(id: str, what: str, metric: str, found: Estimate, scale: float, **rest: Any) -> None:
    value, low, high = (scale * x for x in found)
    fields = {"id": id, "what": what, "metric": metric, "value": value, "low": low, "high": high, "n": DRAWS}
    row = Row.model_validate(fields | {"command": _COMMAND} | rest)
    write_row(RESULTS, row)
    print(row.id, *(round(x, 3) for x in (value, low, high)), flush=True)


JOBS: dict[str, Callable[[], None]] = {"heart": heart, "icu": icu}

if __name__ == "__main__":
    torch.set_num_threads(1)
    for job in sys.argv[1:] or JOBS:
        JOBS[job]()
