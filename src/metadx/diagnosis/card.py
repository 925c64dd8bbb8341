"""The model card of a bundle, in words a clinician can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from metadx.diagnosis.forecaster import LEVEL
from metadx.diagnosis.model import About
from metadx.diagnosis.target import Target
from metadx.diagnosis.tried import Tried

_USE = (
    "Decision support for research and for use that was validated locally. It says which of the conditions it was "
    "shown a case resembles most; it cannot say that a case has none of them, nor name one it was not shown."
)


_VALUE_USE = (
    "Decision support for research and for use that was validated locally. It says what value to expect of this "
    "patient, as long as they stay as they were; it does not know what they will eat, take or go through."
)


def write_card(
    about: About, method: str, counts: Mapping[str, int], lost: Sequence[str], made: str, signer: str
) -> str:
    """The card as Markdown.

    Args:
        about: where the model comes from.
        method: title of the algorithm.
        counts: support cases of each condition.
        lost: what the bundle cannot do.
        made: date and version.
        signer: fingerprint of the key that signs the bundle.
    """
    least = min(counts.values())
    return _written(
        [
            f"# {about.title or method}",
            _USE,
            "## What it tells apart",
            _table(("Condition", "Labelled cases"), [(name, str(n)) for name, n in counts.items()]),
            f"Adapted by: {method}, from {sum(counts.values())} labelled cases, {least} of the rarest condition. "
            + ("With fewer than five of a condition, treat its probabilities as rough." if least < 5 else ""),
        ],
        about,
        lost,
        made,
        signer,
    )


def write_value_card(
    about: About,
    method: str,
    target: Target,
    tried: Tried,
    cases: int,
    lost: Sequence[str],
    made: str,
    signer: str,
) -> str:
    """The card of a model of values as Markdown.

    Args:
        target: what it predicts.
        tried: what adapting was worth.
        cases: how many support cases it was shown.
        about, method, lost, made, signer: as for `write_card`.
    """
    what = f"{target.quantity or 'A value'}{f', {target.unit}' if target.unit else ''}, of one patient."
    measured = f" {target.unit}" if target.unit else ""
    if tried.half is None:
        width = "Too few support cases could be held back for an interval: findings give values alone."
    else:
        width = (
            f"Intervals reach {tried.half:.3g}{measured} to either side: on the patient's own latest {tried.cases} "
            f"support cases, held back, {LEVEL:.0%} of the errors were no larger. A patient who changes undoes it."
        )
    adapted = tried.sentence(target.unit)
    if not adapted:
        adapted = (
            f"Adapting was tried on their latest {tried.cases} support cases first: off by {tried.adapted:.3g}"
            f"{measured}, without adapting by {tried.base:.3g}{measured} (root mean square)."
        )
    return _written(
        [
            f"# {about.title or method}",
            _VALUE_USE,
            "## What it predicts",
            what,
            f"Adapted by: {method}, to {cases} support cases. {adapted}",
            width,
        ],
        about,
        lost,
        made,
        signer,
    )


def _written(first: list[str], about: About, lost: Sequence[str], made: str, signer: str) -> str:
    """A card that begins so, with what every card says."""
    parts = [*first, "## What it learned from before"]
    if about.data:
        parts.append(
            f"Meta-trained on {about.data} (source: {about.source}; licence: {about.licence}). Of a table it keeps "
            "the sorted values of each column of those cases, apart from each other, to rank new values among them."
        )
    else:
        parts.append("Nothing: it knows the labelled cases above and no others.")
    if about.conditions:
        rows = [(name, str(n)) for name, n in about.conditions.items()]
        parts.append(_table(("Meta-training condition", "Cases"), rows))
    parts += [f"- {note}" for note in about.notes]
    parts.append(f"## How it did on {about.unseen} it had never seen")
    parts += [f"- {line}" for line in about.evaluation] or [
        "Not evaluated. Run `metadx evaluate` on the run first."
    ]
    if lost:
        parts += ["## Made without its labelled cases; what is lost by that", *[f"- {what}" for what in lost]]
        parts.append(
            "What it keeps was computed from those cases; with one case per condition it describes one patient."
        )
    parts += ["## Made", f"{made}; signed by the key {signer}."]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _table(head: tuple[str, str], rows: Sequence[tuple[str, str]]) -> str:
    lines = [head, ("---", "---:"), *rows]
    return "\n".join(f"| {' '.join(a.split()).replace('|', '/')} | {b} |" for a, b in lines)
