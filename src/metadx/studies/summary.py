"""An evaluation in sentences: the winner first, whoever it is."""

from __future__ import annotations

from collections.abc import Mapping

from metadx.evaluation import Difference, EvaluationResult, Score


def summarise(result: EvaluationResult) -> tuple[str, ...]:
    """Who won overall, then for each number of shots, how the choice was made, and what the intervals say."""
    metric = "accuracy" if any(s.metric == "accuracy" for s in result.scores) else "mse"
    sentences = [_sentence(result, shots, metric) + _winner(result, shots, metric) for shots in result.shots]
    if len(result.shots) > 1 and result.baseline:
        sentences.insert(0, _headline(result))
    if len(result.methods) > 1:
        sentences.append(
            "The recommended method was chosen on meta-validation conditions alone; the figures are from "
            "conditions that no method had seen."
        )
    if result.split.test:
        cases, conditions = sum(result.split.test.values()), len(result.split.test)
        sentences.append(
            f"Intervals are over episodes drawn from the {cases} held-out cases of {conditions} conditions; other "
            "conditions, or other patients, may differ by more."
        )
    return tuple(sentences)


def _headline(result: EvaluationResult) -> str:
    """Where the recommended method wins, ties and loses against the strongest tuned baseline, in one sentence."""
    outcomes: dict[str, list[int]] = {}
    for shots in result.shots:
        outcomes.setdefault(_outcome(result, shots), []).append(shots)
    parts = [f"{outcome} at {_listed(shots)}" for outcome, shots in outcomes.items()]
    return f"Against the strongest tuned baseline, what meta-validation recommends {_joined(parts)}."


def _outcome(result: EvaluationResult, shots: int) -> str:
    chosen, against = result.recommended[shots], result.baseline[shots]
    if chosen == against:
        return "is that baseline"
    gap = next(d for d in result.differences if (d.method, d.against, d.shots) == (chosen, against, shots))
    if gap.low is None or gap.high is None:
        return "could not be compared"
    return "wins" if gap.low > 0 else "loses" if gap.high < 0 else "cannot be told apart"


def _listed(shots: list[int]) -> str:
    return f"{_joined([str(k) for k in shots])} labelled {'case' if shots == [1] else 'cases'}"


def _joined(parts: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def _sentence(result: EvaluationResult, shots: int, metric: str) -> str:
    titles = {m.name: m.title for m in result.methods}
    chosen, against = result.recommended[shots], result.baseline.get(shots)
    noun = "case" if shots == 1 else "cases"
    cases = f"{shots} labelled {noun}" + (" per condition" if metric == "accuracy" else "")
    mine = f"{titles[chosen]} ({_figure(_find(result, chosen, shots, metric), metric)})"
    if against is None:
        return f"With {cases}: {mine}."
    if against == chosen:
        return (
            f"With {cases} a baseline is recommended: {mine}; on meta-validation no meta-learned "
            "method was clearly better."
        )
    gap = next(d for d in result.differences if (d.method, d.against, d.shots) == (chosen, against, shots))
    return (
        f"With {cases}, {mine} {_verdict(gap, metric)} the strongest tuned baseline, "
        f"{titles[against]} ({_figure(_find(result, against, shots, metric), metric)})."
    )


def pair_sentence(gap: Difference, titles: Mapping[str, str]) -> str:
    """How one run did against another at one number of shots."""
    noun = "case" if gap.shots == 1 else "cases"
    cases = f"{gap.shots} labelled {noun}" + (" per condition" if gap.metric == "accuracy" else "")
    return f"With {cases}, {titles[gap.method]} {_verdict(gap, gap.metric)} {titles[gap.against]}."


def _winner(result: EvaluationResult, shots: int, metric: str) -> str:
    """Names the method that did best on these episodes, where the sentence before has not."""
    sign = 1 if metric == "accuracy" else -1
    scores = [s for s in result.scores if (s.shots, s.metric) == (shots, metric) and s.value is not None]
    if not scores:
        return ""
    winner = max(scores, key=lambda s: sign * (s.value or 0.0))
    if winner.method in (result.recommended[shots], result.baseline.get(shots)):
        return ""
    title = next(m.title for m in result.methods if m.name == winner.method)
    return f" Best on these episodes was {title} ({_figure(winner, metric)})."


def _verdict(gap: Difference, metric: str) -> str:
    if gap.value is None or gap.low is None or gap.high is None:
        return "could not be compared with"
    unit, scale, digits = (" points", 100.0, ".1f") if metric == "accuracy" else ("", 1.0, ".3g")
    interval = f"(95 % interval {gap.low * scale:+{digits}} to {gap.high * scale:+{digits}})"
    size = f"{abs(gap.value) * scale:{digits}}{unit} {interval}"
    if gap.low > 0:
        return f"beats by {size}"
    if gap.high < 0:
        return f"loses by {size} to"
    return f"cannot be told apart {interval} from"


def _find(result: EvaluationResult, method: str, shots: int, metric: str) -> Score:
    return next(s for s in result.scores if (s.method, s.shots, s.metric) == (method, shots, metric))


def _figure(score: Score, metric: str) -> str:
    if score.value is None:
        return "not measured"
    if metric == "accuracy":
        return f"{score.value:.1%} right".replace("%", " %")
    return f"mean squared error {score.value:.3g}"
