"""Patient time series: heartbeats of WFDB recordings, continuous glucose, visits."""

from metadx.cases.signals.aami import AAMI_CLASSES, AAMI_MAPPINGS
from metadx.cases.signals.beats import BeatWindow, read_beats
from metadx.cases.signals.glucose import holds_glucose, read_glucose
from metadx.cases.signals.recording import holds_recordings
from metadx.cases.signals.rhythm import RHYTHM, rhythm
from metadx.cases.signals.visits import read_visits

__all__ = [
    "AAMI_CLASSES",
    "AAMI_MAPPINGS",
    "RHYTHM",
    "BeatWindow",
    "holds_glucose",
    "holds_recordings",
    "read_beats",
    "read_glucose",
    "read_visits",
    "rhythm",
]
