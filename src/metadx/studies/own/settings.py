"""What a study is asked to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from metadx import __version__
from metadx.studies.recipe import ColumnSettings, DataSettings

_EMBEDDED, _RAW = 128, 32  # sides of pictures, in pixels


@dataclass(frozen=True)
class StudySettings:
    """What a study is asked to do.

    Args:
        data: the file or folder.
        columns: what its columns mean, as far as that is said.
        minutes: it should take no longer.
        seed: of all that is random.
        size: side of pictures in pixels; None to choose.
        pattern: finds the patient in a picture's name.
        support: whether the bundle holds the cases.
        workers: processes; as many as there are cores if None.
    """

    data: Path
    columns: ColumnSettings = field(default_factory=ColumnSettings)
    minutes: float = 10.0
    seed: int = 0
    size: int | None = None
    pattern: str | None = None
    support: bool = True
    workers: int | None = None

    def asked(self) -> dict[str, Any]:
        """What makes a study the same when it is begun again."""
        return {
            "metadx": __version__,
            "data": str(self.data.resolve()),
            "columns": self.columns.model_dump(mode="json"),
            "seed": self.seed,
            "size": self.size,
            "pattern": self.pattern,
            "support": self.support,
        }


def data_settings(settings: StudySettings) -> DataSettings:
    """The data of a study as recipes name them."""
    return DataSettings(
        own=settings.data,
        columns=settings.columns,
        size=settings.size or (_EMBEDDED if pretrained_installed() else _RAW),
        patient_pattern=settings.pattern,
    )


def pretrained_installed() -> bool:
    """Whether the pretrained network that pictures are embedded by is installed."""
    return find_spec("efficientnet_lite_pytorch") is not None
