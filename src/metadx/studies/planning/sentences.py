"""A forecast in sentences: whether more cases help first, then on which conditions, then what limits it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from metadx.evaluation import Expected, Forecast, Outlook
from metadx.studies.planning.history import LEAST_CONDITIONS, Replay

LITTLE = 0.03
"""A gain in accuracy that is not worth the collecting."""

_SOME = 0.05


def summarise(forecast: Forecast) -> tuple[str, ...]:
    """What to expect at present, whether more cases help, and which condition has the most to gain."""
    return tuple(_sentences(forecast))


def limits(
    counts: Sequence[int],
    wanted: Sequence[int],
    asked: Sequence[int],
    replays: Sequence[Replay],
    unnamed: bool,
) -> tuple[str, ...]:
    """What a reader must know before relying on a forecast.

    Args:
        counts: the user's cases of each condition.
        wanted, asked: numbers of cases that the user asked about, and those that could be answered.
        replays: what the forecast rests on.
        unnamed: whether the user's cases carry no patient ids.
    """
    return tuple(_limits(counts, wanted, asked, replays, unnamed))


def _sentences(forecast: Forecast) -> Iterator[str]:
    if not forecast.outlooks:
        yield (
            f"Too little to go by: no data set of this run has {LEAST_CONDITIONS} conditions with enough cases to "
            "replay yours."
        )
        return
    now, *more = forecast.outlooks
    yield f"At present: {_share(now.accuracy)}."
    yield _verdict(more)
    yield from _stop(more)
    yield from _condition(now, more[-1])


def _verdict(more: Sequence[Outlook]) -> str:
    last = more[-1]
    cases = f"{last.shots} cases of each condition"
    if last.gain.high < LITTLE:
        return f"More cases will not help: at most {_points(last.gain.high)} points at {cases}."
    if last.gain.low > 0:
        return f"More cases help: with {cases} {_share(last.accuracy)}, {_gain(last.gain)}."
    return f"Whether more cases help cannot be told: {_gain(last.gain)} with {cases}."


def _stop(more: Sequence[Outlook]) -> Iterator[str]:
    """The number of cases after which little is added, where collecting could stop before the last."""
    last = more[-1]
    if last.gain.high < LITTLE or last.gain.value < LITTLE:
        return
    near = next(o for o in more if last.gain.value - o.gain.value < LITTLE / 3)
    if near is not last:
        yield f"Most of it comes with {near.shots} cases of each condition."


def _condition(now: Outlook, last: Outlook) -> Iterator[str]:
    """The condition whose cases are diagnosed right more often, where that is worth saying."""
    rise = {name: last.recall[name].value - now.recall[name].value for name in now.recall}
    best = max(rise, key=lambda name: rise[name])
    if rise[best] >= _SOME and last.gain.high >= LITTLE:
        yield (
            f"Most is to be gained on {best}: {100 * now.recall[best].value:.0f} → {_share(last.recall[best])} "
            "of its cases."
        )


def _limits(
    counts: Sequence[int],
    wanted: Sequence[int],
    asked: Sequence[int],
    replays: Sequence[Replay],
    unnamed: bool,
) -> Iterator[str]:
    if max(counts) == 1:
        yield (
            "One case of each condition cannot be left out, so your cases have no say yet: this is what happened "
            "to other conditions."
        )
    elif unnamed:
        yield "Without a column 'patient', every case was taken to be another patient."
    missing = [str(k) for k in wanted if k not in asked]
    if missing:
        yield f"Not answered for {', '.join(missing)} cases: the run knows too few conditions with so many."
    if not replays:
        return
    told = {name: flag for r in replays for name, flag in zip(r.conditions, r.trained, strict=True)}
    yield (
        f"Learned from {len(replays)} replays on {len(told)} conditions that the run knows, {sum(told.values())} "
        "of which it was trained on. Conditions that are harder in ways that a few cases do not show can do worse "
        "than the interval says."
    )
    ways = max(len(r.conditions) for r in replays)
    if ways < len(counts):
        yield f"The replays had {ways} conditions at a time, yours are {len(counts)}: take this as rough."


def _share(found: Expected) -> str:
    return f"{100 * found.value:.0f} % right (80 % interval {100 * found.low:.0f} to {100 * found.high:.0f})"


def _gain(found: Expected) -> str:
    return f"{_points(found.value)} points ({_points(found.low)} to {_points(found.high)})"


def _points(gain: float) -> str:
    whole = round(100 * gain)
    return f"{'+' if whole > 0 else '−' if whole < 0 else ''}{abs(whole)}"
