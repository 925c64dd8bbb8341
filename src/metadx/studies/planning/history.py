"""The user's situation, replayed many times on conditions of which there are enough cases to know how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metadx.cases import Cases
from metadx.evaluation import Predictor
from metadx.studies.planning.evidence import Marks, leave_out, mark, pooled_by
from metadx.tasks import ConditionEpisode, ConditionSource, MetaSplits, Shape, Task

LEAST_CONDITIONS = 4
_LEAST_QUERY = 10
_TOGETHER = 16


class Past(NamedTuple):
    """Conditions of one data set that a run knows.

    Args:
        source: draws tasks of them.
        trained: which of them the run was trained on, shape (conditions,).
    """

    source: ConditionSource
    trained: NDArray[np.bool_]


class Replay(NamedTuple):
    """A support set as small as the user's, and how it went on.

    Args:
        conditions: names, one per way.
        trained: whether the run was trained on them, shape (ways,).
        evidence: what the small support set said of itself.
        course: how the model adapted to it did on other patients, and then on the same ones, adapted to more cases.
    """

    conditions: tuple[str, ...]
    trained: NDArray[np.bool_]
    evidence: Marks
    course: tuple[Marks, ...]


def pasts(splits: MetaSplits) -> list[Past]:
    """The meta-training and meta-validation conditions, those of one data set together."""
    found: dict[str, list[tuple[ConditionSource, bool]]] = {}
    for side, trained in ((splits.train, True), (splits.validation, False)):
        for source in side.sources():
            if isinstance(source, ConditionSource):
                found.setdefault(source.name.rpartition("/")[0], []).append((source, trained))
    return [_merged(name, sources) for name, sources in found.items()]


def enough(past: Past, shots: int, least: int = LEAST_CONDITIONS) -> Past | None:
    """The conditions with `shots` cases and some to spare; None where they are too few to learn from."""
    counts = past.source.cases.counts()
    able = set(past.source.eligible(shots))
    kept = [at for at, n in enumerate(counts.values()) if n >= shots + _LEAST_QUERY and at in able]
    if len(kept) < least:
        return None
    cases = past.source.cases.of_conditions([past.source.cases.classes[at] for at in kept])
    return Past(ConditionSource(cases, past.source.transform, past.source.name), past.trained[kept])


def replay(
    predictor: Predictor,
    past: Past,
    counts: Sequence[int],
    ways: int,
    shots: Sequence[int],
    number: int,
    query: int,
    rng: np.random.Generator,
) -> Iterator[Replay]:
    """The situation of `counts` labelled cases per condition, grown to each number of `shots` in turn.

    Args:
        past: conditions with enough cases for the most shots.
        counts: the user's cases of each condition; more than the most shots count as so many.
        shots: labelled cases of each condition, fewest first; a condition that has more keeps them.
        ways: conditions of each replay; at most as many as the user has.
        number: replays.
        query: cases per condition, at most, that tell how it went.
    """
    shape = Shape(ways=ways, shots=shots[-1], query=query)
    for start in range(0, number, _TOGETHER):
        some = min(_TOGETHER, number - start)
        yield from _together(
            predictor, past, [_draw(past.source, counts, shape, rng) for _ in range(some)], shots
        )


class _Drawn(NamedTuple):
    """An episode with the most shots, and how many cases of each way the user would have."""

    episode: ConditionEpisode
    own: NDArray[np.int64]


def _draw(source: ConditionSource, counts: Sequence[int], shape: Shape, rng: np.random.Generator) -> _Drawn:
    episode = source.draw(rng, shape)
    return _Drawn(episode, rng.permutation(counts)[: len(episode.conditions)])


def _together(
    predictor: Predictor, past: Past, drawn: Sequence[_Drawn], shots: Sequence[int]
) -> list[Replay]:
    source, ways = past.source, len(drawn[0].own)
    courses = [
        mark(predictor, [_grown(source, d, more) for d in drawn]) for more in (0, *shots)
    ]  # one number of shots at a time, because tasks of one size need no padding
    folds = [_folds(source, d) for d in drawn]
    evidence = pooled_by([len(tasks) for tasks in folds], mark(predictor, list(chain(*folds))), ways)
    return [
        Replay(d.episode.conditions, past.trained[_labels(source, d)], marks, tuple(course))
        for d, marks, course in zip(drawn, evidence, zip(*courses, strict=True), strict=True)
    ]


def _grown(source: ConditionSource, drawn: _Drawn, shots: int) -> Task:
    """The task with at least `shots` support cases of each condition."""
    sizes = np.maximum(drawn.own, shots)
    fewer = tuple(row[:n] for row, n in zip(drawn.episode.support, sizes, strict=True))
    return source.task(drawn.episode.model_copy(update={"support": fewer}))


def _folds(source: ConditionSource, drawn: _Drawn) -> list[Task]:
    own = [row[:n] for row, n in zip(drawn.episode.support, drawn.own, strict=True)]
    index = np.concatenate([np.asarray(row) for row in own])
    label = np.repeat(np.arange(len(own)), [len(row) for row in own])
    return leave_out(source.inputs(index), label, source.cases.patient[index], len(own))


def _labels(source: ConditionSource, drawn: _Drawn) -> list[int]:
    return [source.cases.classes.index(name) for name in drawn.episode.conditions]


def _merged(name: str, sources: Sequence[tuple[ConditionSource, bool]]) -> Past:
    every = [source.cases for source, _ in sources]
    classes = tuple(condition for cases in every for condition in cases.classes)
    starts = np.cumsum([0, *(len(cases.classes) for cases in every)])
    cases = Cases(
        np.concatenate([cases.x for cases in every]),
        np.concatenate([cases.y + start for cases, start in zip(every, starts, strict=False)]),
        np.concatenate([cases.patient for cases in every]),
        classes,
        every[0].modality,
        every[0].provenance,
        features=every[0].features,
    )
    trained = [flag for source, flag in sources for _ in source.cases.classes]
    return Past(ConditionSource(cases, sources[0][0].transform, name), np.array(trained))
