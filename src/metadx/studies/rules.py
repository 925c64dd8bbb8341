"""What the conditions of a data set are made of, and which of its labels are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from metadx.cases import Cases, letters
from metadx.errors import UserError
from metadx.studies.recipe import DataSettings


class Rules(NamedTuple):
    """How the labels of a data set become conditions.

    Args:
        parts: what a condition is made of; conditions with a part in common stay on one side.
        controls: labels that are no condition.
    """

    parts: Callable[[str], frozenset[str]]
    controls: tuple[str, ...] = ()


_RULES = {
    "thyroid": Rules(letters, controls=("no condition (-)",)),
    # the twenty people who drew an alphabet drew all of its characters
    "omniglot": Rules(lambda name: frozenset({name.partition("/")[0]})),
}
_ITSELF = Rules(lambda name: frozenset({name}))


def rules_for(data: DataSettings, cases: Cases) -> Rules:
    """The rules of a data set of the catalogue, or the plain ones.

    Raises:
        UserError: the cases have values, not conditions.
    """
    if cases.regression:
        raise UserError(
            f"{cases.provenance.source}: `target` is a value, not a condition. Few-shot tasks by condition need a "
            "`label` column."
        )
    return _RULES.get(data.name or "", _ITSELF)
