"""Hyper-parameters checked at the door, with the value in the message."""

from __future__ import annotations

from metadx.errors import UserError


def positive(owner: object, *names: str) -> None:
    """Raises UserError unless each named attribute is above 0."""
    for name in names:
        value = getattr(owner, name)
        if not value > 0:
            raise UserError(f"{type(owner).__name__}: {name} must be above 0, not {value}")


def at_least(least: float, owner: object, *names: str) -> None:
    """Raises UserError unless each named attribute is None or at least `least`."""
    for name in names:
        value = getattr(owner, name)
        if value is not None and value < least:
            raise UserError(f"{type(owner).__name__}: {name} must be at least {least:g}, not {value}")
