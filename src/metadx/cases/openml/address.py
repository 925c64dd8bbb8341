"""What names such as `openml:100` stand for."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from metadx.errors import UserError

Kind = Literal["data", "task", "suite"]
_FORM = re.compile(r"openml:(?:(data|task|suite):)?(\d{1,9})(?:#(.+))?")


class Address(NamedTuple):
    """Something on OpenML.

    Args:
        kind: a data set, a task (a data set and its target) or a suite of tasks.
        number: its number there.
        target: the column to diagnose, where the name says it; else what OpenML says.
    """

    kind: Kind
    number: int
    target: str = ""


def is_openml(name: str) -> bool:
    """Whether a data set's name is one of OpenML's."""
    return name.startswith("openml:")


def parse_address(name: str) -> Address:
    """The address of `openml:100`, `openml:100#target`, `openml:task:31` or `openml:suite:99`.

    Raises:
        UserError: another form.
    """
    match = _FORM.fullmatch(name)
    if match is None or (match[1] in ("task", "suite") and match[3]):
        raise UserError(
            f"'{name[:60]}' names nothing on OpenML. Write openml:100 (a data set), openml:100#column (another "
            "target), openml:task:31 or openml:suite:99."
        )
    kind: Kind = {"task": "task", "suite": "suite"}.get(match[1], "data")  # type: ignore[assignment]
    return Address(kind, int(match[2]), match[3] or "")
