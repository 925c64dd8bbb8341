"""Numbers and missing numbers in words: one way to write each, in tables and in pictures."""

from __future__ import annotations

from math import floor, log10

from metadx.evaluation.metrics import HIGHER_IS_BETTER, TITLES
from metadx.evaluation.result import Difference, EvaluationResult, Score
from metadx.reports.reading import VALUES, is_regression, known

MISSING = "–"
_MINUS = "−"
_PERCENT = frozenset({"accuracy", "balanced_accuracy"})
_LEARNS_FROM = {
    "tasks": "many small training tasks (meta-learning)",
    "cases": "all training cases together (transfer learning)",
    "nothing": "only the few labelled cases (simple baseline)",
}
_MEANING = {
    "accuracy": "of 100 query cases, how many were diagnosed right",
    "balanced_accuracy": "as accuracy, with every condition counting the same however many cases it has",
    "auroc": "how well cases of a condition rank above the others; 1 is perfect, 0.5 is guessing",
    "f1": "balance between missing a condition and calling it too often; 1 is perfect",
    "brier": "squared distance between the stated probabilities and the truth, from 0 (perfect) to 2",
    "log_loss": (
        "how surprising the truth was to the stated probabilities; 0 is perfect, and certainty that "
        "is wrong costs most"
    ),
    "ece": "mean gap between how sure a method was and how often it was right; 0 is perfect",
    "rmse": "typical size of the error in the units of the target; large errors count more",
    "mae": "mean size of the error in the units of the target",
    "mse": "mean squared error, in squared units of the target",
}


def metric_title(metric: str) -> str:
    """What people read for a metric."""
    return TITLES.get(metric, metric)


def unit(metric: str) -> str:
    """The unit to put behind a metric's name, or nothing."""
    return "%" if metric in _PERCENT else ""


def meaning(metric: str) -> str:
    """One plain sentence part on what a metric says, or nothing."""
    return _MEANING.get(metric, "")


def better(metric: str) -> str:
    """Which way is better."""
    return "higher is better" if HIGHER_IS_BETTER.get(metric, True) else "lower is better"


def scale(metric: str) -> float:
    """What a value is multiplied by before it is shown."""
    return 100.0 if metric in _PERCENT else 1.0


def number(item: Score | Difference) -> str:
    """A score, or a difference with its sign, as the report writes it; a dash where there is none."""
    value = known(item.value)
    return MISSING if value is None else _write(item, value)


def interval(item: Score | Difference) -> str | None:
    """The 95 % interval as "low to high", or None where there is none."""
    low, high = known(item.low), known(item.high)
    return None if low is None or high is None else f"{_write(item, low)} to {_write(item, high)}"


def with_interval(item: Score | Difference) -> str:
    """A score or difference and its interval on one line."""
    return f"{number(item)} ({interval(item) or 'no interval'})"


def why_missing(item: Score | Difference | None) -> str:
    """Why a value or its interval is not there; nothing where both are."""
    if item is None:
        return "not run"
    if known(item.value) is None:
        return "undefined in every episode" if item.n == 0 else "could not be computed"
    if interval(item) is None:
        return "no interval from a single episode" if item.n == 1 else "interval could not be computed"
    return ""


def learns_from(word: str) -> str:
    """What a method learned from, in words."""
    return _LEARNS_FROM.get(word, word)


def labelled(result: EvaluationResult, shot: int) -> str:
    """A number of shots, as in "5 labelled cases per condition"."""
    cases = "case" if shot == 1 else "cases"
    return f"{shot} labelled {cases}" + ("" if is_regression(result) else " per condition")


def verdict(item: Difference | None) -> str:
    """What a paired difference to the strongest baseline allows one to say."""
    low, high = (known(item.low), known(item.high)) if item is not None else (None, None)
    if low is None or high is None:
        return "cannot be told"
    if low > 0:
        return "better than the baseline"
    return "worse than the baseline" if high < 0 else "no clear difference"


def _write(item: Score | Difference, value: float) -> str:
    sign = "+" if isinstance(item, Difference) else ""
    return f"{value * scale(item.metric):{sign}.{_decimals(item)}f}".replace("-", _MINUS)


def _decimals(item: Score | Difference) -> int:
    """As many for a value as for its interval; metrics without a natural range show three digits."""
    if item.metric in _PERCENT:
        return 1
    if item.metric in TITLES and item.metric not in VALUES:
        return 3
    largest = max((abs(v) for v in map(known, (item.value, item.low, item.high)) if v), default=1.0)
    return min(max(2 - floor(log10(largest)), 0), 9)


def one_line(text: str, limit: int) -> str:
    """Text on one line of at most `limit` characters, without control characters, with an ellipsis if cut."""
    clean = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return clean if len(clean) <= limit else clean[: limit - 1].rstrip() + "…"
