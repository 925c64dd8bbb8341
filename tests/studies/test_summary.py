"""The summary names the winner, whoever it is, and says how sure that is."""

from __future__ import annotations

from typing import Any

import pytest

from metadx.evaluation.result import (
    DataDescription,
    Difference,
    EvaluationResult,
    Method,
    Protocol,
    Score,
    SplitDescription,
)
from metadx.studies.summary import summarise


def result(
    values: dict[str, float | None],
    recommended: str,
    baseline: str | None,
    gap: Any = None,
    metric: str = "accuracy",
) -> EvaluationResult:
    """One number of shots; `gap` is the (value, low, high) of the recommended method against the baseline."""
    apart = ()
    if gap is not None and baseline is not None:
        value, low, high = gap
        apart = (
            Difference(
                method=recommended,
                against=baseline,
                shots=1,
                metric=metric,
                value=value,
                low=low,
                high=high,
                n=9,
            ),
        )
    return EvaluationResult(
        title="t",
        data=DataDescription(name="d", source="s", licence="l", cases=1, patients=1, modality="table"),
        split=SplitDescription(train={}, validation={}, test={}),
        protocol=Protocol(
            ways=5,
            query=5,
            episodes=9,
            seed=0,
            mode="inductive",
            hardware="h",
            date="d",
            command="c",
            seconds=1,
        ),
        methods=tuple(Method(name=name, title=name.upper(), learns_from="nothing") for name in values),
        shots=(1,),
        scores=tuple(
            Score(method=name, shots=1, metric=metric, value=value, low=value, high=value, n=9)
            for name, value in values.items()
        ),
        differences=apart,
        recommended={1: recommended},
        baseline={} if baseline is None else {1: baseline},
        conditions=(),
        calibration=(),
        summary=(),
    )


@pytest.mark.parametrize(
    ("gap", "verdict"),
    [
        ((0.05, 0.02, 0.08), "beats by 5.0 points (95 % interval +2.0 to +8.0) the strongest tuned baseline"),
        ((-0.05, -0.08, -0.02), "loses by 5.0 points (95 % interval -8.0 to -2.0) to the strongest"),
        ((0.01, -0.02, 0.04), "cannot be told apart (95 % interval -2.0 to +4.0) from the strongest"),
        ((0.01, None, None), "could not be compared with the strongest"),
    ],
)
def test_the_verdict_follows_the_interval(gap: Any, verdict: str) -> None:
    first, second = summarise(result({"meta": 0.8, "base": 0.75}, "meta", "base", gap))
    assert first.startswith("With 1 labelled case per condition, META (80.0 % right) ")
    assert verdict in first
    assert first.endswith("BASE (75.0 % right).")
    assert "chosen on meta-validation conditions alone" in second


def test_a_recommended_baseline_is_called_one() -> None:
    first, _ = summarise(result({"meta": 0.7, "base": 0.75}, "base", "base"))
    assert first == (
        "With 1 labelled case per condition a baseline is recommended: BASE (75.0 % right); on meta-validation no "
        "meta-learned method was clearly better."
    )


def test_a_winner_that_was_not_recommended_is_named() -> None:
    first, _ = summarise(result({"meta": 0.8, "base": 0.75}, "base", "base"))
    assert first.endswith("Best on these episodes was META (80.0 % right).")
    first, _ = summarise(
        result({"meta": 0.7, "base": 0.75, "other": 0.9}, "meta", "base", (-0.05, -0.1, -0.01))
    )
    assert "loses by" in first
    assert first.endswith("Best on these episodes was OTHER (90.0 % right).")


def test_errors_are_better_when_they_are_smaller() -> None:
    made = result({"meta": 0.21, "base": 0.3}, "base", "base", metric="mse")
    first, _ = summarise(made)
    assert first.startswith("With 1 labelled case a baseline is recommended: BASE (mean squared error 0.3)")
    assert first.endswith("Best on these episodes was META (mean squared error 0.21).")
    made = result({"meta": 0.21, "base": 0.25}, "meta", "base", (0.04, 0.0123, 0.07), metric="mse")
    assert "beats by 0.04 (95 % interval +0.0123 to +0.07)" in summarise(made)[0]


def test_one_method_alone_is_one_sentence() -> None:
    assert summarise(result({"meta": 0.8}, "meta", None)) == (
        "With 1 labelled case per condition: META (80.0 % right).",
    )


def test_a_figure_that_is_missing_is_said_to_be() -> None:
    assert "META (not measured)" in summarise(result({"meta": None}, "meta", None))[0]
