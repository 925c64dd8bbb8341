"""What the options of an evaluation ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metadx.errors import UserError

if TYPE_CHECKING:
    from metadx.studies import EvaluationSettings


def asked(settings: EvaluationSettings, **options: object) -> tuple[EvaluationSettings, list[str]]:
    """The settings with the options that were given in place of their own, and those options as words.

    Raises:
        UserError: one of them makes no sense.
    """
    from metadx.studies import parse_evaluation

    changes = {name: value for name, value in options.items() if value is not None}
    words = [word for name, value in changes.items() for word in (f"--{name}", str(value))]
    if "shots" in changes:
        changes["shots"] = numbers(str(changes["shots"]))
    if "baselines" in changes:
        names = str(changes["baselines"]).split(",")
        changes["baselines"] = [name.strip() for name in names if name.strip()]
    return parse_evaluation(settings, changes), words


def numbers(text: str) -> list[int]:
    """The whole numbers of an option --shots.

    Raises:
        UserError: it is something else.
    """
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"--shots {text!r}: give whole numbers with commas between, such as 1,5,10") from None
