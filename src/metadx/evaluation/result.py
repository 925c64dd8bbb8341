"""The outcome of an evaluation as plain data: what the report shows and `--json` prints are the same numbers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Plain(BaseModel):
    """Data that changes nothing and holds nothing unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="null")


class DataDescription(Plain):
    """What was evaluated on; `notes` are sentences that every report repeats."""

    name: str
    source: str
    licence: str
    cases: int
    patients: int
    modality: str
    preprocessing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class SplitDescription(Plain):
    """Conditions of each split with their number of cases, and those that had to be left out with the reason."""

    train: dict[str, int]
    validation: dict[str, int]
    test: dict[str, int]
    left_out: dict[str, str] = {}


class Protocol(Plain):
    """How episodes were drawn and where they ran.

    Args:
        ways: conditions per episode.
        query: query cases per condition, at most.
        episodes: number of episodes per number of shots.
        mode: "inductive", or "transductive" where any method saw the query inputs together.
    """

    ways: int
    query: int
    episodes: int
    seed: int
    mode: str
    hardware: str
    date: str
    command: str
    seconds: float


class Method(Plain):
    """A method, in words.

    Args:
        name: identifier, such as "meta_logistic".
        title: what people read.
        learns_from: "tasks" (meta-learning), "cases" (transfer learning) or "nothing" (the support set alone).
        settings: hyper-parameters for each number of shots, as chosen on meta-validation.
    """

    name: str
    title: str
    learns_from: str
    settings: dict[int, dict[str, float | int | str | None]] = {}


class Score(Plain):
    """One metric of one method at one number of shots: mean, 95 % interval, number of episodes."""

    method: str
    shots: int
    metric: str
    value: float | None
    low: float | None
    high: float | None
    n: int


class Difference(Plain):
    """How much better `method` is than `against` on the same episodes; above 0 is better."""

    method: str
    against: str
    shots: int
    metric: str
    value: float | None
    low: float | None
    high: float | None
    n: int


class ConditionScore(Plain):
    """Of `total` query cases of a condition over all episodes, how many were diagnosed right."""

    method: str
    shots: int
    condition: str
    right: int
    total: int


class CalibrationBin(Plain):
    """Cases of similar confidence: their mean confidence and how often they were right."""

    method: str
    shots: int
    confidence: float
    accuracy: float
    cases: int


class EvaluationResult(Plain):
    """Everything an evaluation found.

    Args:
        recommended: number of shots to the method chosen on meta-validation.
        baseline: number of shots to the strongest tuned baseline, by its mean on these episodes.
        summary: the findings in sentences; the first names the winner, whoever it is.
    """

    title: str
    data: DataDescription
    split: SplitDescription
    protocol: Protocol
    methods: tuple[Method, ...]
    shots: tuple[int, ...]
    scores: tuple[Score, ...]
    differences: tuple[Difference, ...]
    recommended: dict[int, str]
    baseline: dict[int, str]
    conditions: tuple[ConditionScore, ...]
    calibration: tuple[CalibrationBin, ...]
    summary: tuple[str, ...]
