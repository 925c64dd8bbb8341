"""HTML reports and their pictures."""

from metadx.reports.report import render_report, write_report

__all__ = ["render_report", "write_report"]
