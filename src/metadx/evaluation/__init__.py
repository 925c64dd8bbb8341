"""Paired episodes, metrics, intervals and comparison; takes any predictor."""

from metadx.evaluation.forecast import Expected, Forecast, Outlook
from metadx.evaluation.intervals import Interval, bootstrap_interval, mean_interval
from metadx.evaluation.metrics import (
    HIGHER_IS_BETTER,
    TITLES,
    adaptive_ece,
    classification_metrics,
    macro_auroc,
    regression_metrics,
)
from metadx.evaluation.own import Chosen, Part, StudyResult, Warned, Written
from metadx.evaluation.paired import Scores, best, difference, evaluate
from metadx.evaluation.predictor import Predictor, from_estimator
from metadx.evaluation.result import (
    CalibrationBin,
    ConditionScore,
    DataDescription,
    Difference,
    EvaluationResult,
    Method,
    Protocol,
    Score,
    SplitDescription,
)

__all__ = [
    "HIGHER_IS_BETTER",
    "TITLES",
    "CalibrationBin",
    "Chosen",
    "ConditionScore",
    "DataDescription",
    "Difference",
    "EvaluationResult",
    "Expected",
    "Forecast",
    "Interval",
    "Method",
    "Outlook",
    "Part",
    "Predictor",
    "Protocol",
    "Score",
    "Scores",
    "SplitDescription",
    "StudyResult",
    "Warned",
    "Written",
    "adaptive_ece",
    "best",
    "bootstrap_interval",
    "classification_metrics",
    "difference",
    "evaluate",
    "from_estimator",
    "macro_auroc",
    "mean_interval",
    "regression_metrics",
]
