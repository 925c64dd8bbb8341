"""Patient time series: heartbeats of WFDB recordings, glucose, visits, ICU stays, UCR files, series in CSV."""

from metadx.cases.signals.aami import AAMI_CLASSES, AAMI_MAPPINGS, DS1, DS2
from metadx.cases.signals.beats import BeatWindow, read_beats
from metadx.cases.signals.fibrillation import fibrillating
from metadx.cases.signals.glucose import Histories, holds_glucose, read_glucose, read_histories
from metadx.cases.signals.icu import read_icu
from metadx.cases.signals.icu_files import holds_stays
from metadx.cases.signals.icu_variables import ICU_TYPES, VARIABLES, Variable
from metadx.cases.signals.recording import holds_recordings
from metadx.cases.signals.rhythm import RHYTHM, rhythm
from metadx.cases.signals.series import holds_series, read_series
from metadx.cases.signals.summary import SUMMARIES, summarise
from metadx.cases.signals.ucr import holds_ucr, read_ucr
from metadx.cases.signals.visits import read_visits

__all__ = [
    "AAMI_CLASSES",
    "AAMI_MAPPINGS",
    "DS1",
    "DS2",
    "ICU_TYPES",
    "RHYTHM",
    "SUMMARIES",
    "VARIABLES",
    "BeatWindow",
    "Histories",
    "Variable",
    "fibrillating",
    "holds_glucose",
    "holds_recordings",
    "holds_series",
    "holds_stays",
    "holds_ucr",
    "read_beats",
    "read_glucose",
    "read_histories",
    "read_icu",
    "read_series",
    "read_ucr",
    "read_visits",
    "rhythm",
    "summarise",
]
