"""metadx learns to diagnose from a handful of labelled cases."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metadx.diagnosis import Diagnoser, Finding, Forecaster, load_bundle, save_bundle
    from metadx.studies import load_model

__version__ = "0.1.0"

__all__ = ["Diagnoser", "Finding", "Forecaster", "load_bundle", "load_model", "save_bundle"]

_ROOMS = dict.fromkeys(__all__, "metadx.diagnosis") | {"load_model": "metadx.studies"}


def __getattr__(name: str) -> Any:
    """What is imported only once it is asked for, so that `import metadx` is quick."""
    if name not in _ROOMS:
        raise AttributeError(f"module 'metadx' has no attribute '{name}'")
    return getattr(importlib.import_module(_ROOMS[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
