"""How many more labelled cases would help a run with the conditions of a support set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from metadx.algorithms import as_predictor
from metadx.algorithms.estimator import one_thread
from metadx.cases import read_observations
from metadx.diagnosis import Diagnoser
from metadx.errors import UserError
from metadx.evaluation import Expected, Forecast, Outlook, Predictor
from metadx.studies.build import build_problem
from metadx.studies.diagnosing import adapt_run
from metadx.studies.planning.evidence import leave_out, mark, pooled
from metadx.studies.planning.extrapolation import Range
from metadx.studies.planning.history import Past, Replay, enough, pasts, replay
from metadx.studies.planning.prospect import Prospect, accuracy_of, recalls_of
from metadx.studies.planning.sentences import limits, summarise
from metadx.studies.runs import Run
from metadx.studies.study import check_unchanged

_SHOTS = (10, 20, 50, 100)
_REPLAYS, _QUERY = 64, 60
_FEWER_REPLAYS, _FEWER_QUERY = 48, 20
_SPARE = 2


def plan_run(
    run: Run,
    support: Path,
    shots: Sequence[int] | None = None,
    *,
    seed: int = 0,
    units_checked: bool = False,
    command: str = "",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Forecast:
    """What to expect of a run with the labelled cases there are, and with more of each condition.

    Args:
        support: a CSV with a column `label`, or class folders, as for `adapt_run`.
        shots: labelled cases of each condition to ask about; by default 10, 20 and 50, as far as they are more than
            there are.
        seed: of the replays.
        units_checked: take columns that look as if they were in another unit.
        progress: called with the replays done, and how many there are.

    Raises:
        UserError: the support set cannot be adapted to, the numbers of cases make no sense, or the run's data have
            changed.
    """
    if run.recipe.data.function is not None:
        raise UserError(f"{run.folder}: a run of functions. Planning is for runs that tell conditions apart.")
    diagnoser = adapt_run(run, support, units_checked=units_checked)
    if not isinstance(diagnoser, Diagnoser):
        raise UserError(f"{run.folder}: predicts values. Planning is for runs that tell conditions apart.")
    model, own = diagnoser.fitted_, diagnoser.support_
    assert own is not None
    names = [str(name) for name in diagnoser.classes_]
    counts = [int(n) for n in diagnoser.counts_]
    wanted = _wanted(shots, counts)
    patient = read_observations(support, model.inputs).patient
    predictor = as_predictor(model.algorithm, model.params, model.state)
    people = np.asarray(patient or [f"case {i}" for i in range(len(own.x))])
    folds = leave_out(torch.from_numpy(model.inputs.transform(own.x)), own.label, people, len(names))
    problem = build_problem(run.recipe)
    check_unchanged(run, problem, model.algorithm)
    known, asked = reach(pasts(problem.splits), wanted)
    with one_thread():
        evidence = pooled(mark(predictor, folds), len(names))
        replays = past_replays(predictor, known, counts, asked, seed, progress)
    forecast = Forecast(
        title=model.about.title,
        cases=dict(zip(names, counts, strict=True)),
        scored=int(evidence.total.sum()),
        measured=evidence.accuracy if evidence.total.any() else None,
        outlooks=tuple(_outlooks(Prospect(evidence, np.zeros(len(names), bool)), replays, names, asked)),
        replays=len(replays),
        conditions={
            name: bool(flag) for r in replays for name, flag in zip(r.conditions, r.trained, strict=True)
        },
        summary=(),
        notes=limits(counts, wanted, asked, replays, patient is None),
        command=command,
    )
    return forecast.model_copy(update={"summary": summarise(forecast)})


def _wanted(shots: Sequence[int] | None, counts: Sequence[int]) -> list[int]:
    """The numbers of cases to ask about, fewest first."""
    least = min(counts)
    if shots is None:
        more = [k for k in _SHOTS if k > least][:3]
        return more or [2 * least]
    low = min(shots, default=0)
    if low <= least:
        raise UserError(
            f"--shots {low}: there are {least} labelled cases of each condition, or more, already. Ask about more "
            f"than {least}."
        )
    return sorted(set(shots))


def reach(known: Sequence[Past], wanted: Sequence[int]) -> tuple[list[Past], list[int]]:
    """The conditions of data sets that reach the most of the wanted shots, and those shots, if any do."""
    for last in range(len(wanted), 0, -1):
        able = [past for past in (enough(p, wanted[last - 1]) for p in known) if past is not None]
        if able:
            return able, list(wanted[:last])
    return [], []


def past_replays(
    predictor: Predictor,
    known: Sequence[Past],
    counts: Sequence[int],
    shots: Sequence[int],
    seed: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Replay]:
    """Replays on each data set, as many as it has conditions in proportion."""
    rng = np.random.default_rng(seed)
    costly = len(known[0].source.input_shape) > 1 if known else False
    total, query = (_FEWER_REPLAYS, _FEWER_QUERY) if costly else (_REPLAYS, _QUERY)
    every = sum(len(past.trained) for past in known)
    found: list[Replay] = []
    for past in known:
        ways = min(len(counts), len(past.trained) - _SPARE)
        number = round(total * len(past.trained) / every)
        for some in replay(predictor, past, counts, ways, shots, number, query, rng):
            found.append(some)
            progress(len(found), total)
    return found


def _outlooks(
    own: Prospect, replays: Sequence[Replay], names: Sequence[str], shots: Sequence[int]
) -> list[Outlook]:
    if not replays:
        return []
    each = recalls_of(own, replays)
    overall = accuracy_of(each)
    return [
        Outlook(
            shots=k,
            accuracy=_expected(overall.shares[at]),
            gain=_expected(overall.gains[at]),
            recall={name: _expected(found.shares[at]) for name, found in zip(names, each, strict=True)},
        )
        for at, k in enumerate((None, *shots))
    ]


def _expected(found: Range) -> Expected:
    return Expected(**found._asdict())
