"""HTML reports and their pictures."""

from metadx.reports.report import render_report, write_report
from metadx.reports.study import render_study, write_study

__all__ = ["render_report", "render_study", "write_report", "write_study"]
