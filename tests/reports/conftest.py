"""Made-up evaluation results: an ordinary one, and the awkward ones a report must survive."""

import random
from collections.abc import Callable
from typing import Any

import pytest

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

TITLES = (
    ("logistic", "Logistic regression", "nothing"),
    ("centroid", "Nearest centroid", "nothing"),
    ("maml", "MAML", "tasks"),
    ("protonet", "Prototypical network", "tasks"),
    ("meta_logistic", "Meta-learned logistic regression", "tasks"),
    ("transfer", "Transfer, last layer", "cases"),
    ("transfer_all", "Transfer, all layers, with a long title", "cases"),
    ("anil", "ANIL", "tasks"),
    ("reptile", "Reptile", "tasks"),
    ("boosted", "Gradient boosting", "nothing"),
    ("scratch", "Trained from scratch", "nothing"),
    ("forest", "Random forest", "nothing"),
)
CONDITIONS = (
    "Melanoma",
    "Dermatofibroma",
    "Vascular lesion",
    "Actinic keratosis and intraepithelial carcinoma (Bowen's disease), pigmented",
    "Benign keratosis",
)

Make = Callable[..., EvaluationResult]


def make(
    count: int = 5,
    shots: tuple[int, ...] = (1, 5),
    conditions: tuple[str, ...] = CONDITIONS,
    metrics: tuple[str, ...] = ("accuracy", "balanced_accuracy", "auroc", "f1", "brier", "ece"),
    **changes: Any,
) -> EvaluationResult:
    """A made-up result, always the same for the same arguments."""
    draw = random.Random(7)
    main, regression = metrics[0], "accuracy" not in metrics
    listed = [
        Method(
            name=name,
            title=title,
            learns_from=learns,
            settings={k: {"lr": 0.01 * (1 + (k > 5)), "steps": 5, "norm": None} for k in shots},
        )
        for name, title, learns in TITLES[:count]
    ]
    scores, differences, cells, bins = [], [], [], []
    for place, method in enumerate(listed):
        for k in shots:
            level = 0.42 + 0.13 * (k + 1) ** 0.35 + 0.02 * (place % 5) + draw.uniform(-0.02, 0.02)
            for metric in metrics:
                value = level if metric in {"accuracy", "balanced_accuracy", "auroc", "f1"} else 1.1 - level
                value = round(value + draw.uniform(-0.004, 0.004), 6)
                row = {"value": value, "low": value - 0.017, "high": value + 0.017, "n": 600}
                scores.append(Score(method=method.name, shots=k, metric=metric, **row))
            if method.name != "logistic":
                apart = round(0.02 * (place % 5) - 0.03 + draw.uniform(-0.02, 0.02), 6)
                row = {"value": apart, "low": apart - 0.012, "high": apart + 0.012, "n": 600}
                differences.append(
                    Difference(method=method.name, against="logistic", shots=k, metric=main, **row)
                )
            if regression:
                continue
            for condition in conditions:
                right = draw.randint(500, 1100)
                cells.append(
                    ConditionScore(method=method.name, shots=k, condition=condition, right=right, total=1200)
                )
            for b in range(10):
                sure = 0.25 + 0.075 * b
                right = min(1, max(0, sure - 0.05 + 0.1 * draw.random()))
                bins.append(
                    CalibrationBin(
                        method=method.name, shots=k, confidence=sure, accuracy=right, cases=90 * (b + 1)
                    )
                )
    best = listed[-1].name if listed else ""
    content: dict[str, Any] = {
        "title": "Skin lesions never seen in training, from a handful of photographs",
        "data": DataDescription(
            name="dermatology-demo",
            source="A public collection of dermatoscopic photographs",
            licence="CC BY-NC 4.0",
            cases=10015,
            patients=7470,
            modality="images",
            preprocessing=("resized to 64 x 64", "scaled to mean 0 and variance 1 of the training cases"),
            notes=("Patient ids were not in the data: J. Doe vouched that every file is another patient.",),
        ),
        "split": SplitDescription(
            train={f"Condition {i}": 400 + i for i in range(9)},
            validation={"Naevus": 812, "Lentigo": 95},
            test={c: 150 + 7 * i for i, c in enumerate(conditions)},
            left_out={"Angioma": "only 4 patients; an episode needs 16"},
        ),
        "protocol": Protocol(
            ways=5,
            query=15,
            episodes=600,
            seed=3,
            mode="inductive",
            hardware="8 CPU cores",
            date="2026-01-15",
            command="metadx study skin --shots 1 5 10 20",
            seconds=812.4,
        ),
        "methods": tuple(listed),
        "shots": shots,
        "scores": tuple(scores),
        "differences": tuple(differences),
        "recommended": dict.fromkeys(shots, best),
        "baseline": dict.fromkeys(shots, "logistic"),
        "conditions": tuple(cells),
        "calibration": tuple(bins),
        "summary": (
            "With 1 labelled case per condition, Meta-learned logistic regression was best: 63.1 % (61.4 to 64.8).",
            "With 20 it was no longer clearly better than logistic regression.",
        ),
    }
    return EvaluationResult(**{**content, **changes})


@pytest.fixture
def made() -> Make:
    """Builds results; arguments as of `make`."""
    return make


@pytest.fixture
def result() -> EvaluationResult:
    """An ordinary result."""
    return make()


@pytest.fixture
def regression() -> EvaluationResult:
    """A result about values, without conditions or calibration."""
    split = SplitDescription(train={}, validation={}, test={})
    return make(
        count=4, metrics=("rmse", "mae", "mse"), split=split, summary=("With 1 case, MAML was best.",)
    )
