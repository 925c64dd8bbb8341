"""The report's pictures: pure functions from an EvaluationResult to SVG."""

from metadx.reports.pictures.calibration import bins_of, calibration
from metadx.reports.pictures.curves import curves
from metadx.reports.pictures.differences import differences
from metadx.reports.pictures.ranking import ranking
from metadx.reports.pictures.sensitivity import conditions, sensitivity

__all__ = ["bins_of", "calibration", "conditions", "curves", "differences", "ranking", "sensitivity"]
