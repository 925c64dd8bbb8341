"""Suites of OpenML: which data sets they hold, kept so that they can be read without a network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError

from metadx.cases.openml.medicine import is_medical
from metadx.errors import MissingData, UserError


class Member(NamedTuple):
    """A data set of a suite: its number, name and tags, and the target of the suite's task on it."""

    number: int
    name: str
    tags: tuple[str, ...]
    target: str

    @property
    def address(self) -> str:
        """Its name in recipes."""
        return f"openml:{self.number}#{self.target}" if self.target else f"openml:{self.number}"


_MEMBERS = TypeAdapter(list[Member])


def suite_file(root: Path, number: int) -> Path:
    """Where the members of a suite are kept, below the cache of OpenML's package."""
    return root / "suites" / f"{number}.json"


def suite_members(number: int, *, medical: bool = True) -> list[Member]:
    """The data sets of a suite that was got; those of medicine by `is_medical`, or all.

    Raises:
        MissingData: it was not got; says the command that gets it.
        UserError: what was kept is damaged, or nothing of it is medicine.
    """
    from metadx.cases.openml.cache import folder  # brings in the package, which only this needs

    file = suite_file(folder(), number)
    if not file.is_file():
        raise MissingData(
            f"openml:suite:{number} is not on this machine. Get it with `metadx data get openml:suite:{number}`."
        )
    try:
        members = _MEMBERS.validate_python(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, ValidationError, OSError) as why:
        raise UserError(f"{file}: damaged. Remove it and get the suite again.") from why
    kept = [member for member in members if not medical or is_medical(member.name, member.tags)]
    if not kept:
        raise UserError(
            f"openml:suite:{number}: none of its {len(members)} data sets is of medicine by its name."
        )
    return kept
