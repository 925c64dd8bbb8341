"""What was inferred of data, in sentences a person can check."""

from __future__ import annotations

from typing import NamedTuple


class Choice(NamedTuple):
    """Something that was chosen rather than asked.

    Args:
        topic: what it is about, such as "Diagnosis".
        sentence: what was chosen and why; and, where there is one, the option that chooses otherwise.
    """

    topic: str
    sentence: str
