"""Errors that are the user's to mend, which name the thing and the mend; and stops that the user asked for."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Something the user gave cannot be used; the message says what and how to mend it (exit code 2).

    Args:
        message: what is said; made one line, since names in it may come from damaged files.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.splitlines()))


class MissingData(UserError):
    """A data set is not on this machine; the message says the command that gets it."""


class Notice(UserWarning):
    """Something the user should know of while the work goes on; the command line says it in one line."""


class Interrupted(KeyboardInterrupt):
    """Work stopped cleanly because a signal asked for it; the message says how to go on.

    Args:
        message: what is said.
        signal: number of the signal; the exit code is 128 more.
    """

    def __init__(self, message: str, signal: int) -> None:
        super().__init__(message)
        self.signal = signal


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint at the known word nearest to an unknown one."""
    options = sorted(known)
    spelt = {option.lower(): option for option in options}
    close = difflib.get_close_matches(word.lower(), spelt, 1, 0.5)
    return f"did you mean '{spelt[close[0]]}'?" if close else f"known are {', '.join(options)}"
