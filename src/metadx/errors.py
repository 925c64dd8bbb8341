"""Errors that are the user's to mend: they name the thing and the mend."""


class UserError(ValueError):
    """Something the user gave cannot be used; the message says what and how to mend it (exit code 2)."""


class MissingData(UserError):
    """A data set is not on this machine; the message says the command that gets it."""
