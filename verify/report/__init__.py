"""The report of a run: `results.json` made into one HTML page and one PDF, from that file alone."""

from verify.report.build import write_reports

__all__ = ["write_reports"]
