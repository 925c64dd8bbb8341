"""The findings of a study in sentences, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from metadx.cases import Audit, Cases
from metadx.evaluation import Difference, Part, Score
from metadx.studies.own.proposal import Proposal

_FEW = 20
_GUESSING = 0.5
"""The AUROC of guessing."""


def lead_sentences(parts: Sequence[Part], audit: Audit, proposal: Proposal) -> tuple[str, ...]:
    """The findings, the most important first."""
    said = []
    for part in parts:
        said += (
            part_sentences(part) if part.name in ("patients-apart", "sites-apart") else task_sentences(part)
        )
    said.append(proposal.why)
    serious = [leak for leak in audit.leaks if leak.severity == "serious"]
    if serious:
        said.insert(
            0,
            f"Before believing any figure: the audit found {len(serious)} serious "
            f"{'problem' if len(serious) == 1 else 'problems'} in the data. {serious[0].sentence} "
            f"{serious[0].mend}",
        )
    return tuple(said)


def part_sentences(part: Part) -> list[str]:
    """The winner of a cross-validation, and how it stands to the next."""
    result = part.result
    ((shots, winner),) = result.recommended.items()
    rival = result.baseline[shots]
    mine = _find(part, winner, part.metric)
    where = "on patients it had not seen" if part.name == "patients-apart" else "on sites it had not seen"
    found = (
        f"{part.winner} is recommended: {_auroc(mine)}"
        if mine.low is None or mine.low > _GUESSING
        else f"Not enough evidence: even {part.winner.lower()}, which did best inside the training patients, "
        f"cannot be told from guessing: {_auroc(mine)}"
    )
    said = [
        f"{found} {where}, and "
        f"{_percent(_find(part, winner, 'balanced_accuracy'))} "
        f"right when every condition counts the same (guessing: {100 / result.protocol.ways:.0f} %)."
    ]
    if part.name == "sites-apart":
        said[0] = f"On other sites: {said[0][0].lower()}{said[0][1:]}"
    if rival != winner:
        title = next(m.title for m in result.methods if m.name == rival)
        gap = next((d for d in result.differences if (d.method, d.metric) == (winner, part.metric)), None)
        said.append(f"Against {title.lower()}, the runner-up inside the training patients: {_gap(gap)}.")
    best = max(result.methods, key=lambda m: _find(part, m.name, part.metric).value or 0)
    if best.name not in (winner, rival):
        said.append(
            f"The best AUROC on those held out was that of {best.title.lower()} "
            f"({_auroc(_find(part, best.name, part.metric))})."
        )
    return said


def task_sentences(part: Part) -> list[str]:
    """What meta-learning came to: the recommended method and the strongest baseline, with few cases and many."""
    result = part.result
    titles = {m.name: m.title for m in result.methods}
    said = []
    for shots in dict.fromkeys((min(result.shots), max(result.shots))):
        winner, rival = result.recommended[shots], result.baseline.get(shots)
        mine = _figure(part, winner, shots)
        cases = f"{shots} labelled {'case' if shots == 1 else 'cases'}"
        cases += " of each condition" if part.metric == "accuracy" else " of a patient"
        if rival is None or rival == winner:
            said.append(f"From {cases}, a simple method is recommended: {titles[winner].lower()} ({mine}).")
            continue
        gap = next((d for d in result.differences if (d.method, d.shots) == (winner, shots)), None)
        how = "cannot be told apart from"
        if gap is not None and gap.low is not None and gap.high is not None:
            how = "beats" if gap.low > 0 else "loses to" if gap.high < 0 else how
        bar = _figure(part, rival, shots)
        said.append(
            f"From {cases}, {titles[winner].lower()} is recommended ({mine}); it {how} the strongest baseline, "
            f"{titles[rival].lower()} ({bar}), on the same episodes."
        )
    said[0] = f"{part.heading} {said[0]}"
    return said


def _figure(part: Part, method: str, shots: int) -> str:
    """A method's main figure at a number of shots, in words."""
    found = next(
        (s for s in part.result.scores if (s.method, s.shots, s.metric) == (method, shots, part.metric)), None
    )
    if found is None or found.value is None:
        return "not measured"
    if part.metric == "accuracy":
        return f"{100 * found.value:.1f} % right"
    return f"an error of {found.value:.3g}"


def next_steps(
    parts: Sequence[Part], audit: Audit, proposal: Proposal, cases: Cases, folder: Path
) -> tuple[str, ...]:
    """What to do now, in sentences."""
    said = []
    if any(leak.severity == "serious" for leak in audit.leaks):
        said.append("Mend what the audit calls serious, and run the study again into another folder.")
    if any("assumed" in note for note in cases.provenance.notes):
        said.append(
            "Check that no patient comes twice; if one does, add a column that says whose each row is."
        )
    apart = [part for part in parts if part.name == "patients-apart"]
    if apart:
        part = apart[0]
        least = min((n, name) for name, n in part.result.split.test.items())
        if least[0] < _FEW:
            said.append(
                f"Collect more cases of '{least[1]}': {least[0]} are few, and its figures are the least "
                "certain here."
            )
        said.append(f"Diagnose new patients: metadx diagnose {folder}/bundle NEW.csv, with the same columns.")
        said.append(
            "Test the bundle on patients seen later than these, before anybody acts on it: a cross-validation "
            "cannot tell "
            "whether next year's patients are like this year's."
        )
    if cases.regression:
        shots = max((k for part in parts for k in part.result.shots), default=1)
        said.append(
            f"Collect at least {shots} cases of a new patient before relying on a forecast: that is what was "
            "tried here."
        )
        if (folder / "model").exists():
            said.append(
                f"Foresee one person: metadx adapt {folder}/model --support ONE-PERSON.csv --out BUNDLE."
            )
        said.append(
            "Try it on patients followed later than these, before anybody acts on it: people held out here "
            "were observed in "
            "the same way and time."
        )
    if (folder / "model").exists() and not cases.regression:
        said.append(
            "For a condition that is not in these data, label a few cases of it and of those it is confused "
            "with: metadx "
            f"adapt {folder}/model --support FEW.csv --out BUNDLE."
        )
    return tuple(said)


def _find(part: Part, method: str, metric: str) -> Score:
    return next(s for s in part.result.scores if (s.method, s.metric) == (method, metric))


def _auroc(score: Score) -> str:
    if score.value is None:
        return "AUROC not known"
    span = (
        ""
        if score.low is None or score.high is None
        else f" (95 % interval {score.low:.3f} to {score.high:.3f})"
    )
    return f"AUROC {score.value:.3f}{span}"


def _percent(score: Score) -> str:
    if score.value is None:
        return "not known"
    span = (
        ""
        if score.low is None or score.high is None
        else f" ({100 * score.low:.1f} to {100 * score.high:.1f})"
    )
    return f"{100 * score.value:.1f} %{span}"


def _gap(gap: Difference | None) -> str:
    if gap is None or gap.value is None or gap.low is None or gap.high is None:
        return "the difference could not be measured"
    size = f"{gap.value:+.3f} AUROC (95 % interval {gap.low:+.3f} to {gap.high:+.3f})"
    if gap.low > 0:
        return f"better by {size}"
    return f"worse by {size}" if gap.high < 0 else f"cannot be told apart, {size}"
