"""Which OpenML data sets are of medicine, by their names and tags."""

from __future__ import annotations

import re
from collections.abc import Sequence

TAGS = frozenset(("medicine", "medical", "health", "healthcare", "clinical", "disease", "biomedical"))
"""Tags that say so."""

WORDS = re.compile(
    r"(?<![a-z])(?:"
    r"appendic|arrhythmia|audiology|breast|cancer|cardio|cervical|chronic|cleveland|clinical|colic|"
    r"coronary|covid|cytology|derm|diabet|diagnos|disease|ecg|eeg|fertility|fetal|haberman|health|"
    r"heart|hepat|hospital|hypothyroid|icu|ilpd|kidney|leukemi|liver|lung|lymph|mammogra|medic|"
    r"melanoma|neuro|oncolog|parkinson|patient|pima|prostate|retin|sepsis|sick|spect|stroke|surg|"
    r"thoracic|thyroid|transfusion|tumor|tumour|vertebra|wdbc|wpbc"
    r")"
)
"""Beginnings of words in a name that say so."""


def is_medical(name: str, tags: Sequence[str] = ()) -> bool:
    """Whether a data set counts as medicine: by one of `TAGS`, or a word of its name that begins as in `WORDS`.

    It is a filter by names, made to be read and overruled: it knows nothing of the data.
    """
    return any(tag.strip().lower() in TAGS for tag in tags) or WORDS.search(name.lower()) is not None
